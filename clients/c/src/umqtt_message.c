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

/* The form of a message: its fields in their order, and who may send it. */
#define FLAGS 0x01U
#define ID_BYTES(n) ((n) << 1)
#define ID_BYTES_OF(form) (((form) >> 1) & 7U)
#define CODE 0x10U
#define DOWN 0x20U     /* from the gateway */
#define OPTIONAL 0x80U /* the fields are left out if nothing follows them */

static const uint8_t forms[] UMQTT_ROM = {
    0,
    0,
    0,
    0,
    /* CONNECT */ FLAGS | ID_BYTES(3U),
    /* CONNACK */ DOWN | CODE,
    /* WILLTOPICREQ */ DOWN,
    /* WILLTOPIC */ FLAGS | OPTIONAL,
    /* WILLMSGREQ */ DOWN,
    /* WILLMSG */ 0,
    /* REGISTER */ DOWN | ID_BYTES(4U),
    /* REGACK */ DOWN | ID_BYTES(4U) | CODE,
    /* PUBLISH */ DOWN | FLAGS | ID_BYTES(4U),
    /* PUBACK */ DOWN | ID_BYTES(4U) | CODE,
    0,
    0,
    0,
    0,
    /* SUBSCRIBE */ FLAGS | ID_BYTES(2U),
    /* SUBACK */ DOWN | FLAGS | ID_BYTES(4U) | CODE,
    /* UNSUBSCRIBE */ FLAGS | ID_BYTES(2U),
    /* UNSUBACK */ DOWN | ID_BYTES(2U),
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
    unsigned bytes;
    uint8_t *p = head;
    size_t len;

    if ((form & OPTIONAL) != 0U && nrest == 0U) {
        form = 0;
    }
    bytes = ID_BYTES_OF(form);
    len = 2U + (form & FLAGS) + bytes + (((form & CODE) != 0U) ? 1U : 0U) + nrest;
    if (len > 255U) { /* Length is counted in it: 256 and 257 do not occur (spec 5.1) */
        len += 2U;
        p[0] = 1;
        p[1] = (uint8_t)(len >> 8);
        p += 2;
    }
    p[0] = (uint8_t)(len & 0xFFU);
    p[1] = (uint8_t)type;
    p += 2;
    if ((form & FLAGS) != 0U) {
        *p = (uint8_t)flags;
        p++;
    }
    while (bytes > 0U) {
        bytes--;
        *p = (uint8_t)((ids >> (8U * bytes)) & 0xFFU);
        p++;
    }
    if ((form & CODE) != 0U) {
        *p = (uint8_t)flags;
        p++;
    }
    return (size_t)(p - head);
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
    unsigned bytes;

    body++;
    if (says == 1U && len > 3U) {
        says = ((size_t)body[0] << 8) | body[1];
        body += 2;
    }
    if (says != len || body == end || *body >= sizeof forms) {
        return false;
    }
    memset(p, 0, sizeof *p);
    p->type = *body;
    body++;
    form = UMQTT_ROM_U8(&forms[p->type]);
    bytes = ID_BYTES_OF(form);
    if ((form & DOWN) == 0U || (size_t)(end - body) < (form & FLAGS) + bytes + (((form & CODE) != 0U) ? 1U : 0U)) {
        return false;
    }
    if ((form & FLAGS) != 0U) {
        p->flags = *body;
        body++;
    }
    for (; bytes > 0U; bytes--) {
        p->ids = (p->ids << 8) | *body;
        body++;
    }
    if ((form & CODE) != 0U) {
        p->code = *body;
        body++;
    }
    p->rest = body;
    p->rest_len = (size_t)(end - body);
    return well_formed(p);
}
