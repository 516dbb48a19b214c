/* A board without hardware: its line and its clock are the test's. */
#include "test.h"

#include "hex.h"

#include <stdlib.h>
#include <string.h>

static board the_board;

static void board_write(void *context, const uint8_t *bytes, size_t n)
{
    board *b = context;

    if (n == 0U || b->nwire + n > sizeof b->wire) {
        fprintf(stderr, "write: %zu bytes at once, %zu in all\n", n, b->nwire + n);
        exit(2);
    }
    memcpy(b->wire + b->nwire, bytes, n);
    b->nwire += n;
}

static uint32_t board_millis(void *context)
{
    return ((board *)context)->now;
}

static size_t board_read(void *context, uint8_t *bytes, size_t n)
{
    board *b = context;

    if (n > b->ninput) {
        n = b->ninput;
    }
    memcpy(bytes, b->input, n);
    b->ninput -= n;
    memmove(b->input, b->input + n, b->ninput);
    return n;
}

static void tell(board *b, const char *words)
{
    size_t n = strlen(words);
    void (*during)(board *) = b->during;

    if (b->ntold + n + 3U > sizeof b->told) {
        fprintf(stderr, "too much is told\n");
        exit(2);
    }
    if (b->ntold > 0U) {
        memcpy(b->told + b->ntold, "; ", 3);
        b->ntold += 2U;
    }
    memcpy(b->told + b->ntold, words, n + 1U);
    b->ntold += n;
    b->during = NULL;
    if (during != NULL) {
        during(b);
    }
}

static void board_message(void *context, const umqtt_message *m)
{
    char words[1024];
    size_t i;
    int n = snprintf(words, sizeof words, "%s q%d%s ", m->topic, m->qos, m->retain ? " retained" : "");

    check(m->payload != NULL && m->topic[m->topic_len] == '\0' && strlen(m->topic) == m->topic_len, "a message as it is promised", __FILE__, __LINE__);
    for (i = 0; i < m->payload_len && (size_t)n < sizeof words - 1U; i++) {
        words[n++] = (char)m->payload[i];
    }
    words[n] = '\0';
    tell(context, words);
}

static void board_event(void *context, const umqtt_event *e)
{
    static const char *const names[] = {
        "?", "connected", "refused", "lost", "disconnected", "asleep", "published", "dropped", "congested", "subscribed", "unsubscribed", "registered", "will",
    };
    char words[256];
    int n = snprintf(words, sizeof words, "%s %u", names[e->type], e->code);

    if (e->topic != NULL) {
        n += snprintf(words + n, sizeof words - (size_t)n, " %s", e->topic);
    }
    if (e->qos != 0U) {
        (void)snprintf(words + n, sizeof words - (size_t)n, " q%u", e->qos);
    }
    tell(context, words);
}

static void board_idle(void *context, uint32_t ms)
{
    board *b = context;

    b->now += ms;
    b->idled += ms;
    if (b->idling != NULL) {
        b->idling(b);
    }
}

umqtt_config board_config(board *b, const umqtt_config *config)
{
    umqtt_config c = *config;

    c.write = board_write;
    c.millis = board_millis;
    c.read = board_read;
    c.message = board_message;
    c.event = board_event;
    c.idle = board_idle;
    c.context = b;
    if (c.rx == NULL) {
        c.rx = b->rx;
        c.rx_size = sizeof b->rx;
    }
    if (c.tx == NULL) {
        c.tx = b->tx;
        c.tx_size = sizeof b->tx;
    }
    if (c.topics == NULL) {
        c.topics = b->topics;
        c.topics_size = sizeof b->topics / sizeof b->topics[0];
    }
    return c;
}

board *board_new(const umqtt_config *config)
{
    board *b = &the_board;
    umqtt_config c;

    memset(b, 0xA5, sizeof *b); /* nothing of it may matter */
    b->now = 0xFFFFFF00U;       /* and clocks wrap */
    b->nwire = 0;
    b->ninput = 0;
    b->ntold = 0;
    b->told[0] = '\0';
    b->during = NULL;
    b->idling = NULL;
    b->idled = 0;
    c = board_config(b, config);
    EQUAL(umqtt_init(&b->client, &c), UMQTT_OK);
    return b;
}

board *board_connected(const umqtt_config *config)
{
    board *b = board_new(config);

    EQUAL(umqtt_connect(&b->client), UMQTT_OK);
    (void)board_poll(b);
    b->nwire = 0;
    SAY(b, "03 05 00");
    CHECK(umqtt_connected(&b->client));
    b->ntold = 0;
    b->told[0] = '\0';
    b->nwire = 0;
    return b;
}

uint32_t board_poll(board *b)
{
    return umqtt_poll(&b->client);
}

void board_run(board *b, uint32_t ms)
{
    uint32_t end = b->now + ms;

    for (;;) {
        uint32_t wait = board_poll(b);
        uint32_t left = end - b->now;

        if (left == 0U) {
            return;
        }
        b->now += (wait == 0U) ? 1U : (wait < left) ? wait : left;
    }
}

static uint8_t *frame_to;
static size_t frame_n;

static void frame_write(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    memcpy(frame_to + frame_n, bytes, n);
    frame_n += n;
}

void board_said(board *b, const uint8_t *body, size_t n)
{
    static uint8_t frame[2U * HEX_MAX];

    frame_to = frame;
    frame_n = 0;
    umqtt_write_frame(frame_write, NULL, body, n, NULL, 0);
    umqtt_receive(&b->client, frame, frame_n);
}

void board_say(board *b, const char *body)
{
    static uint8_t bytes[HEX_MAX];

    board_said(b, bytes, hex_read(body, bytes));
}

void board_wrote(board *b, const char *bodies, const char *file, int line)
{
    static uint8_t buffer[HEX_MAX];
    static char got[4U * HEX_MAX];
    umqtt_decoder d;
    size_t i;
    size_t n = 0;

    got[0] = '\0';
    umqtt_decoder_init(&d, buffer, sizeof buffer);
    for (i = 0; i < b->nwire; i++) {
        size_t len = umqtt_decode(&d, b->wire[i]);

        if (len > 0U) {
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", (n > 0U) ? "; " : "", hex_text(buffer, len));
        }
    }
    b->nwire = 0;
    if (strcmp(got, bodies) != 0) {
        fprintf(stderr, "wrote %s\n want %s\n", got, bodies);
        check(0, "what was written", file, line);
    }
}

void board_told(board *b, const char *words, const char *file, int line)
{
    if (strcmp(b->told, words) != 0) {
        fprintf(stderr, "told %s\nwant %s\n", b->told, words);
        check(0, "what was told", file, line);
    }
    b->ntold = 0;
    b->told[0] = '\0';
}
