/* Messages of MQTT-SN 1.2, as far as a board sends or receives them (spec 5). */
#include <string.h>

#include "umqtt_wire.h"

uint16_t umqtt_get16(const uint8_t *p)
{
    return (uint16_t)(((uint16_t)p[0] << 8) | p[1]);
}

void umqtt_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)(v & 0xFFU);
}

uint8_t umqtt_head(uint8_t head[UMQTT_MAX_HEAD], uint8_t type, const uint8_t *fields, uint8_t nfields, uint16_t nrest)
{
    uint8_t n = 1;
    uint16_t len;

    if (nrest > UINT16_MAX - UMQTT_MAX_HEAD) {
        return 0;
    }
    len = (uint16_t)(nrest + nfields + 2U);
    head[0] = (uint8_t)(len & 0xFFU);
    if (len > 255U) { /* Length is counted in it: 256 and 257 do not occur (spec 5.1) */
        head[0] = 1;
        umqtt_put16(head + 1, (uint16_t)(len + 2U));
        n = 3;
    }
    head[n] = type;
    n++;
    memcpy(head + n, fields, nfields);
    return (uint8_t)(n + nfields);
}

/* The form of a message: which fields it has, in this order. */
#define HAS_FLAGS 0x01U
#define HAS_TOPIC_ID 0x02U
#define HAS_MSG_ID 0x04U
#define HAS_CODE 0x08U
#define HAS_NAME 0x10U    /* at least one byte */
#define HAS_DATA 0x20U    /* or none */
#define HAS_SESSION 0x40U /* perhaps */
#define NONE 0x80U        /* no field; it tells such a message from one that does not exist */

static uint8_t form(uint8_t type)
{
    switch (type) {
    case UMQTT_CONNACK:
        return HAS_CODE | HAS_SESSION;
    case UMQTT_REGISTER:
        return HAS_TOPIC_ID | HAS_MSG_ID | HAS_NAME;
    case UMQTT_REGACK:
    case UMQTT_PUBACK:
        return HAS_TOPIC_ID | HAS_MSG_ID | HAS_CODE;
    case UMQTT_PUBLISH:
        return HAS_FLAGS | HAS_TOPIC_ID | HAS_MSG_ID | HAS_DATA;
    case UMQTT_SUBACK:
        return HAS_FLAGS | HAS_TOPIC_ID | HAS_MSG_ID | HAS_CODE;
    case UMQTT_UNSUBACK:
        return HAS_MSG_ID;
    case UMQTT_WILLTOPICRESP:
    case UMQTT_WILLMSGRESP:
        return HAS_CODE;
    case UMQTT_WILLTOPICREQ:
    case UMQTT_WILLMSGREQ:
    case UMQTT_PINGREQ:
    case UMQTT_PINGRESP:
    case UMQTT_DISCONNECT:
        return NONE;
    default:
        return 0;
    }
}

/* Whether flags has none but those that the type uses (spec 5.3). */
static bool flags_valid(uint8_t type, uint8_t flags)
{
    if (type == UMQTT_SUBACK) {
        return (flags & (uint8_t)~UMQTT_FLAG_QOS) == 0U && flags != UMQTT_FLAG_QOS;
    }
    return (flags & (UMQTT_FLAG_WILL | UMQTT_FLAG_CLEAN)) == 0U && (flags & UMQTT_FLAG_ID_TYPE) != UMQTT_FLAG_ID_TYPE;
}

/* Takes n bytes from the front of what is left of p. Null: there are fewer. */
static const uint8_t *take(umqtt_packet *p, uint8_t n)
{
    const uint8_t *at = p->rest;

    if (p->rest_len < n) {
        return NULL;
    }
    p->rest += n;
    p->rest_len = (uint16_t)(p->rest_len - n);
    return at;
}

/* Takes the fields that stand before TopicName and Data. */
static bool take_fields(umqtt_packet *p, uint8_t fields)
{
    const uint8_t *at;

    if ((fields & HAS_FLAGS) != 0U) {
        at = take(p, 1);
        if (at == NULL || !flags_valid(p->type, *at)) {
            return false;
        }
        p->flags = *at;
    }
    if ((fields & HAS_TOPIC_ID) != 0U) {
        at = take(p, 2);
        if (at == NULL) {
            return false;
        }
        p->topic_id = umqtt_get16(at);
    }
    if ((fields & HAS_MSG_ID) != 0U) {
        at = take(p, 2);
        if (at == NULL) {
            return false;
        }
        p->msg_id = umqtt_get16(at);
    }
    if ((fields & HAS_CODE) != 0U) {
        at = take(p, 1);
        if (at == NULL) {
            return false;
        }
        p->code = *at;
    }
    if ((fields & HAS_SESSION) != 0U && p->rest_len > 0U) {
        at = take(p, 1);
        if (at == NULL || *at > 1U) {
            return false;
        }
        p->session = (*at == 1U) ? UMQTT_SESSION_PRESENT : UMQTT_SESSION_NEW;
    }
    return true;
}

bool umqtt_parse(umqtt_packet *p, const uint8_t *body, uint16_t len)
{
    uint16_t says = body[0];
    uint8_t fields;
    uint8_t n = 1;

    memset(p, 0, sizeof *p);
    if (says == 1U && len > 3U) {
        says = umqtt_get16(body + 1);
        n = 3;
    }
    if (says != len || len <= n) {
        return false;
    }
    p->type = body[n];
    n++;
    p->rest = body + n;
    p->rest_len = (uint16_t)(len - n);
    fields = form(p->type);
    if (fields == 0U || !take_fields(p, fields)) {
        return false;
    }
    if ((fields & HAS_NAME) != 0U) {
        return p->rest_len > 0U;
    }
    return (fields & HAS_DATA) != 0U || p->rest_len == 0U;
}
