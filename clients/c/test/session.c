/* Connecting, staying connected, and leaving (spec 6.1 to 6.3, 6.8 to 6.11, 6.18). */
#include "test.h"

#define CONNECT_M5 "08 04 00 01 00 00 6d 35"
#define CONNACK "03 05 00"
#define DISCONNECT "02 18"

static void connecting(void)
{
    static const uint32_t pauses[] = {1000, 2000, 4000, 8000, 15000, 15000};
    board *b = board_new(&(umqtt_config){.client_id = "m5"});
    size_t i;

    EQUAL(umqtt_get_state(&b->client), UMQTT_STATE_OFF);
    CHECK(board_poll(b) == UMQTT_FOREVER);
    SAY(b, CONNACK); /* whatever comes to a client that is off */
    WROTE(b, "");
    TOLD(b, "");

    umqtt_connect(&b->client);
    umqtt_connect(&b->client); /* the same again */
    board_run(b, 0);
    WROTE(b, CONNECT_M5);
    for (i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        board_run(b, pauses[i] - 1U);
        WROTE(b, "");
        board_run(b, 1);
        WROTE(b, CONNECT_M5);
    }
    SAY(b, CONNACK);
    TOLD(b, "connected 0");
    CHECK(umqtt_connected(&b->client) && umqtt_idle(&b->client));
    SAY(b, CONNACK); /* of a CONNECT that was sent twice */
    TOLD(b, "");
    board_run(b, 3600000); /* no keepalive: nothing to say */
    WROTE(b, "");
}

static void not_accepted(void)
{
    board *b = board_new(&(umqtt_config){.client_id = "m5"});

    umqtt_connect(&b->client);
    board_run(b, 0);
    WROTE(b, CONNECT_M5);
    SAY(b, "03 05 01");
    TOLD(b, "congested 1");
    board_run(b, 999);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, CONNECT_M5);
    SAY(b, "03 05 03");
    TOLD(b, "refused 3");
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_CONNECTED, 60000), UMQTT_ERR_REFUSED);
    board_run(b, 14999);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, CONNECT_M5);
    SAY(b, CONNACK);
    TOLD(b, "connected 0");
}

/* Session of CONNACK (spec 6.9) counts only if this program has asked for it: one that it has not asked for answers the CONNECT of a program before a reset. */
static void session_present(void)
{
    static const struct {
        bool ask;
        const char *connect;
        const char *connack;
        const char *told;
        const char *then;
    } cases[] = {
        {true, "08 04 20 01 00 00 6d 35", "04 05 00 01", "connected 2", "0a 12 20 00 01 61 6c 6c 2f 23"}, /* this program has never made it */
        {true, "08 04 20 01 00 00 6d 35", "04 05 00 00", "connected 1", "0a 12 20 00 01 61 6c 6c 2f 23"},
        {true, "08 04 20 01 00 00 6d 35", "03 05 00", "connected 0", "0a 12 20 00 01 61 6c 6c 2f 23"},
        {false, CONNECT_M5, "04 05 00 01", "connected 0", "0a 12 20 00 01 61 6c 6c 2f 23"},
        {false, CONNECT_M5, "04 05 00 00", "connected 0", "0a 12 20 00 01 61 6c 6c 2f 23"},
    };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        board *b = board_new(&(umqtt_config){.client_id = "m5", .ask_session = cases[i].ask});

        EQUAL(umqtt_subscribe(&b->client, "all/#", 1), UMQTT_OK);
        umqtt_connect(&b->client);
        board_run(b, 0);
        WROTE(b, cases[i].connect);
        SAY(b, cases[i].connack);
        TOLD(b, cases[i].told);
        (void)board_poll(b);
        WROTE(b, cases[i].then);
    }
}

/* A session that went on has the subscriptions; another has not. */
static void subscriptions_made_again(void)
{
    board *b = board_new(&(umqtt_config){.client_id = "m5", .ask_session = true});
    int lost;

    umqtt_connect(&b->client);
    board_run(b, 0);
    SAY(b, "04 05 00 00");
    b->nwire = 0;
    EQUAL(umqtt_subscribe(&b->client, "all/#", 1), UMQTT_OK);
    WROTE(b, "0a 12 20 00 01 61 6c 6c 2f 23");
    SAY(b, "08 13 20 00 00 00 01 00");
    TOLD(b, "connected 1; subscribed 0 all/# q1");
    for (lost = 0; lost < 2; lost++) {
        SAY(b, DISCONNECT);
        board_run(b, 250);
        WROTE(b, "08 04 20 01 00 00 6d 35");
        SAY(b, (lost == 0) ? "04 05 00 01" : "04 05 00 00");
        (void)board_poll(b);
        WROTE(b, (lost == 0) ? "" : "0a 12 20 00 02 61 6c 6c 2f 23");
        TOLD(b, (lost == 0) ? "lost 1; connected 2" : "lost 1; connected 1");
    }
}

/* A gateway that does not know the bit may not answer: the fourth CONNECT is without it (spec 6.9). */
static void session_not_asked_for_ever(void)
{
    board *b = board_new(&(umqtt_config){.client_id = "m5", .ask_session = true, .clean_session = true, .keepalive = 60});

    umqtt_connect(&b->client);
    board_run(b, 7000);
    WROTE(b, "08 04 24 01 00 3c 6d 35; 08 04 24 01 00 3c 6d 35; 08 04 24 01 00 3c 6d 35; 08 04 04 01 00 3c 6d 35");
}

static void gateway_ends_it(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    board_run(b, 1000);
    SAY(b, DISCONNECT);
    TOLD(b, "lost 1");
    board_run(b, 0);
    WROTE(b, CONNECT_M5);
    SAY(b, DISCONNECT); /* once more, for a gateway that starts says it at its beginning: not lost again, and no storm of CONNECTs */
    TOLD(b, "");
    board_run(b, 249);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, CONNECT_M5);
    SAY(b, CONNACK);
    TOLD(b, "connected 0");
}

static void keepalive(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .keepalive = 10});
    uint32_t begin;

    board_run(b, 7499);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, "02 16");
    SAY(b, "02 17");
    board_run(b, 7499);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, "02 16");
    begin = b->now;
    while (umqtt_connected(&b->client) && b->now - begin < 60000U) {
        board_run(b, 1);
    }
    TOLD(b, "lost 2");
    CHECK(b->now - begin >= 5000U && b->now - begin <= 7000U);
    board_run(b, 250);
    WROTE(b, "02 16; 02 16; 02 16; 02 16; 02 16; 02 16; 02 16; 08 04 00 01 00 0a 6d 35");
}

static void will(void)
{
    static const umqtt_will w = {.topic = "m5/gone", .payload = (const uint8_t *)"ciao", .payload_len = 4, .qos = 1, .retain = true};
    static const umqtt_will none = {.topic = ""};
    board *b = board_new(&(umqtt_config){.client_id = "m5", .will = &w});

    umqtt_connect(&b->client);
    board_run(b, 0);
    WROTE(b, "08 04 08 01 00 00 6d 35");
    SAY(b, "02 06");
    WROTE(b, "0a 07 30 6d 35 2f 67 6f 6e 65");
    SAY(b, "02 08");
    WROTE(b, "06 09 63 69 61 6f");
    SAY(b, "02 06"); /* the answer was lost */
    WROTE(b, "0a 07 30 6d 35 2f 67 6f 6e 65");
    SAY(b, CONNACK);
    TOLD(b, "connected 0");

    EQUAL(umqtt_set_will(&b->client, &w), UMQTT_OK);
    WROTE(b, "0a 1a 30 6d 35 2f 67 6f 6e 65");
    SAY(b, "03 1b 00");
    TOLD(b, "");
    (void)board_poll(b);
    WROTE(b, "06 1c 63 69 61 6f");
    SAY(b, "03 1d 00");
    TOLD(b, "will 0");
    EQUAL(umqtt_set_will(&b->client, &none), UMQTT_OK);
    WROTE(b, "02 1a");
    SAY(b, "03 1b 03");
    TOLD(b, "will 3");
    EQUAL(umqtt_set_will(&b->client, NULL), UMQTT_OK);
    WROTE(b, "");
}

static void leaving(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});
    uint32_t begin = b->now;

    EQUAL(umqtt_disconnect(&b->client), UMQTT_OK);
    (void)board_poll(b);
    WROTE(b, DISCONNECT);
    SAY(b, DISCONNECT);
    TOLD(b, "disconnected 0");
    EQUAL(umqtt_get_state(&b->client), UMQTT_STATE_OFF);
    EQUAL(umqtt_disconnect(&b->client), UMQTT_OK); /* off already */
    CHECK(board_poll(b) == UMQTT_FOREVER);
    WROTE(b, "");

    b = board_connected(&(umqtt_config){.client_id = "m5"}); /* the gateway is dead */
    begin = b->now;
    umqtt_disconnect(&b->client);
    while (umqtt_get_state(&b->client) != UMQTT_STATE_OFF && b->now - begin < 60000U) {
        board_run(b, 1);
    }
    TOLD(b, "disconnected 0");
    CHECK(b->now - begin >= 5000U && b->now - begin <= 7000U);
}

/* The clock goes through all 32 bits: what is due just before its end, and just after. */
static void clock_wraps(void)
{
    board *b = board_new(&(umqtt_config){.client_id = "m5"});

    b->now = 0xFFFFFFFFU - 500U;
    umqtt_connect(&b->client);
    board_run(b, 0);
    WROTE(b, CONNECT_M5);
    board_run(b, 999);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, CONNECT_M5);
}

void test_session(void)
{
    connecting();
    not_accepted();
    session_present();
    subscriptions_made_again();
    session_not_asked_for_ever();
    gateway_ends_it();
    keepalive();
    will();
    leaving();
    clock_wraps();
}
