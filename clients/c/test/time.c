/* The gateway's clock (spec 6.15), and text (spec 4.3). */
#include "test.h"

#include <string.h>

static bool answer(const char *topic, const char *payload, uint32_t *seconds, uint16_t *millis)
{
    umqtt_message m = {.topic = topic, .topic_len = strlen(topic), .payload = (const uint8_t *)payload, .payload_len = strlen(payload)};

    return umqtt_get_time(&m, seconds, millis);
}

void test_time(void)
{
    uint32_t seconds = 0;
    uint16_t millis = 0;
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(umqtt_ask_time(&b->client), UMQTT_OK);
    WROTE(b, "12 0a 00 00 00 01 24 75 6d 71 74 74 64 2f 74 69 6d 65");
    SAY(b, "07 0b 00 09 00 01 00");
    (void)board_poll(b);
    WROTE(b, "07 0c 00 00 09 00 00");
    SAY(b, "14 0c 00 00 09 00 00 31 37 39 35 34 38 33 32 31 31 30 34 32");
    TOLD(b, "registered 0 $umqttd/time; $umqttd/time q0 1795483211042");

    CHECK(answer("$umqttd/time", "1795483211042", &seconds, &millis));
    EQUAL(seconds, 1795483211);
    EQUAL(millis, 42);
    CHECK(answer("$umqttd/time", "4294967295999", &seconds, &millis));
    CHECK(seconds == UINT32_MAX && millis == 999U);
    CHECK(!answer("$umqttd/times", "1795483211042", &seconds, &millis));
    CHECK(!answer("$umqttd", "1795483211042", &seconds, &millis));
    CHECK(!answer("$umqttd/time", "042", &seconds, &millis));
    CHECK(!answer("$umqttd/time", "", &seconds, &millis));
    CHECK(!answer("$umqttd/time", "179548321104x", &seconds, &millis));
    CHECK(!answer("$umqttd/time", "-17954832110", &seconds, &millis));

    EQUAL(umqtt_log(&b->client, "boot: ok\n"), UMQTT_OK);
    CHECK(b->nwire == 9U && memcmp(b->wire, "boot: ok\n", 9) == 0);
    b->nwire = 0;
    EQUAL(umqtt_log(&b->client, ""), UMQTT_OK);
    EQUAL(umqtt_log(&b->client, NULL), UMQTT_ERR_ARGUMENT);
    CHECK(b->nwire == 0U);
}
