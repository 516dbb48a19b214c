/* Messages of MQTT-SN 1.2, as far as a board sends or receives them (spec 5). */
#include "umqtt_wire.h"

/* AVR copies constants to its RAM unless told not to. */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define UMQTT_ROM PROGMEM
#define UMQTT_ROM_U8(p) pgm_read_byte(p)
#else
#define UMQTT_ROM
#define UMQTT_ROM_U8(p) (*(p))
#endif

/* The form of a message: a bit for each byte of its fields, in their order, and who may send it. */
#define FLAGS 0x01U
#define TOPIC_ID 0x06U
#define MSG_ID 0x18U
#define CODE 0x20U
#define FIELD_BYTES 6U
#define DOWN 0x40U     /* from the gateway */
#define OPTIONAL 0x80U /* the fields are left out if nothing follows them */

static const uint8_t forms[] UMQTT_ROM = {
    0,
    0,
    0,
    0,
    /* CONNECT */ FLAGS | 0x1CU,
    /* CONNACK */ DOWN | CODE,
    /* WILLTOPICREQ */ DOWN,
    /* WILLTOPIC */ FLAGS | OPTIONAL,
    /* WILLMSGREQ */ DOWN,
    /* WILLMSG */ 0,
    /* REGISTER */ DOWN | TOPIC_ID | MSG_ID,
    /* REGACK */ DOWN | TOPIC_ID | MSG_ID | CODE,
    /* PUBLISH */ DOWN | FLAGS | TOPIC_ID | MSG_ID,
    /* PUBACK */ DOWN | TOPIC_ID | MSG_ID | CODE,
    0,
    0,
    0,
    0,
    /* SUBSCRIBE */ FLAGS | MSG_ID,
    /* SUBACK */ DOWN | FLAGS | TOPIC_ID | MSG_ID | CODE,
    /* UNSUBSCRIBE */ FLAGS | MSG_ID,
    /* UNSUBACK */ DOWN | MSG_ID,
    /* PINGREQ */ DOWN,
    /* PINGRESP */ DOWN,
    /* DISCONNECT */ DOWN,
    0,
    /* WILLTOPICUPD */ FLAGS | OPTIONAL,
    /* WILLTOPICRESP */ DOWN | CODE,
    /* WILLMSGUPD */ 0,
    /* WILLMSGRESP */ DOWN | CODE,
};

size_t umqtt_head(uint8_t *head, unsigned type, unsigned flags, uint32_t ids, size_t nrest)
{
    unsigned form = UMQTT_ROM_U8(&forms[type]);
    uint8_t fields[FIELD_BYTES];
    uint8_t *p = head;
    unsigned i;
    size_t n = 2; /* the start, without a long Length */

    if ((form & OPTIONAL) != 0U && nrest == 0U) {
        form = 0;
    }
    fields[0] = (uint8_t)flags;
    fields[5] = (uint8_t)flags;
    for (i = 4; i > 0U; i--) {
        fields[i] = (uint8_t)(ids & 0xFFU);
        ids >>= 8;
    }
    for (i = 0; i < FIELD_BYTES; i++) {
        if ((form & (1U << i)) != 0U) {
            fields[n - 2U] = fields[i];
            n++;
        }
    }
    if (n + nrest > 255U) { /* Length is counted in it: 256 and 257 do not occur (spec 5.1) */
        p[0] = 1;
        p[1] = (uint8_t)((n + nrest + 2U) >> 8);
        p += 2;
        nrest += 2U;
    }
    p[0] = (uint8_t)((n + nrest) & 0xFFU);
    p[1] = (uint8_t)type;
    memcpy(p + 2, fields, n - 2U);
    return (size_t)(p - head) + n;
}

/* Whether the flags are such as the type uses (spec 5.3), and what follows the fields such as it may have. */
static bool well_formed(const umqtt_packet *p)
{
    switch (p->type) {
    case UMQTT_PUBLISH:
        return (p->flags & (UMQTT_FLAG_WILL | UMQTT_FLAG_CLEAN)) == 0U && (p->flags & UMQTT_FLAG_ID_TYPE) != UMQTT_FLAG_ID_TYPE;
    case UMQTT_REGISTER:
        return p->rest_len > 0U;
    case UMQTT_CONNACK:
        return p->rest_len == 0U || (p->rest_len == 1U && p->rest[0] <= 1U);
    default: /* that is SUBACK, or there are no flags */
        return p->rest_len == 0U && (p->flags & ~UMQTT_FLAG_QOS) == 0U && p->flags != UMQTT_FLAG_QOS;
    }
}

bool umqtt_parse(umqtt_packet *p, const uint8_t *body, size_t len)
{
    const uint8_t *end = body + len;
    size_t says = body[0];
    unsigned form;
    unsigned i;

    body++;
    if (says == 1U && len > 3U) {
        says = ((size_t)body[0] << 8) | body[1];
        body += 2;
    }
    if (says != len || body == end || *body >= sizeof forms) {
        return false;
    }
    p->type = *body;
    body++;
    form = UMQTT_ROM_U8(&forms[p->type]);
    if ((form & DOWN) == 0U) {
        return false;
    }
    p->ids = 0;
    for (i = 0; i < FIELD_BYTES; i++) {
        uint8_t b = 0;

        if ((form & (1U << i)) != 0U) {
            if (body == end) {
                return false;
            }
            b = *body;
            body++;
        }
        if (i == 0U) {
            p->flags = b;
        } else if (i < FIELD_BYTES - 1U) {
            p->ids = (p->ids << 8) | b;
        } else {
            p->code = b;
        }
    }
    p->rest = body;
    p->rest_len = (size_t)(end - body);
    return well_formed(p);
}
