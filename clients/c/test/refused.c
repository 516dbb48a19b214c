/* Configurations that cannot work, and umqtt_wait. */
#include "test.h"

static umqtt_result made(const umqtt_config *config)
{
    static board b;
    umqtt_config c = board_config(&b, config);

    return umqtt_init(&b.client, &c);
}

static void configurations(void)
{
    static uint8_t rx[15];
    static const umqtt_will wild = {.topic = "a/#"};
    static const umqtt_will twice = {.topic = "a", .qos = 2};
    static const umqtt_will longer = {.topic = "a", .payload = rx, .payload_len = 8};
    umqtt_config bare = {0};
    umqtt_client c;

    EQUAL(umqtt_init(&c, &bare), UMQTT_ERR_ARGUMENT);
    EQUAL(made(&(umqtt_config){0}), UMQTT_OK);
    EQUAL(made(&(umqtt_config){.rx = rx, .rx_size = sizeof rx}), UMQTT_ERR_ARGUMENT);
    EQUAL(made(&(umqtt_config){.max_body = 15}), UMQTT_ERR_ARGUMENT);
    EQUAL(made(&(umqtt_config){.will = &wild}), UMQTT_ERR_TOPIC);
    EQUAL(made(&(umqtt_config){.will = &twice}), UMQTT_ERR_ARGUMENT);
    EQUAL(made(&(umqtt_config){.will = &longer, .max_body = 16}), UMQTT_ERR_TOO_LONG);
    EQUAL(made(&(umqtt_config){.client_id = "12345678", .max_body = 16}), UMQTT_ERR_TOO_LONG);
    EQUAL(made(&(umqtt_config){.client_id = "1234567", .max_body = 16}), UMQTT_OK);
}

static void answer(board *b)
{
    b->idling = NULL;
    SAY(b, "03 05 00");
}

/* What is waited for comes, or time is over. */
static void waiting(void)
{
    board *b = board_new(&(umqtt_config){.client_id = "m5"});

    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_CONNECTED, 1000), UMQTT_ERR_STATE); /* off */
    umqtt_connect(&b->client);
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_CONNECTED, 0), UMQTT_ERR_TIMEOUT);
    CHECK(b->idled == 0U);
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_CONNECTED, 3500), UMQTT_ERR_TIMEOUT);
    EQUAL(b->idled, 3500);
    b->idling = answer;
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_CONNECTED, 60000), UMQTT_OK);
    EQUAL(umqtt_publish(&b->client, "ab", "x", 1, 1, false), UMQTT_OK);
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_PUBLISHED, 10), UMQTT_ERR_TIMEOUT);
    SAY(b, "07 0d 61 62 00 01 03");
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_PUBLISHED, 10), UMQTT_ERR_REFUSED);
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_IDLE, 10), UMQTT_OK);
}

void test_refused(void)
{
    configurations();
    waiting();
}
