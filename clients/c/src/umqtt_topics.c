/* The table of topics: names, ids and filters, packed into the caller's buffer. */
#include "umqtt_wire.h"

/* What keeps a topic in the table. */
#define NEEDED (UMQTT_TOPIC_WANTED | UMQTT_TOPIC_TODO | UMQTT_TOPIC_ASKED | UMQTT_TOPIC_TX | UMQTT_TOPIC_KEEP)

static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
    while (n > 0U && *a == *b) {
        a++;
        b++;
        n--;
    }
    return n == 0U;
}

size_t umqtt_text_len(const char *text)
{
    return (text == NULL) ? 0U : strlen(text);
}

umqtt_topic *umqtt_topic_next(const umqtt_client *c, const umqtt_topic *t)
{
    size_t at = 0;

    if (t != NULL) {
        at = (size_t)(t - c->config.topics) + UMQTT_TOPIC_SIZE(t->len);
    }
    return (at < c->topics_used) ? c->config.topics + at : NULL;
}

umqtt_topic *umqtt_topic_find(const umqtt_client *c, unsigned flags, unsigned id, const uint8_t *name, size_t len)
{
    umqtt_topic *t = NULL;

    do {
        t = umqtt_topic_next(c, t);
    } while (t != NULL && (t->flags & flags) == 0U && (id == 0U || t->id != id) &&
             (name == NULL || t->len != len || !same((const uint8_t *)umqtt_topic_name(t), name, len)));
    return t;
}

umqtt_topic *umqtt_topic_flagged(const umqtt_client *c, unsigned flags)
{
    return umqtt_topic_find(c, flags, 0, NULL, 0);
}

/* Takes out the oldest topic that nobody needs and that is behind the pinned one. Those behind it move up; memmove is not needed for that. */
static bool evict(umqtt_client *c)
{
    umqtt_topic *t = NULL;
    const umqtt_topic *end = c->config.topics + c->topics_used;
    const umqtt_topic *from;
    size_t size;

    do {
        t = umqtt_topic_next(c, t);
        if (t == NULL) {
            return false;
        }
    } while ((t->flags & NEEDED) != 0U || t <= c->pinned);
    size = UMQTT_TOPIC_SIZE(t->len);
    c->topics_used -= size;
    for (from = t + size; from != end; from++) {
        *t = *from;
        t++;
    }
    return true;
}

umqtt_topic *umqtt_topic_add(umqtt_client *c, const uint8_t *name, size_t len)
{
    umqtt_topic *t = umqtt_topic_find(c, 0, 0, name, len);
    size_t size = UMQTT_TOPIC_SIZE(len);

    if (t != NULL || size > c->config.topics_size) {
        return t;
    }
    while (c->config.topics_size - c->topics_used < size) {
        if (!evict(c)) {
            return NULL;
        }
    }
    t = c->config.topics + c->topics_used;
    c->topics_used += size;
    memset(t, 0, size * sizeof *t);
    t->len = len;
    memcpy((char *)t + offsetof(umqtt_topic, name), name, len);
    return t;
}

bool umqtt_topic_learn(umqtt_client *c, umqtt_topic *t, unsigned id)
{
    umqtt_topic *old = umqtt_topic_find(c, 0, id, NULL, 0);

    if (id - 1U >= 0xFFFEU) {
        return false;
    }
    if (old != NULL) {
        old->id = 0;
    }
    t->id = id;
    return true;
}

bool umqtt_topic_valid(const uint8_t *name, size_t len, bool wildcards)
{
    uint8_t before = (uint8_t)'/';
    size_t i;

    for (i = 0; i < len; i++) {
        uint8_t b = name[i];

        if (b == 0U || before == (uint8_t)'#' || (before == (uint8_t)'+' && b != (uint8_t)'/')) {
            return false;
        }
        if ((b == (uint8_t)'+' || b == (uint8_t)'#') && (!wildcards || before != (uint8_t)'/')) {
            return false;
        }
        before = b;
    }
    return len > 0U;
}

unsigned umqtt_topic_kind(const umqtt_client *c, const uint8_t *name, size_t len, unsigned *id)
{
    const umqtt_predefined *p = c->config.predefined;
    size_t i;

    for (i = 0; i < c->config.predefined_count; i++, p++) {
        if (strlen(p->topic) == len && same((const uint8_t *)p->topic, name, len)) {
            *id = p->id;
            return UMQTT_ID_PREDEFINED;
        }
    }
    if (len == 2U && umqtt_topic_valid(name, len, false)) { /* stands for itself */
        *id = ((unsigned)name[0] << 8) | name[1];
        return UMQTT_ID_SHORT;
    }
    *id = 0;
    return UMQTT_ID_NORMAL;
}
