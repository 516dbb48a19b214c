/* The blocking convenience: a loop around umqtt_poll. A program that does not call it does not have it. */
#include "umqtt_wire.h"

#define NOT_YET UMQTT_ERR_TIMEOUT

/* Whether it is so: OK, or why it never will be, or NOT_YET. */
static umqtt_result look(const umqtt_client *c, umqtt_until until)
{
    umqtt_state state = umqtt_get_state(c);
    bool off = state == UMQTT_STATE_OFF;
    bool online = state == UMQTT_STATE_CONNECTED || state == UMQTT_STATE_CONNECTING;

    switch (until) {
    case UMQTT_UNTIL_CONNECTED:
        if (state == UMQTT_STATE_CONNECTED) {
            return UMQTT_OK;
        }
        if ((c->flags & UMQTT_WAS_REFUSED) != 0U) {
            return UMQTT_ERR_REFUSED;
        }
        return online ? NOT_YET : UMQTT_ERR_STATE;
    case UMQTT_UNTIL_PUBLISHED:
        if (umqtt_can_publish(c)) {
            return (c->tx_code == UMQTT_CODE_ACCEPTED) ? UMQTT_OK : UMQTT_ERR_REFUSED;
        }
        return online ? NOT_YET : UMQTT_ERR_STATE;
    case UMQTT_UNTIL_IDLE:
        if (umqtt_idle(c)) {
            return UMQTT_OK;
        }
        return online ? NOT_YET : UMQTT_ERR_STATE;
    case UMQTT_UNTIL_ASLEEP:
        if (state == UMQTT_STATE_ASLEEP) {
            return UMQTT_OK;
        }
        return (state == UMQTT_STATE_DOZING || state == UMQTT_STATE_AWAKE) ? NOT_YET : UMQTT_ERR_REFUSED;
    case UMQTT_UNTIL_DISCONNECTED:
        if (off) {
            return UMQTT_OK;
        }
        return (state == UMQTT_STATE_DISCONNECTING) ? NOT_YET : UMQTT_ERR_STATE;
    default:
        return UMQTT_ERR_ARGUMENT;
    }
}

umqtt_result umqtt_wait(umqtt_client *c, umqtt_until until, uint32_t timeout_ms)
{
    uint32_t begin = umqtt_now(c);
    uint32_t gone;
    uint32_t left;
    umqtt_result r;

    if (c->config.read == NULL || c->inside) {
        return UMQTT_ERR_STATE;
    }
    for (;;) {
        left = umqtt_poll(c);
        r = look(c, until);
        gone = (uint32_t)(umqtt_now(c) - begin);
        if (r != NOT_YET || gone >= timeout_ms) {
            return r;
        }
        if (left > timeout_ms - gone) {
            left = timeout_ms - gone;
        }
        if (left > 0U && c->config.idle != NULL) {
            c->config.idle(c->config.context, left);
        }
    }
}
