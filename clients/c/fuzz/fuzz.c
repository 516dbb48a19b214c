/*
 * libFuzzer: whatever arrives, whenever, and whatever the program calls. The input is a list of steps; the first byte of a step says what it is.
 * Buffers are of exactly their size, so that AddressSanitizer sees each byte too many. What must hold is asserted.
 */
#include "umqtt_serial.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    umqtt_client client;
    uint32_t now;
    unsigned taken;    /* QoS 1 messages that umqtt_publish has accepted */
    unsigned answered; /* of which became something */
    const uint8_t *in;
    size_t nin;
} world;

static const char *const names[] = {"t/o", "ab", "all/#", "+/x", "a/rather/long/name/of/a/topic", "", "a#", "pre/defined"};

static void on_write(void *context, const uint8_t *bytes, size_t n)
{
    volatile uint8_t sum = 0;
    size_t i;

    (void)context;
    assert(n > 0U);
    for (i = 0; i < n; i++) { /* they are there */
        sum = (uint8_t)(sum + bytes[i]);
    }
}

static uint32_t on_millis(void *context)
{
    return ((world *)context)->now;
}

static void on_message(void *context, const umqtt_message *m)
{
    world *w = context;

    assert(m->payload != NULL && m->qos <= 1U && strlen(m->topic) == m->topic_len);
    w->now += 1U;
    (void)umqtt_publish(&w->client, "ab", m->payload, (m->payload_len < 4U) ? m->payload_len : 4U, 0, false);
}

static void on_event(void *context, const umqtt_event *e)
{
    world *w = context;

    if (e->type == UMQTT_EVENT_PUBLISHED || e->type == UMQTT_EVENT_DROPPED) {
        w->answered++;
        assert(w->answered <= w->taken);
    }
    assert(e->topic == NULL || strlen(e->topic) > 0U);
}

static unsigned next(world *w)
{
    if (w->nin == 0U) {
        return 0;
    }
    w->nin--;
    return *w->in++;
}

/* Makes n bytes of input the body of a good frame, for few come by chance. */
static void say(void *context, const uint8_t *bytes, size_t n)
{
    umqtt_receive(&((world *)context)->client, bytes, n);
}

static void call(world *w)
{
    umqtt_client *c = &w->client;
    unsigned what = next(w);
    const char *name = names[next(w) % (sizeof names / sizeof names[0])];
    int qos = (int)(what >> 6) - 1;

    switch (what % 12U) {
    case 0:
        (void)umqtt_connect(c);
        break;
    case 1:
        (void)umqtt_disconnect(c);
        break;
    case 2:
        (void)umqtt_sleep(c, (uint16_t)next(w));
        break;
    case 3:
        (void)umqtt_wake(c);
        break;
    case 4:
        (void)umqtt_subscribe(c, name, qos);
        break;
    case 5:
        (void)umqtt_unsubscribe(c, name);
        break;
    case 6:
        (void)umqtt_register(c, name);
        break;
    case 7:
        (void)umqtt_ask_time(c);
        break;
    case 8:
        (void)umqtt_log(c, name);
        break;
    case 9:
        (void)umqtt_set_will(c, NULL);
        break;
    default:
        if (umqtt_publish(c, name, name, strlen(name), qos, true) == UMQTT_OK && qos == 1) {
            w->taken++;
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const umqtt_predefined predefined[] = {{1, "pre/defined"}};
    static const umqtt_will will = {"gone", (const uint8_t *)"x", 1, 1, true};
    world w = {.in = data, .nin = size};
    unsigned kind = next(&w);
    umqtt_config config = {
        .write = on_write, .millis = on_millis, .message = on_message, .event = on_event, .context = &w, .client_id = "fuzz",
        .rx_size = 16U + kind % 64U, .tx_size = kind % 33U, .topics_size = kind % 9U, .predefined = predefined, .predefined_count = 1,
        .keepalive = (uint16_t)(kind % 3U * 10U), .clean_session = (kind & 8U) != 0U, .ask_session = (kind & 16U) != 0U, .will = ((kind & 32U) != 0U) ? &will : NULL,
    };

    config.rx = malloc(config.rx_size);
    config.tx = malloc(config.tx_size + 1U);
    config.topics = malloc(config.topics_size * sizeof(umqtt_topic) + 1U);
    assert(config.rx != NULL && config.tx != NULL && config.topics != NULL);
    if (umqtt_init(&w.client, &config) == UMQTT_OK) {
        while (w.nin > 0U) {
            unsigned step = next(&w);
            size_t n = step >> 3;

            if (n > w.nin) {
                n = w.nin;
            }
            switch (step & 7U) {
            case 0: /* bytes as they are */
                umqtt_receive(&w.client, w.in, n);
                break;
            case 1:
            case 2:
            case 3: /* a frame */
                if (n > 0U) {
                    umqtt_write_frame(say, &w, w.in, n, NULL, 0);
                }
                break;
            case 4: /* time */
                w.now += (uint32_t)1U << (n % 16U);
                n = 0;
                break;
            case 5: /* as much as the client waits for */
                n = 0;
                w.now += umqtt_poll(&w.client) % 100000U;
                break;
            default:
                n = 0;
                call(&w);
                break;
            }
            w.in += n;
            w.nin -= n;
            assert(umqtt_poll(&w.client) == UMQTT_FOREVER || umqtt_get_state(&w.client) != UMQTT_STATE_OFF);
        }
    }
    free(config.rx);
    free(config.tx);
    free(config.topics);
    return 0;
}
