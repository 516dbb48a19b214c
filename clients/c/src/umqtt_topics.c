/* The table of topics: names, ids and filters, packed into the caller's buffer. */
#include <string.h>

#include "umqtt_wire.h"

/* Where the fields of a topic are, from its place. */
#define FLAGS 0U
#define ID 1U
#define LEN 3U
#define NAME 5U
#define OVERHEAD 6U /* all but the name; its zero byte included */

/* What keeps a topic in the table. */
#define NEEDED (UMQTT_TOPIC_WANTED | UMQTT_TOPIC_TODO | UMQTT_TOPIC_ASKED | UMQTT_TOPIC_TX | UMQTT_TOPIC_KEEP)

static uint8_t *topic(const umqtt_client *c, uint16_t at)
{
    return c->config.topics + at;
}

static bool same(const uint8_t *a, const uint8_t *b, uint16_t n)
{
    while (n > 0U && *a == *b) {
        a++;
        b++;
        n--;
    }
    return n == 0U;
}

static uint16_t size_of(const umqtt_client *c, uint16_t at)
{
    return (uint16_t)(umqtt_topic_len(c, at) + OVERHEAD);
}

uint16_t umqtt_text_len(const char *text)
{
    size_t n = (text == NULL) ? 0U : strlen(text);

    return (n > UINT16_MAX - UMQTT_MAX_HEAD) ? UMQTT_NO_TOPIC : (uint16_t)n;
}

uint16_t umqtt_topic_next(const umqtt_client *c, uint16_t at)
{
    at = (at == UMQTT_NO_TOPIC) ? 0U : (uint16_t)(at + size_of(c, at));
    return (at < c->topics_used) ? at : UMQTT_NO_TOPIC;
}

uint16_t umqtt_topic_flagged(const umqtt_client *c, uint8_t flags)
{
    uint16_t at = UMQTT_NO_TOPIC;

    do {
        at = umqtt_topic_next(c, at);
    } while (at != UMQTT_NO_TOPIC && (umqtt_topic_flags(c, at) & flags) == 0U);
    return at;
}

uint16_t umqtt_topic_by_id(const umqtt_client *c, uint16_t id)
{
    uint16_t at = UMQTT_NO_TOPIC;

    if (id == 0U) {
        return at; /* that is what those have that have none */
    }
    do {
        at = umqtt_topic_next(c, at);
    } while (at != UMQTT_NO_TOPIC && umqtt_topic_id(c, at) != id);
    return at;
}

uint16_t umqtt_topic_by_name(const umqtt_client *c, const uint8_t *name, uint16_t len)
{
    uint16_t at = UMQTT_NO_TOPIC;

    do {
        at = umqtt_topic_next(c, at);
    } while (at != UMQTT_NO_TOPIC && (umqtt_topic_len(c, at) != len || !same(topic(c, at) + NAME, name, len)));
    return at;
}

/* Takes a topic out. Those behind it move up; memmove is not needed for that, and not asked of the C library. */
static void take_out(umqtt_client *c, uint16_t at)
{
    uint16_t n = size_of(c, at);
    uint16_t i;

    c->topics_used = (uint16_t)(c->topics_used - n);
    for (i = at; i < c->topics_used; i++) {
        c->config.topics[i] = c->config.topics[i + n];
    }
}

uint16_t umqtt_topic_add(umqtt_client *c, const uint8_t *name, uint16_t len)
{
    uint16_t at = umqtt_topic_by_name(c, name, len);
    uint16_t old = UMQTT_NO_TOPIC;
    uint8_t *t;

    if (at != UMQTT_NO_TOPIC || c->config.topics_size < OVERHEAD || len > c->config.topics_size - OVERHEAD) {
        return at;
    }
    while (c->config.topics_size - c->topics_used < (uint16_t)(len + OVERHEAD)) {
        do {
            old = umqtt_topic_next(c, old);
            if (old == UMQTT_NO_TOPIC) {
                return old;
            }
        } while ((umqtt_topic_flags(c, old) & NEEDED) != 0U || old < c->pinned);
        take_out(c, old);
        old = UMQTT_NO_TOPIC;
    }
    at = c->topics_used;
    t = topic(c, at);
    memset(t, 0, NAME);
    umqtt_put16(t + LEN, len);
    memcpy(t + NAME, name, len);
    t[NAME + len] = 0;
    c->topics_used = (uint16_t)(at + len + OVERHEAD);
    return at;
}

uint8_t umqtt_topic_flags(const umqtt_client *c, uint16_t at)
{
    return topic(c, at)[FLAGS];
}

void umqtt_topic_set(umqtt_client *c, uint16_t at, uint8_t flags)
{
    topic(c, at)[FLAGS] |= flags;
}

void umqtt_topic_clear(umqtt_client *c, uint16_t at, uint8_t flags)
{
    topic(c, at)[FLAGS] &= (uint8_t)~flags;
}

uint16_t umqtt_topic_id(const umqtt_client *c, uint16_t at)
{
    return umqtt_get16(topic(c, at) + ID);
}

void umqtt_topic_learn(umqtt_client *c, uint16_t at, uint16_t id)
{
    uint16_t old = umqtt_topic_by_id(c, id);

    if (old != UMQTT_NO_TOPIC) {
        umqtt_put16(topic(c, old) + ID, 0);
    }
    umqtt_put16(topic(c, at) + ID, id);
}

const char *umqtt_topic_name(const umqtt_client *c, uint16_t at)
{
    return (const char *)(topic(c, at) + NAME);
}

uint16_t umqtt_topic_len(const umqtt_client *c, uint16_t at)
{
    return umqtt_get16(topic(c, at) + LEN);
}

bool umqtt_topic_valid(const uint8_t *name, uint16_t len, bool wildcards)
{
    uint16_t i;

    for (i = 0; i < len; i++) {
        uint8_t b = name[i];

        if (b == 0U) {
            return false;
        }
        if (b != (uint8_t)'+' && b != (uint8_t)'#') {
            continue;
        }
        if (!wildcards || (i > 0U && name[i - 1U] != (uint8_t)'/')) {
            return false;
        }
        if (i + 1U < len && (b == (uint8_t)'#' || name[i + 1U] != (uint8_t)'/')) {
            return false;
        }
    }
    return len > 0U;
}

bool umqtt_topic_assignable(uint16_t id)
{
    return id != 0U && id != UINT16_MAX;
}

const char *umqtt_topic_predefined(const umqtt_client *c, uint16_t id)
{
    const umqtt_predefined *p = c->config.predefined;
    uint16_t i;

    for (i = 0; i < c->config.predefined_count; i++, p++) {
        if (p->id == id) {
            return p->topic;
        }
    }
    return NULL;
}

uint8_t umqtt_topic_kind(const umqtt_client *c, const uint8_t *name, uint16_t len, uint16_t *id)
{
    const umqtt_predefined *p = c->config.predefined;
    uint16_t i;

    for (i = 0; i < c->config.predefined_count; i++, p++) {
        if (umqtt_text_len(p->topic) == len && same((const uint8_t *)p->topic, name, len)) {
            *id = p->id;
            return UMQTT_ID_PREDEFINED;
        }
    }
    *id = 0;
    if (len == 2U && umqtt_topic_valid(name, len, false)) { /* stands for itself */
        *id = umqtt_get16(name);
        return UMQTT_ID_SHORT;
    }
    return UMQTT_ID_NORMAL;
}
