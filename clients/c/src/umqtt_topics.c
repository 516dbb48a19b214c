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
    uint16_t *table = c->config.topics;
    size_t at = (t == NULL) ? 0U : (size_t)((const uint16_t *)t - table) * 2U + UMQTT_TOPIC_SIZE((size_t)t->len);

    return (at < c->topics_used) ? (umqtt_topic *)(void *)(table + at / 2U) : NULL;
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
    uint16_t *to;
    const uint16_t *from;
    size_t size;
    size_t i;

    do {
        t = umqtt_topic_next(c, t);
        if (t == NULL) {
            return false;
        }
    } while ((t->flags & NEEDED) != 0U || (const void *)t <= c->pinned);
    size = UMQTT_TOPIC_SIZE((size_t)t->len);
    c->topics_used -= size;
    to = (uint16_t *)(void *)t;
    from = to + size / 2U;
    for (i = (size_t)(to - c->config.topics); i < c->topics_used / 2U; i++) {
        *to = *from;
        to++;
        from++;
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
    t = (umqtt_topic *)(void *)(c->config.topics + c->topics_used / 2U);
    c->topics_used += size;
    memset(t, 0, size);
    t->len = (uint16_t)len;
    memcpy(t + 1, name, len);
    return t;
}

void umqtt_topic_learn(umqtt_client *c, umqtt_topic *t, unsigned id)
{
    umqtt_topic *old = umqtt_topic_find(c, 0, id, NULL, 0);

    if (old != NULL) {
        old->id = 0;
    }
    t->id = (uint16_t)id;
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

bool umqtt_topic_assignable(unsigned id)
{
    return id - 1U < 0xFFFEU;
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
