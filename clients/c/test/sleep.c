/* Sleep (spec 6.17). */
#include "test.h"

static void nap(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .keepalive = 10});

    EQUAL(umqtt_wake(&b->client), UMQTT_ERR_STATE);
    EQUAL(umqtt_sleep(&b->client, 0), UMQTT_ERR_ARGUMENT);
    EQUAL(umqtt_sleep(&b->client, 600), UMQTT_OK);
    (void)board_poll(b);
    WROTE(b, "04 18 02 58");
    SAY(b, "02 18");
    TOLD(b, "asleep 0");
    CHECK(board_poll(b) == UMQTT_FOREVER); /* no keepalive in its sleep */
    EQUAL(umqtt_publish(&b->client, "ab", "x", 1, 1, false), UMQTT_ERR_STATE);
    SAY(b, "08 0c 02 7a 7a 00 00 7a"); /* nothing heard */
    TOLD(b, "");

    EQUAL(umqtt_wake(&b->client), UMQTT_OK);
    (void)board_poll(b);
    WROTE(b, "04 16 6d 35");
    SAY(b, "08 0c 22 7a 7a 00 01 7a");
    SAY(b, "02 17");
    TOLD(b, "zz q1 z; asleep 0");
    WROTE(b, "07 0d 7a 7a 00 01 00");

    EQUAL(umqtt_wake(&b->client), UMQTT_OK); /* nobody is there */
    b->idled = 0;
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_ASLEEP, 60000), UMQTT_OK);
    TOLD(b, "asleep 2");
    CHECK(b->idled >= 5000U && b->idled <= 7000U);
    b->nwire = 0;

    EQUAL(umqtt_sleep(&b->client, 5), UMQTT_OK); /* another time */
    (void)board_poll(b);
    WROTE(b, "04 18 00 05");
    SAY(b, "02 18");
    TOLD(b, "asleep 0");

    EQUAL(umqtt_connect(&b->client), UMQTT_OK); /* enough of it */
    (void)board_poll(b);
    WROTE(b, "08 04 00 01 00 0a 6d 35");
    SAY(b, "03 05 00");
    TOLD(b, "connected 0");
}

/* The gateway does not answer: the session is lost, and there will be another. */
static void restless(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(umqtt_sleep(&b->client, 600), UMQTT_OK);
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_ASLEEP, 60000), UMQTT_ERR_STATE);
    TOLD(b, "lost 2");
    CHECK(b->idled >= 5000U && b->idled <= 7000U);
}

void test_sleep(void)
{
    nap();
    restless();
}
