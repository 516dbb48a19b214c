/* The test vectors of docs/protocol.md; vectors.h is made of them. */
#include "test.h"

#include "hex.h"

#include <string.h>

/* An id and two columns of bytes. */
typedef struct vector {
    const char *id;
    const char *a;
    const char *b;
} vector;

#include "vectors.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static uint8_t body[HEX_MAX];
static uint8_t want[HEX_MAX];
static uint8_t out[2U * HEX_MAX];
static size_t nout;

static void same_bytes(const char *id, const char *what, const uint8_t *got, size_t ngot, const uint8_t *wanted, size_t nwanted)
{
    int ok = ngot == nwanted && memcmp(got, wanted, ngot) == 0;

    if (!ok) {
        fprintf(stderr, "%s: %s\n got %s\nwant %s\n", id, what, hex_text(got, ngot), hex_text(wanted, nwanted));
    }
    check(ok, id, __FILE__, __LINE__);
}

static void to_out(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    memcpy(out + nout, bytes, n);
    nout += n;
}

/* A body cut in two anywhere makes the same frame. */
static void encode(const vector *v)
{
    size_t n = hex_read(v->a, body);
    size_t nwant = hex_read(v->b, want);
    size_t cut;

    for (cut = 0; cut <= n && cut <= 8U; cut++) {
        nout = 0;
        umqtt_write_frame(to_out, NULL, body, cut, body + cut, n - cut);
        same_bytes(v->id, "frame", out, nout, want, nwant);
    }
}

/* All frames in bytes: "a;b". */
static void decode(const char *id, const char *bytes, const char *bodies)
{
    static uint8_t buffer[UMQTT_RX_SIZE(2048)];
    size_t n = hex_read(bytes, out);
    size_t i;
    umqtt_decoder d;

    umqtt_decoder_init(&d, buffer, sizeof buffer);
    for (i = 0; i < n; i++) {
        size_t len = umqtt_decode(&d, out[i]);

        if (len > 0U) {
            size_t nwant = hex_read(bodies, want);

            same_bytes(id, "body", buffer, len, want, nwant);
            bodies = strchr(bodies, ';');
            bodies = (bodies == NULL) ? "" : bodies + 1;
        }
    }
    if (*bodies != '\0') {
        fprintf(stderr, "%s: not found: %s\n", id, bodies);
        check(0, id, __FILE__, __LINE__);
    }
}

/* Where the fields of a type are that only boards send. */
static size_t fields_of(unsigned type, size_t rest)
{
    switch (type) {
    case UMQTT_CONNECT:
        return 4;
    case UMQTT_SUBSCRIBE:
    case UMQTT_UNSUBSCRIBE:
        return 3;
    case UMQTT_WILLTOPIC:
    case UMQTT_WILLTOPICUPD:
        return (rest > 0U) ? 1U : 0U;
    default:
        return 0;
    }
}

/* What a board sends is made of its fields again. */
static void rebuild(const char *id, size_t n)
{
    size_t at = (body[0] == 1U) ? 4U : 2U;
    unsigned type = body[at - 1U];
    size_t nfields = fields_of(type, n - at);
    uint32_t ids = 0;
    uint8_t made[HEX_MAX];
    size_t nmade;
    size_t i;

    for (i = 1; i < nfields; i++) {
        ids = (ids << 8) | body[at + i];
    }
    nmade = umqtt_head(made, type, (nfields > 0U) ? body[at] : 0U, ids, n - at - nfields);
    memcpy(made + nmade, body + at + nfields, n - at - nfields);
    same_bytes(id, "made again", made, nmade + n - at - nfields, body, n);
}

static void message(const vector *v)
{
    static const char *const from_boards[] = {"CONNECT", "WILLTOPIC", "WILLMSG", "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT", "WILLTOPICUPD", "WILLMSGUPD", "PINGREQ"};
    static const char *const from_gateways[] = {"CONNACK", "WILLTOPICREQ", "WILLMSGREQ", "REGISTER", "REGACK", "PUBLISH", "PUBACK",
                                                "SUBACK", "UNSUBACK", "PINGRESP", "WILLTOPICRESP", "WILLMSGRESP"};
    size_t n = hex_read(v->b, body);
    umqtt_packet p;
    size_t i;
    uint8_t made[HEX_MAX];
    size_t nmade;

    for (i = 0; i < COUNT(from_boards); i++) {
        if (strcmp(v->a, from_boards[i]) == 0) {
            rebuild(v->id, n);
            return;
        }
    }
    for (i = 0; i < COUNT(from_gateways) && strcmp(v->a, from_gateways[i]) != 0; i++) {
    }
    if (i == COUNT(from_gateways)) { /* ADVERTISE, PUBREC, encapsulation and the like are not for this client */
        check(!umqtt_parse(&p, body, n), v->id, __FILE__, __LINE__);
        return;
    }
    if (!umqtt_parse(&p, body, n)) {
        check(0, v->id, __FILE__, __LINE__);
        return;
    }
    nmade = umqtt_head(made, p.type, (p.type == UMQTT_SUBACK || p.type == UMQTT_PUBLISH) ? p.flags : p.code, p.ids, p.rest_len);
    if (p.type == UMQTT_SUBACK) { /* it alone has Flags and ReturnCode, and a board sends none */
        same_bytes(v->id, "flags", made + 2, 1, body + 2, 1);
        return;
    }
    memcpy(made + nmade, p.rest, p.rest_len);
    same_bytes(v->id, "made again", made, nmade + p.rest_len, body, n);
}

void test_vectors(void)
{
    size_t i;
    umqtt_packet p;
    board *b;

    for (i = 0; i < COUNT(frames); i++) {
        encode(&frames[i]);
        decode(frames[i].id, frames[i].b, frames[i].a);
    }
    for (i = 0; i < COUNT(streams); i++) {
        decode(streams[i].id, streams[i].a, streams[i].b);
    }
    for (i = 0; i < COUNT(messages); i++) {
        message(&messages[i]);
    }
    for (i = 0; i < COUNT(longs); i++) { /* a Length of three bytes where one would do */
        size_t n = hex_read(longs[i].a, body);
        bool known = body[3] != 0U && body[1] != 0xFEU;

        check(umqtt_parse(&p, body, n) == known && (!known || p.type == body[3]), longs[i].id, __FILE__, __LINE__);
    }
    b = board_connected(&(umqtt_config){.client_id = "m5"});
    for (i = 0; i < COUNT(malformed); i++) { /* ignored, as if it had not come */
        size_t n = hex_read(malformed[i].a, body);

        check(!umqtt_parse(&p, body, n), malformed[i].id, __FILE__, __LINE__);
        board_said(b, body, n);
        check(b->nwire == 0U && b->ntold == 0U, malformed[i].id, __FILE__, __LINE__);
    }
}
