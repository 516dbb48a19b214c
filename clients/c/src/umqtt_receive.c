/* What the client makes of what arrives. */
#include "umqtt_wire.h"

/* Calls the program. The topic stays where it is meanwhile. */
static void emit_event(umqtt_client *c, umqtt_event *e, const umqtt_topic *t)
{
    if (t != NULL) {
        e->topic = umqtt_topic_name(t);
        c->pinned = t;
    }
    if (c->config.event != NULL) {
        c->config.event(c->config.context, e);
    }
    c->pinned = NULL;
}

static void emit(umqtt_client *c, umqtt_event_type type, unsigned code)
{
    umqtt_event e;

    memset(&e, 0, sizeof e);
    e.type = type;
    e.code = (uint8_t)code;
    emit_event(c, &e, NULL);
}

void umqtt_become(umqtt_client *c, umqtt_state state, umqtt_event_type type, unsigned code)
{
    c->state = state;
    c->link.state = UMQTT_NONE;
    emit(c, type, code);
}

void umqtt_ended(umqtt_client *c, umqtt_reason reason)
{
    if (c->state == UMQTT_STATE_DISCONNECTING) {
        umqtt_become(c, UMQTT_STATE_OFF, UMQTT_EVENT_DISCONNECTED, 0);
    } else if (c->state == ((reason == UMQTT_REASON_GATEWAY) ? UMQTT_STATE_DOZING : UMQTT_STATE_AWAKE)) {
        umqtt_become(c, UMQTT_STATE_ASLEEP, UMQTT_EVENT_ASLEEP, (unsigned)reason & UMQTT_REASON_UNANSWERED); /* it looks again another time (spec 6.17) */
    } else {
        bool lost = c->state != UMQTT_STATE_CONNECTING;

        umqtt_connect_in(c, umqtt_until_time(umqtt_now(c), c->sent + UMQTT_CONNECT_PAUSE));
        if (lost) {
            emit(c, UMQTT_EVENT_LOST, reason);
        }
    }
}

/* "Congestion": the gateway takes no more of that for a second (spec 6.14). */
static void congested(umqtt_client *c, unsigned flag, uint32_t *wait)
{
    c->flags |= flag;
    *wait = umqtt_now(c) + UMQTT_CONGESTION_WAIT;
    emit(c, UMQTT_EVENT_CONGESTED, UMQTT_CODE_CONGESTION);
}

/* ---- The session ---- */

/* A session begins. Topic ids are those of the last one only if the gateway has lost nothing, which it does not say: they are forgotten. */
static void connected(umqtt_client *c, umqtt_session session)
{
    bool clean = c->config.clean_session;
    umqtt_topic *t;

    umqtt_close_request(c, true);
    for (t = umqtt_topic_next(c, NULL); t != NULL; t = umqtt_topic_next(c, t)) {
        t->id = 0;
        if ((t->flags & UMQTT_TOPIC_WANTED) != 0U) {
            if (clean || session != UMQTT_SESSION_PRESENT) {
                t->flags |= UMQTT_TOPIC_TODO;
            }
        } else if (clean || session == UMQTT_SESSION_NEW) { /* nothing to unsubscribe from */
            t->flags &= ~UMQTT_TOPIC_TODO;
        }
    }
    if (c->tx.state == UMQTT_OUT) {
        c->tx.state = UMQTT_DUE;
    }
    c->tx.tries = 0;
    if (clean) { /* the gateway has forgotten it (spec 6.2) */
        c->tx_msg_id = 0;
        c->tx_flags &= ~UMQTT_FLAG_DUP;
    }
    umqtt_timer_reset(&c->line);
    umqtt_timer_reset(&c->ack);
    c->last_ids = 0;
    umqtt_become(c, UMQTT_STATE_CONNECTED, UMQTT_EVENT_CONNECTED, session);
}

static void got_connack(umqtt_client *c, const umqtt_packet *p)
{
    if (c->state != UMQTT_STATE_CONNECTING || c->link.tries == 0U) {
        return; /* late, for a CONNECT that was sent twice */
    }
    if (p->code == UMQTT_CODE_ACCEPTED) { /* Session that was not asked for was asked for by the program before a reset (spec 6.9) */
        connected(c, (p->rest_len == 0U || !c->config.ask_session) ? UMQTT_SESSION_UNKNOWN : (umqtt_session)(p->rest[0] + 1));
    } else if (p->code == UMQTT_CODE_CONGESTION) {
        umqtt_connect_in(c, UMQTT_CONGESTION_WAIT);
        emit(c, UMQTT_EVENT_CONGESTED, p->code);
    } else {
        umqtt_connect_in(c, UMQTT_MAX_TIMEOUT);
        c->flags |= UMQTT_WAS_REFUSED;
        emit(c, UMQTT_EVENT_REFUSED, p->code);
    }
}

static void got_pingresp(umqtt_client *c)
{
    if (c->link.state != UMQTT_OUT) {
        return;
    }
    if (c->state == UMQTT_STATE_AWAKE) {
        umqtt_become(c, UMQTT_STATE_ASLEEP, UMQTT_EVENT_ASLEEP, 0);
    } else if (c->state == UMQTT_STATE_CONNECTED) {
        umqtt_timer_sample(c, &c->line, &c->link);
        c->link.state = UMQTT_NONE;
    }
}

/* The gateway asks for the will while it connects, and once more if CONNECT was sent again when CONNACK was under way (spec 6.3). */
static void got_will_request(umqtt_client *c, unsigned answer)
{
    if (c->config.will == NULL || c->state > UMQTT_STATE_CONNECTED) {
        return;
    }
    umqtt_send_will(c, answer);
    if (c->state == UMQTT_STATE_CONNECTING) {
        c->link.sent = c->sent; /* it is there: no hurry */
    }
}

/* ---- Answers ---- */

static void drop(umqtt_client *c, unsigned code)
{
    umqtt_free_tx(c, code);
    emit(c, UMQTT_EVENT_DROPPED, code);
}

/* The will is answered in one part or both. */
static void will_answered(umqtt_client *c, unsigned code)
{
    if (code != UMQTT_CODE_ACCEPTED) {
        c->flags &= ~UMQTT_WANT_WILL;
    }
    if ((c->flags & UMQTT_WANT_WILL) == 0U) {
        emit(c, UMQTT_EVENT_WILL, code);
    }
}

/* REGACK, SUBACK, UNSUBACK, WILLTOPICRESP, WILLMSGRESP. */
static void got_answer(umqtt_client *c, const umqtt_packet *p)
{
    umqtt_topic *t = umqtt_topic_flagged(c, UMQTT_TOPIC_ASKED);
    unsigned code = p->code;
    umqtt_event e;

    if (c->request.state == UMQTT_NONE || c->request.tries == 0U || p->type != c->request_type + 1U || UMQTT_MSG_ID(p->ids) != c->request_msg_id) {
        return;
    }
    umqtt_timer_sample(c, umqtt_request_timer(c), &c->request);
    umqtt_close_request(c, code == UMQTT_CODE_CONGESTION);
    if (code == UMQTT_CODE_CONGESTION) {
        if (p->type == UMQTT_REGACK) {
            congested(c, UMQTT_HOLDING, &c->hold);
        } else { /* it waits for the broker: messages need not */
            congested(c, UMQTT_PUTTING_OFF, &c->put_off);
        }
        return;
    }
    if (t == NULL) {
        will_answered(c, code);
        return;
    }
    memset(&e, 0, sizeof e);
    e.type = UMQTT_EVENT_UNSUBSCRIBED;
    if (p->type == UMQTT_SUBACK) {
        e.type = UMQTT_EVENT_SUBSCRIBED;
        e.qos = (uint8_t)(p->flags >> 5);
        if (code != UMQTT_CODE_ACCEPTED && (t->flags & UMQTT_TOPIC_TODO) == 0U) {
            t->flags &= ~UMQTT_TOPIC_WANTED;
        }
    }
    if (code == UMQTT_CODE_ACCEPTED && !umqtt_topic_learn(c, t, UMQTT_TOPIC_ID(p->ids)) && p->type == UMQTT_REGACK) {
        code = UMQTT_CODE_INVALID_TOPIC_ID;
    }
    e.code = (uint8_t)code;
    if (p->type == UMQTT_REGACK) {
        e.type = UMQTT_EVENT_REGISTERED;
        if (code != UMQTT_CODE_ACCEPTED) {
            t->flags &= ~UMQTT_TOPIC_KEEP;
            if ((t->flags & UMQTT_TOPIC_TX) != 0U) {
                drop(c, code);
            }
        }
    }
    emit_event(c, &e, t);
}

static void got_puback(umqtt_client *c, const umqtt_packet *p)
{
    bool invalid = p->code == UMQTT_CODE_INVALID_TOPIC_ID;
    bool flying = c->tx.state == UMQTT_OUT;
    umqtt_topic *t = umqtt_topic_find(c, 0, UMQTT_TOPIC_ID(p->ids), NULL, 0);

    if (invalid && t != NULL) { /* QoS 0 is answered so too */
        t->id = 0;
    }
    if (c->tx.state == UMQTT_NONE || c->tx.tries == 0U || UMQTT_MSG_ID(p->ids) != c->tx_msg_id) {
        return;
    }
    if (flying) {
        umqtt_timer_sample(c, &c->ack, &c->tx);
    }
    if (p->code == UMQTT_CODE_ACCEPTED) {
        umqtt_free_tx(c, UMQTT_CODE_ACCEPTED);
        emit(c, UMQTT_EVENT_PUBLISHED, UMQTT_CODE_ACCEPTED);
        return;
    }
    if (invalid && flying) {
        c->tx_refusals++;
    }
    if (p->code > UMQTT_CODE_INVALID_TOPIC_ID ||
        (invalid && (c->tx_refusals >= UMQTT_MAX_REFUSALS || (c->tx_flags & UMQTT_FLAG_ID_TYPE) != UMQTT_ID_NORMAL))) {
        drop(c, p->code);
        return;
    }
    c->tx.state = UMQTT_DUE; /* what was refused does not exist (spec 6.14): sent anew, without DUP */
    c->tx_flags &= ~UMQTT_FLAG_DUP;
    if (!invalid) {
        congested(c, UMQTT_HOLDING, &c->hold);
    }
}

/* ---- Questions of the gateway ---- */

/* REGISTER. A table without room asks to be asked again; one that is too small for the name never will have room (spec 6.4). */
static void got_register(umqtt_client *c, const umqtt_packet *p)
{
    unsigned code = UMQTT_CODE_NOT_SUPPORTED;
    umqtt_topic *t;

    if (umqtt_topic_valid(p->rest, p->rest_len, false) && UMQTT_TOPIC_SIZE(p->rest_len) <= c->config.topics_size) {
        t = umqtt_topic_add(c, p->rest, p->rest_len);
        if (t == NULL) {
            code = UMQTT_CODE_CONGESTION;
        } else if (umqtt_topic_learn(c, t, UMQTT_TOPIC_ID(p->ids))) {
            code = UMQTT_CODE_ACCEPTED;
        }
    }
    umqtt_send(c, UMQTT_REGACK, code, p->ids, NULL, 0);
}

/* Whether the message is the one that was accepted last, sent again (spec 6.6). Notes it otherwise. */
static bool repeated(umqtt_client *c, const umqtt_packet *p)
{
    uint32_t crc = umqtt_crc32(0, p->rest, p->rest_len);

    if ((p->flags & UMQTT_FLAG_DUP) != 0U && p->ids == c->last_ids && crc == c->last_crc) {
        return true;
    }
    c->last_ids = p->ids;
    c->last_crc = crc;
    return false;
}

static void deliver(umqtt_client *c, const umqtt_packet *p, const char *topic)
{
    umqtt_message m;

    m.topic = topic;
    m.topic_len = umqtt_text_len(topic);
    m.payload = p->rest;
    m.payload_len = p->rest_len;
    m.qos = (uint8_t)((p->flags & UMQTT_FLAG_QOS) >> 5);
    m.retain = (p->flags & UMQTT_FLAG_RETAIN) != 0U;
    if (c->config.message != NULL) {
        c->config.message(c->config.context, &m);
    }
}

/* The name of a predefined topic, or null. */
static const char *predefined(const umqtt_client *c, unsigned id)
{
    size_t i;

    for (i = 0; i < c->config.predefined_count; i++) {
        if (c->config.predefined[i].id == id) {
            return c->config.predefined[i].topic;
        }
    }
    return NULL;
}

static void got_publish(umqtt_client *c, const umqtt_packet *p)
{
    unsigned id = UMQTT_TOPIC_ID(p->ids);
    unsigned kind = p->flags & UMQTT_FLAG_ID_TYPE;
    unsigned qos = p->flags & UMQTT_FLAG_QOS;
    unsigned code = UMQTT_CODE_ACCEPTED;
    const umqtt_topic *t = NULL;
    const char *topic = NULL;
    char two[3];

    if (kind == UMQTT_ID_SHORT) {
        two[0] = (char)(id >> 8);
        two[1] = (char)(id & 0xFFU);
        two[2] = '\0';
        topic = two;
    } else if (kind == UMQTT_ID_PREDEFINED) {
        topic = predefined(c, id);
    } else {
        t = umqtt_topic_find(c, 0, id, NULL, 0);
        topic = (t == NULL) ? NULL : umqtt_topic_name(t);
    }
    if (qos > UMQTT_FLAG_QOS1) {
        code = UMQTT_CODE_NOT_SUPPORTED;
    } else if (topic == NULL) {
        code = UMQTT_CODE_INVALID_TOPIC_ID; /* QoS 0 is answered so too (spec 6.6) */
    } else if (qos == 0U || !repeated(c, p)) {
        c->pinned = t;
        deliver(c, p, topic);
        c->pinned = NULL;
    }
    if (qos != 0U || code != UMQTT_CODE_ACCEPTED) {
        umqtt_send(c, UMQTT_PUBACK, code, p->ids, NULL, 0);
    }
}

/* ---- All of it ---- */

/* What makes sense in a session only. */
static void receive_in_session(umqtt_client *c, const umqtt_packet *p)
{
    switch (p->type) {
    case UMQTT_REGISTER:
        got_register(c, p);
        break;
    case UMQTT_PUBLISH:
        got_publish(c, p);
        break;
    case UMQTT_PUBACK:
        got_puback(c, p);
        break;
    case UMQTT_PINGREQ: /* either end may ask (spec 6.8) */
        umqtt_send(c, UMQTT_PINGRESP, 0, 0, NULL, 0);
        break;
    case UMQTT_PINGRESP:
        got_pingresp(c);
        break;
    default:
        got_answer(c, p);
        break;
    }
}

static void receive_body(umqtt_client *c, size_t len)
{
    umqtt_packet p;

    if (c->state == UMQTT_STATE_OFF || c->state == UMQTT_STATE_ASLEEP || !umqtt_parse(&p, c->in.buffer, len)) {
        return;
    }
    c->heard = umqtt_now(c);
    c->mute = 0;
    c->link_first = c->heard;
    if (c->state == UMQTT_STATE_AWAKE) {
        c->link.sent = c->heard; /* PINGRESP comes after all messages */
    }
    switch (p.type) {
    case UMQTT_CONNACK:
        got_connack(c, &p);
        break;
    case UMQTT_WILLTOPICREQ:
    case UMQTT_WILLMSGREQ:
        got_will_request(c, p.type + 1U);
        break;
    case UMQTT_DISCONNECT:
        umqtt_ended(c, UMQTT_REASON_GATEWAY);
        break;
    default:
        if (c->state != UMQTT_STATE_CONNECTING) {
            receive_in_session(c, &p);
        }
        break;
    }
}

void umqtt_receive(umqtt_client *c, const uint8_t *bytes, size_t n)
{
    size_t len;

    if (c->inside) {
        return;
    }
    c->inside = true;
    for (; n > 0U; n--) {
        len = umqtt_decode(&c->in, *bytes);
        bytes++;
        if (len > 0U) {
            receive_body(c, len);
        }
    }
    c->inside = false;
}
