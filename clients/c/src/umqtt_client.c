/* What is sent, and when. What arrives is umqtt_receive.c's business. */
#include "umqtt_wire.h"

#define READ_CHUNK 32U
#define READ_CHUNKS 16U
#define MAX_PASSES 8U

/* ---- Time ---- */

uint32_t umqtt_now(const umqtt_client *c)
{
    return c->config.millis(c->config.context);
}

/* How long it is until t; 0 if t has come. Times are 32 bits and wrap: what is more than half the circle ahead is behind. */
uint32_t umqtt_until_time(uint32_t now, uint32_t t)
{
    uint32_t ms = t - now;

    return (ms > (uint32_t)INT32_MAX) ? 0U : ms;
}

/* Whether t has come. If not, there is that much less time with nothing to do. */
static bool expired(umqtt_client *c, uint32_t t)
{
    uint32_t ms = umqtt_until_time(c->now, t);

    if (ms > 0U && ms < c->left) {
        c->left = ms;
    }
    return ms == 0U;
}

void umqtt_timer_reset(umqtt_timer *t)
{
    t->srtt = 0;
    t->timeout = UMQTT_FIRST_TIMEOUT;
}

static void set_timeout(umqtt_timer *t, uint32_t ms)
{
    if (ms < UMQTT_MIN_TIMEOUT) {
        ms = UMQTT_MIN_TIMEOUT;
    }
    t->timeout = (ms < UMQTT_MAX_TIMEOUT) ? ms : UMQTT_MAX_TIMEOUT;
}

/* RFC 6298 section 2, in fixed point. */
void umqtt_timer_sample(const umqtt_client *c, umqtt_timer *t, const umqtt_question *q)
{
    uint32_t rtt = umqtt_until_time(q->sent, umqtt_now(c)); /* 0 if it was said to leave later than it did */
    uint32_t mean = t->srtt >> 3;

    if (q->tries != 1U) {
        return;
    }
    if (rtt > UMQTT_MAX_TIMEOUT) {
        rtt = UMQTT_MAX_TIMEOUT;
    }
    if (t->srtt == 0U) {
        t->srtt = rtt << 3;
        t->rttvar = rtt << 1;
    } else {
        t->rttvar = t->rttvar - (t->rttvar >> 2) + ((rtt > mean) ? rtt - mean : mean - rtt);
        t->srtt = t->srtt - mean + rtt;
    }
    set_timeout(t, (t->srtt >> 3) + t->rttvar + 1U);
}

/* ---- Sending ---- */

void umqtt_send(umqtt_client *c, unsigned type, unsigned flags, uint32_t ids, const void *rest, size_t nrest)
{
    uint8_t head[UMQTT_MAX_HEAD];
    size_t n = umqtt_head(head, type, flags, ids, nrest);
    uint32_t now = umqtt_now(c);
    uint32_t line = 0;

    if (c->config.baud != 0U) { /* ten bits a byte; delimiters, CRC and COBS are eight bytes or so */
        line = (uint32_t)(nrest + n + 8U) * 10000U / c->config.baud;
    }
    c->writing = true;
    umqtt_write_frame(c->config.write, c->config.context, head, n, (const uint8_t *)rest, nrest);
    c->writing = false;
    c->sent = umqtt_now(c);
    c->sent += umqtt_until_time(c->sent, now + line); /* write may have returned before */
}

static void send_text(umqtt_client *c, unsigned type, unsigned flags, uint32_t ids, const char *text)
{
    umqtt_send(c, type, flags, ids, text, umqtt_text_len(text));
}

void umqtt_send_will(umqtt_client *c, unsigned type)
{
    const umqtt_will *w = c->config.will;

    if (w == NULL) {
        umqtt_send(c, type, 0, 0, NULL, 0); /* deletes it */
    } else if (type == UMQTT_WILLMSG || type == UMQTT_WILLMSGUPD) {
        umqtt_send(c, type, 0, 0, w->payload, w->payload_len);
    } else {
        send_text(c, type, ((unsigned)w->qos << 5) | (w->retain ? UMQTT_FLAG_RETAIN : 0U), 0, w->topic);
    }
}

void umqtt_ask(umqtt_question *q)
{
    q->state = UMQTT_DUE;
    q->tries = 0;
}

static void asked(const umqtt_client *c, umqtt_question *q)
{
    q->state = UMQTT_OUT;
    q->sent = c->sent;
    if (q->tries < UMQTT_TRIES) {
        q->tries++;
    }
}

static unsigned next_msg_id(umqtt_client *c)
{
    do {
        c->msg_id = (c->msg_id + 1U) & 0xFFFFU;
    } while (c->msg_id == 0U || c->msg_id == c->tx_msg_id); /* none anew while its message is in flight (spec 6.12) */
    return c->msg_id;
}

/* ---- The link: CONNECT, PINGREQ, DISCONNECT. The gateway alone answers them. ---- */

void umqtt_connect_in(umqtt_client *c, uint32_t ms)
{
    c->state = UMQTT_STATE_CONNECTING;
    c->flags &= ~(UMQTT_HOLDING | UMQTT_PUTTING_OFF | UMQTT_WAS_REFUSED);
    c->link.state = UMQTT_OUT; /* as if one had been sent half the first timeout before that */
    c->link.tries = 0;
    c->line.timeout = UMQTT_FIRST_TIMEOUT / 2U;
    c->link.sent = umqtt_now(c) + ms - UMQTT_FIRST_TIMEOUT / 2U;
}

void umqtt_probe(umqtt_client *c)
{
    umqtt_ask(&c->link);
    c->link_first = umqtt_now(c);
}

static void send_link(umqtt_client *c)
{
    const umqtt_config *config = &c->config;
    unsigned flags = 0;
    uint8_t seconds[2];

    switch (c->state) {
    case UMQTT_STATE_CONNECTING:
        if (config->clean_session) {
            flags = UMQTT_FLAG_CLEAN;
        }
        if (config->will != NULL) {
            flags |= UMQTT_FLAG_WILL;
        }
        if (config->ask_session && c->link.tries < UMQTT_TRIES) { /* a gateway without the extension may not answer (spec 6.9) */
            flags |= UMQTT_FLAG_SESSION;
        }
        send_text(c, UMQTT_CONNECT, flags, UMQTT_IDS(1, config->keepalive), config->client_id);
        break;
    case UMQTT_STATE_CONNECTED:
        umqtt_send(c, UMQTT_PINGREQ, 0, 0, NULL, 0);
        break;
    case UMQTT_STATE_AWAKE:
        send_text(c, UMQTT_PINGREQ, 0, 0, config->client_id);
        break;
    default:
        seconds[0] = (uint8_t)(c->nap >> 8);
        seconds[1] = (uint8_t)(c->nap & 0xFFU);
        umqtt_send(c, UMQTT_DISCONNECT, 0, 0, seconds, (c->state == UMQTT_STATE_DOZING) ? 2U : 0U);
        break;
    }
    asked(c, &c->link);
}

/* True: something was done. */
static bool run_link(umqtt_client *c)
{
    uint32_t wait = c->line.timeout;

    if (c->link.state == UMQTT_NONE) {
        return false;
    }
    if (c->link.state == UMQTT_OUT) {
        if (c->state != UMQTT_STATE_CONNECTING && wait > UMQTT_PROBE_MAX_WAIT) {
            wait = UMQTT_PROBE_MAX_WAIT;
        }
        if (!expired(c, c->link.sent + wait)) {
            return false;
        }
        if (c->state != UMQTT_STATE_CONNECTING && c->link.tries == UMQTT_TRIES && c->now - c->link_first >= UMQTT_PROBE_PATIENCE) {
            umqtt_ended(c, UMQTT_REASON_UNANSWERED);
            return true;
        }
        set_timeout(&c->line, c->line.timeout << 1);
    }
    send_link(c);
    return true;
}

/* ---- Requests: REGISTER, SUBSCRIBE, UNSUBSCRIBE, will updates. One is open at a time. ---- */

unsigned umqtt_wish(const umqtt_client *c, umqtt_topic **t)
{
    if ((c->flags & UMQTT_HOLDING) == 0U) {
        for (*t = umqtt_topic_next(c, NULL); *t != NULL; *t = umqtt_topic_next(c, *t)) {
            if (((*t)->flags & (UMQTT_TOPIC_TX | UMQTT_TOPIC_KEEP)) != 0U && (*t)->id == 0U) {
                return UMQTT_REGISTER;
            }
        }
    }
    if ((c->flags & UMQTT_PUTTING_OFF) != 0U) {
        return 0;
    }
    *t = umqtt_topic_flagged(c, UMQTT_TOPIC_TODO);
    if (*t != NULL) {
        return (((*t)->flags & UMQTT_TOPIC_WANTED) != 0U) ? UMQTT_SUBSCRIBE : UMQTT_UNSUBSCRIBE;
    }
    if ((c->flags & UMQTT_WANT_WILL_TOPIC) != 0U) {
        return UMQTT_WILLTOPICUPD;
    }
    return ((c->flags & UMQTT_WANT_WILL_MSG) != 0U) ? UMQTT_WILLMSGUPD : 0U;
}

static void open_request(umqtt_client *c)
{
    umqtt_topic *t;

    c->request_type = umqtt_wish(c, &t);
    c->request_msg_id = 0;
    if (c->request_type == 0U) {
        return;
    }
    umqtt_ask(&c->request);
    if (c->request_type == UMQTT_WILLTOPICUPD) {
        c->flags &= ~UMQTT_WANT_WILL_TOPIC;
    } else if (c->request_type == UMQTT_WILLMSGUPD) {
        c->flags &= ~UMQTT_WANT_WILL_MSG;
    } else {
        t->flags |= UMQTT_TOPIC_ASKED;
        if (c->request_type != UMQTT_REGISTER) {
            t->flags &= ~UMQTT_TOPIC_TODO;
        }
        c->request_msg_id = next_msg_id(c);
    }
}

static void send_request(umqtt_client *c)
{
    const umqtt_topic *t = umqtt_topic_flagged(c, UMQTT_TOPIC_ASKED);
    const uint8_t *name = (t == NULL) ? NULL : (const uint8_t *)umqtt_topic_name(t);
    size_t len = (t == NULL) ? 0U : t->len;
    uint8_t id_bytes[2];
    unsigned id;
    unsigned flags;

    if (t == NULL) {
        umqtt_send_will(c, c->request_type);
    } else if (c->request_type == UMQTT_REGISTER) {
        umqtt_send(c, UMQTT_REGISTER, 0, c->request_msg_id, name, len);
    } else {
        flags = umqtt_topic_kind(c, name, len, &id);
        if (id != 0U) {
            id_bytes[0] = (uint8_t)(id >> 8);
            id_bytes[1] = (uint8_t)(id & 0xFFU);
            name = id_bytes;
            len = 2;
        }
        if (c->request_type == UMQTT_SUBSCRIBE) {
            flags |= (t->flags & UMQTT_TOPIC_QOS1) * UMQTT_FLAG_QOS1;
            if (c->request.tries > 0U) {
                flags |= UMQTT_FLAG_DUP;
            }
        }
        umqtt_send(c, c->request_type, flags, c->request_msg_id, name, len);
    }
    asked(c, &c->request);
}

void umqtt_close_request(umqtt_client *c, bool again)
{
    umqtt_topic *t = umqtt_topic_flagged(c, UMQTT_TOPIC_ASKED);

    if (t != NULL) {
        t->flags &= ~UMQTT_TOPIC_ASKED;
        if (again && c->request_type != UMQTT_REGISTER) {
            t->flags |= UMQTT_TOPIC_TODO;
        }
    } else if (again && c->request.state != UMQTT_NONE) {
        c->flags |= (c->request_type == UMQTT_WILLTOPICUPD) ? UMQTT_WANT_WILL_TOPIC : UMQTT_WANT_WILL_MSG;
    }
    c->request.state = UMQTT_NONE;
}

umqtt_timer *umqtt_request_timer(umqtt_client *c)
{
    return (c->request_type == UMQTT_REGISTER) ? &c->line : &c->ack;
}

/* ---- The message in config.tx ---- */

/* False: REGISTER comes first. */
static bool send_tx(umqtt_client *c)
{
    const umqtt_topic *t = umqtt_topic_flagged(c, UMQTT_TOPIC_TX);
    unsigned id = (t == NULL) ? c->tx_topic_id : t->id;
    bool qos1 = (c->tx_flags & UMQTT_FLAG_QOS1) != 0U;

    if (id == 0U) {
        return false;
    }
    if (qos1 && c->tx_msg_id == 0U) {
        c->tx_msg_id = next_msg_id(c);
    }
    umqtt_send(c, UMQTT_PUBLISH, c->tx_flags, UMQTT_IDS(id, c->tx_msg_id), c->config.tx, c->tx_len);
    if (qos1) {
        c->tx_flags |= UMQTT_FLAG_DUP; /* the next time (spec 6.12) */
        asked(c, &c->tx);
    } else {
        umqtt_free_tx(c, UMQTT_CODE_ACCEPTED);
    }
    return true;
}

void umqtt_free_tx(umqtt_client *c, unsigned code)
{
    umqtt_topic *t = umqtt_topic_flagged(c, UMQTT_TOPIC_TX);

    if (t != NULL) {
        t->flags &= ~UMQTT_TOPIC_TX;
    }
    c->tx.state = UMQTT_NONE;
    c->tx_msg_id = 0;
    c->tx_code = code;
}

bool umqtt_pump(umqtt_client *c)
{
    bool sent = false;

    if (c->state != UMQTT_STATE_CONNECTED) {
        return false;
    }
    if (c->request.state == UMQTT_NONE) {
        open_request(c);
    }
    if (c->request.state == UMQTT_DUE) {
        send_request(c);
        sent = true;
    }
    if (c->tx.state == UMQTT_DUE && (c->flags & UMQTT_HOLDING) == 0U) {
        sent = send_tx(c) || sent;
    }
    return sent;
}

/* ---- Time passes ---- */

/* Whether the answer to q did not come in time. It may be the broker's fault; whether the gateway is there says PINGREQ (spec 6.11). */
static bool timed_out(umqtt_client *c, umqtt_question *q, umqtt_timer *t)
{
    if (q->state != UMQTT_OUT || !expired(c, q->sent + t->timeout)) {
        return false;
    }
    q->state = UMQTT_DUE;
    set_timeout(t, t->timeout << 1);
    c->mute++;
    if (c->mute >= UMQTT_TRIES && c->link.state == UMQTT_NONE) {
        umqtt_probe(c);
    }
    return true;
}

/* Waits until after a "congestion". True: it is over now. */
static bool waited(umqtt_client *c, unsigned flag, uint32_t t)
{
    if ((c->flags & flag) == 0U || !expired(c, t)) {
        return false;
    }
    c->flags &= ~flag;
    return true;
}

/* One pass. True: something was done, so that there may be more to do, and c->left means nothing. */
static bool run(umqtt_client *c)
{
    uint32_t silence = c->config.keepalive * (uint32_t)750U; /* three quarters of it */
    bool done = run_link(c);

    if (c->state != UMQTT_STATE_CONNECTED) {
        return done;
    }
    done = waited(c, UMQTT_HOLDING, c->hold) || done;
    done = waited(c, UMQTT_PUTTING_OFF, c->put_off) || done;
    done = timed_out(c, &c->tx, &c->ack) || done;
    done = timed_out(c, &c->request, umqtt_request_timer(c)) || done;
    if (silence != 0U && c->link.state == UMQTT_NONE) { /* the gateway wants to hear the board, and the board the gateway (spec 6.8) */
        if (expired(c, c->sent + silence) || expired(c, c->heard + silence)) {
            umqtt_probe(c);
            done = true;
        }
    }
    return umqtt_pump(c) || done;
}

uint32_t umqtt_poll(umqtt_client *c)
{
    uint8_t bytes[READ_CHUNK];
    unsigned n;
    size_t got = 1;

    if (c->inside) {
        return 0;
    }
    for (n = 0; c->config.read != NULL && got > 0U && n < READ_CHUNKS; n++) {
        got = c->config.read(c->config.context, bytes, READ_CHUNK);
        umqtt_receive(c, bytes, got);
    }
    c->inside = true;
    for (n = MAX_PASSES; n > 0U; n--) {
        c->now = umqtt_now(c);
        c->left = UMQTT_FOREVER;
        if (!run(c)) {
            break;
        }
        c->left = 0;
    }
    c->inside = false;
    return (c->config.read != NULL && got > 0U) ? 0U : c->left;
}
