/* What the program calls, but for umqtt_poll, umqtt_receive and umqtt_wait. */
#include "umqtt_wire.h"

#define DEFAULT_MAX_BODY 2048U
#define MIN_RX 16U

/* Whether a message fits that has so many bytes besides its longest start. */
static bool fits(const umqtt_client *c, size_t n)
{
    return n <= c->config.max_body - UMQTT_HEADER_SIZE;
}

static umqtt_result check_will(const umqtt_client *c, const umqtt_will *w)
{
    size_t len;

    if (w == NULL) {
        return UMQTT_OK;
    }
    len = umqtt_text_len(w->topic);
    if (w->qos > 1U) {
        return UMQTT_ERR_ARGUMENT;
    }
    if (!fits(c, len) || !fits(c, w->payload_len)) {
        return UMQTT_ERR_TOO_LONG;
    }
    return (len == 0U || umqtt_topic_valid((const uint8_t *)w->topic, len, false)) ? UMQTT_OK : UMQTT_ERR_TOPIC;
}

umqtt_result umqtt_init(umqtt_client *c, const umqtt_config *config)
{
    memset(c, 0, sizeof *c);
    c->config = *config;
    if (c->config.max_body == 0U) {
        c->config.max_body = DEFAULT_MAX_BODY;
    }
    if (config->write == NULL || config->millis == NULL || config->rx == NULL || config->rx_size < MIN_RX || c->config.max_body < MIN_RX) {
        return UMQTT_ERR_ARGUMENT;
    }
    if (config->first_msg_id != 0U) {
        c->msg_id = config->first_msg_id - 1U;
    }
    umqtt_decoder_init(&c->in, config->rx, config->rx_size);
    if (!fits(c, umqtt_text_len(config->client_id))) {
        return UMQTT_ERR_TOO_LONG;
    }
    return check_will(c, config->will);
}

umqtt_result umqtt_connect(umqtt_client *c)
{
    if (c->state != UMQTT_STATE_CONNECTING && c->state != UMQTT_STATE_CONNECTED) {
        umqtt_connect_in(c, 0);
    }
    return UMQTT_OK;
}

/* Begins to say DISCONNECT or PINGREQ in another state. */
static umqtt_result probe_as(umqtt_client *c, umqtt_state state)
{
    c->state = state;
    umqtt_probe(c);
    return UMQTT_OK;
}

umqtt_result umqtt_disconnect(umqtt_client *c)
{
    if (c->state == UMQTT_STATE_OFF || c->state == UMQTT_STATE_DISCONNECTING) {
        return UMQTT_OK;
    }
    return probe_as(c, UMQTT_STATE_DISCONNECTING);
}

umqtt_result umqtt_sleep(umqtt_client *c, uint16_t seconds)
{
    if (seconds == 0U) {
        return UMQTT_ERR_ARGUMENT;
    }
    if (c->state != UMQTT_STATE_CONNECTED && c->state < UMQTT_STATE_DOZING) {
        return UMQTT_ERR_STATE;
    }
    c->nap = seconds;
    return probe_as(c, UMQTT_STATE_DOZING);
}

umqtt_result umqtt_wake(umqtt_client *c)
{
    return (c->state == UMQTT_STATE_ASLEEP) ? probe_as(c, UMQTT_STATE_AWAKE) : UMQTT_ERR_STATE;
}

/* Puts a topic that is wanted into the table. Its REGISTER must fit, and it the table. */
static umqtt_result find_room(umqtt_client *c, const uint8_t *name, size_t len, umqtt_topic **t)
{
    if (!fits(c, len) || UMQTT_TOPIC_SIZE(len) > c->config.topics_size) {
        return UMQTT_ERR_TOO_LONG;
    }
    *t = umqtt_topic_add(c, name, len);
    return (*t == NULL) ? UMQTT_ERR_NO_ROOM : UMQTT_OK;
}

umqtt_result umqtt_publish(umqtt_client *c, const char *topic, const void *payload, size_t len, int qos, bool retain)
{
    const uint8_t *name = (const uint8_t *)topic;
    size_t name_len = umqtt_text_len(topic);
    unsigned flags = retain ? UMQTT_FLAG_RETAIN : 0U;
    umqtt_topic *t = NULL;
    unsigned id;
    umqtt_result r;

    if (qos < -1 || qos > 1 || (payload == NULL && len > 0U)) {
        return UMQTT_ERR_ARGUMENT;
    }
    if (!umqtt_topic_valid(name, name_len, false)) {
        return UMQTT_ERR_TOPIC;
    }
    if (!fits(c, len)) {
        return UMQTT_ERR_TOO_LONG;
    }
    flags |= ((unsigned)qos & 3U) << 5;
    flags |= umqtt_topic_kind(c, name, name_len, &id);
    if (qos >= 0) {
        if (c->state != UMQTT_STATE_CONNECTED && c->state != UMQTT_STATE_CONNECTING) {
            return UMQTT_ERR_STATE;
        }
        if (id == 0U) {
            r = find_room(c, name, name_len, &t);
            if (r != UMQTT_OK) {
                return r;
            }
            id = t->id;
        }
    } else if (id == 0U) {
        return UMQTT_ERR_TOPIC;
    }
    if (qos < 0 || (qos == 0 && id != 0U && c->state == UMQTT_STATE_CONNECTED)) {
        umqtt_send(c, UMQTT_PUBLISH, flags, UMQTT_IDS(id, 0), payload, len);
        return UMQTT_OK;
    }
    if (len > c->config.tx_size) {
        return UMQTT_ERR_TOO_LONG;
    }
    if (c->tx.state != UMQTT_NONE) {
        return UMQTT_ERR_BUSY;
    }
    if (t != NULL) {
        t->flags |= UMQTT_TOPIC_TX;
    }
    if (len > 0U) {
        memcpy(c->config.tx, payload, len);
    }
    c->tx_len = len;
    c->tx_flags = flags;
    c->tx_topic_id = id;
    c->tx_refusals = 0;
    umqtt_ask(&c->tx);
    (void)umqtt_pump(c);
    return UMQTT_OK;
}

/* Puts a filter or topic into the table, takes flags from it and gives it others. */
static umqtt_result want(umqtt_client *c, const char *name, bool wildcards, unsigned clear, unsigned set)
{
    size_t len = umqtt_text_len(name);
    umqtt_topic *t;
    umqtt_result r;

    if (!umqtt_topic_valid((const uint8_t *)name, len, wildcards)) {
        return UMQTT_ERR_TOPIC;
    }
    r = find_room(c, (const uint8_t *)name, len, &t);
    if (r == UMQTT_OK) {
        t->flags = (t->flags & ~clear) | set;
        (void)umqtt_pump(c);
    }
    return r;
}

umqtt_result umqtt_subscribe(umqtt_client *c, const char *filter, int qos)
{
    if (qos < 0 || qos > 1) {
        return UMQTT_ERR_ARGUMENT;
    }
    return want(c, filter, true, UMQTT_TOPIC_QOS1, (unsigned)qos | UMQTT_TOPIC_WANTED | UMQTT_TOPIC_TODO);
}

umqtt_result umqtt_unsubscribe(umqtt_client *c, const char *filter)
{
    return want(c, filter, true, UMQTT_TOPIC_WANTED, UMQTT_TOPIC_TODO);
}

umqtt_result umqtt_register(umqtt_client *c, const char *topic)
{
    unsigned id;

    if (umqtt_topic_kind(c, (const uint8_t *)topic, umqtt_text_len(topic), &id) != UMQTT_ID_NORMAL) {
        return UMQTT_ERR_TOPIC;
    }
    return want(c, topic, false, 0, UMQTT_TOPIC_KEEP);
}

umqtt_result umqtt_set_will(umqtt_client *c, const umqtt_will *will)
{
    umqtt_result r = check_will(c, will);

    if (r != UMQTT_OK) {
        return r;
    }
    c->config.will = will;
    c->flags &= ~UMQTT_WANT_WILL;
    if (will != NULL && c->state != UMQTT_STATE_OFF) {
        c->flags |= (umqtt_text_len(will->topic) > 0U) ? UMQTT_WANT_WILL : UMQTT_WANT_WILL_TOPIC;
        (void)umqtt_pump(c);
    }
    return UMQTT_OK;
}

umqtt_result umqtt_log(umqtt_client *c, const char *text)
{
    size_t n = umqtt_text_len(text);

    if (text == NULL) {
        return UMQTT_ERR_ARGUMENT;
    }
    if (c->writing) {
        return UMQTT_ERR_BUSY;
    }
    if (n > 0U) {
        c->config.write(c->config.context, (const uint8_t *)text, n);
    }
    return UMQTT_OK;
}

umqtt_state umqtt_get_state(const umqtt_client *c)
{
    return (umqtt_state)c->state;
}

bool umqtt_connected(const umqtt_client *c)
{
    return c->state == UMQTT_STATE_CONNECTED;
}

bool umqtt_can_publish(const umqtt_client *c)
{
    return c->tx.state == UMQTT_NONE;
}

bool umqtt_idle(const umqtt_client *c)
{
    umqtt_topic *t;

    return umqtt_connected(c) && (c->tx.state | c->request.state | c->link.state) == UMQTT_NONE &&
           (c->flags & (UMQTT_HOLDING | UMQTT_PUTTING_OFF)) == 0U && umqtt_wish(c, &t) == 0U;
}
