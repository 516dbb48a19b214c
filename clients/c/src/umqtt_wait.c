/* The blocking convenience: a loop around umqtt_poll. A program that does not call it does not have it. */
#include "umqtt_wire.h"

#define IN(state) (1U << (state))
#define ONLINE (IN(UMQTT_STATE_CONNECTING) | IN(UMQTT_STATE_CONNECTED))

/* Whether it is so: OK, or why it never will be, or TIMEOUT: not yet. */
static umqtt_result look(const umqtt_client *c, umqtt_until until)
{
    unsigned from = ONLINE; /* from these states it can become so */
    bool there = c->state == (unsigned)until;

    if (until == UMQTT_UNTIL_PUBLISHED) {
        there = umqtt_can_publish(c);
        if (there && c->tx_code != UMQTT_CODE_ACCEPTED) {
            return UMQTT_ERR_REFUSED;
        }
    } else if (until == UMQTT_UNTIL_IDLE) {
        there = umqtt_idle(c);
    } else if (until == UMQTT_UNTIL_ASLEEP) {
        from = IN(UMQTT_STATE_DOZING) | IN(UMQTT_STATE_AWAKE);
    } else if (until == UMQTT_UNTIL_DISCONNECTED) {
        from = IN(UMQTT_STATE_DISCONNECTING);
    } else if ((c->flags & UMQTT_WAS_REFUSED) != 0U) {
        return UMQTT_ERR_REFUSED;
    } else {
        /* connected */
    }
    if (there) {
        return UMQTT_OK;
    }
    return ((from & IN(c->state)) != 0U) ? UMQTT_ERR_TIMEOUT : UMQTT_ERR_STATE;
}

umqtt_result umqtt_wait(umqtt_client *c, umqtt_until until, uint32_t timeout_ms)
{
    uint32_t begin = umqtt_now(c);
    umqtt_result r = UMQTT_ERR_STATE;
    uint32_t ms;
    uint32_t left;

    if (c->config.read == NULL || c->inside) {
        return r;
    }
    for (;;) {
        ms = umqtt_poll(c);
        left = umqtt_until_time(umqtt_now(c), begin + timeout_ms);
        r = look(c, until);
        if (r != UMQTT_ERR_TIMEOUT || left == 0U) {
            return r;
        }
        if (ms > left) {
            ms = left;
        }
        if (ms > 0U && c->config.idle != NULL) {
            c->config.idle(c->config.context, ms);
        }
    }
}
