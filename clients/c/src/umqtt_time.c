/* The gateway's clock. A program that does not ask does not have it. */
#include "umqtt_wire.h"

static const char time_topic[] = "$umqttd/time";

umqtt_result umqtt_ask_time(umqtt_client *c)
{
    return umqtt_publish(c, time_topic, NULL, 0, 0, false);
}

/* Milliseconds in ASCII (spec 6.15). The last three digits are read apart, so that no number is longer than 32 bits. */
bool umqtt_get_time(const umqtt_message *message, uint32_t *seconds, uint16_t *millis)
{
    uint32_t number = 0;
    size_t i;

    for (i = 0; i < sizeof time_topic; i++) {
        if (message->topic[i] != time_topic[i]) {
            return false;
        }
    }
    if (message->payload_len < 4U) {
        return false;
    }
    for (i = 0; i < message->payload_len; i++) {
        unsigned digit = (unsigned)message->payload[i] - (unsigned)'0';

        if (digit > 9U) {
            return false;
        }
        if (i + 3U == message->payload_len) {
            *seconds = number;
            number = 0;
        }
        number = number * 10U + digit;
    }
    *millis = (uint16_t)number;
    return true;
}
