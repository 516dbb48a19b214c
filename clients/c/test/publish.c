/* Messages of the board (spec 6.4, 6.5, 6.12, 6.14, 6.16). */
#include "test.h"

#include <string.h>

static const umqtt_predefined predefined[] = {{7, "sensors/attic"}};

static umqtt_result publish(board *b, const char *topic, const char *payload, int qos)
{
    return umqtt_publish(&b->client, topic, payload, strlen(payload), qos, false);
}

static void qos0(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .predefined = predefined, .predefined_count = 1});

    EQUAL(publish(b, "sensors/attic", "21", 0), UMQTT_OK);
    WROTE(b, "09 0c 01 00 07 00 00 32 31");
    EQUAL(umqtt_publish(&b->client, "ab", "21", 2, 0, true), UMQTT_OK); /* a short topic, retained */
    WROTE(b, "09 0c 12 61 62 00 00 32 31");
    EQUAL(publish(b, "t/o", "x", 0), UMQTT_OK); /* gets an id first */
    WROTE(b, "09 0a 00 00 00 01 74 2f 6f");
    SAY(b, "07 0b 00 09 00 01 00");
    TOLD(b, "registered 0 t/o");
    (void)board_poll(b);
    WROTE(b, "08 0c 00 00 09 00 00 78");
    EQUAL(publish(b, "t/o", "", 0), UMQTT_OK); /* an empty one, and it has its id */
    WROTE(b, "07 0c 00 00 09 00 00");
    TOLD(b, "");
}

static void qos1(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .predefined = predefined, .predefined_count = 1});

    EQUAL(publish(b, "sensors/attic", "21", 1), UMQTT_OK);
    WROTE(b, "09 0c 21 00 07 00 01 32 31");
    EQUAL(publish(b, "sensors/attic", "22", 1), UMQTT_ERR_BUSY);
    CHECK(!umqtt_can_publish(&b->client) && !umqtt_idle(&b->client));
    board_run(b, 999);
    WROTE(b, "");
    board_run(b, 1); /* no answer: the same again, and DUP */
    WROTE(b, "09 0c a1 00 07 00 01 32 31");
    SAY(b, "07 0d 00 07 00 02 00"); /* of another message */
    TOLD(b, "");
    SAY(b, "07 0d 00 07 00 01 00");
    TOLD(b, "published 0");
    SAY(b, "07 0d 00 07 00 01 00"); /* once is enough */
    TOLD(b, "");
    CHECK(umqtt_can_publish(&b->client) && umqtt_idle(&b->client));
}

/* A message outlives the session: with DUP and its id in one that goes on, as a new one in a clean one (spec 6.2). */
static void new_session(void)
{
    board *b;
    int clean;

    for (clean = 0; clean < 2; clean++) {
        b = board_connected(&(umqtt_config){.client_id = "m5", .predefined = predefined, .predefined_count = 1, .clean_session = clean == 1, .first_msg_id = 65535});
        EQUAL(publish(b, "sensors/attic", "21", 1), UMQTT_OK);
        WROTE(b, "09 0c 21 00 07 ff ff 32 31");
        SAY(b, "02 18");
        TOLD(b, "lost 1");
        board_run(b, 250);
        SAY(b, "03 05 00");
        TOLD(b, "connected 0");
        b->nwire = 0;
        (void)board_poll(b);
        if (clean == 0) {
            WROTE(b, "09 0c a1 00 07 ff ff 32 31");
            SAY(b, "07 0d 00 07 ff ff 00");
        } else { /* and MsgId 0 is none */
            WROTE(b, "09 0c 21 00 07 00 01 32 31");
            SAY(b, "07 0d 00 07 00 01 00");
        }
        TOLD(b, "published 0");
    }
}

static void congestion(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .predefined = predefined, .predefined_count = 1});

    EQUAL(publish(b, "sensors/attic", "21", 1), UMQTT_OK);
    WROTE(b, "09 0c 21 00 07 00 01 32 31");
    SAY(b, "07 0d 00 07 00 01 01");
    TOLD(b, "congested 1");
    board_run(b, 999);
    WROTE(b, "");
    board_run(b, 1); /* what was refused does not exist: no DUP */
    WROTE(b, "09 0c 21 00 07 00 01 32 31");
    SAY(b, "07 0d 00 07 00 01 03"); /* not allowed */
    TOLD(b, "dropped 3");
    CHECK(umqtt_can_publish(&b->client));
}

/* The gateway has forgotten the topic's id: REGISTER, and the message again; not for ever. */
static void invalid_topic_id(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});
    int i;

    EQUAL(publish(b, "t/o", "x", 1), UMQTT_OK);
    WROTE(b, "09 0a 00 00 00 01 74 2f 6f");
    SAY(b, "07 0b 00 09 00 01 00");
    TOLD(b, "registered 0 t/o");
    (void)board_poll(b);
    WROTE(b, "08 0c 20 00 09 00 02 78");
    for (i = 0; i < 4; i++) {
        char body[64];

        SAY(b, "07 0d 00 09 00 02 02");
        TOLD(b, "");
        b->nwire = 0;
        (void)board_poll(b);
        (void)snprintf(body, sizeof body, "09 0a 00 00 00 %02x 74 2f 6f", 3 + i);
        WROTE(b, body);
        (void)snprintf(body, sizeof body, "07 0b 00 09 00 %02x 00", 3 + i);
        SAY(b, body);
        TOLD(b, "registered 0 t/o");
        (void)board_poll(b);
        WROTE(b, "08 0c 20 00 09 00 02 78");
    }
    SAY(b, "07 0d 00 09 00 02 02");
    TOLD(b, "dropped 2");
    board_run(b, 100000);
    WROTE(b, "");
}

/* REGISTER is refused: so is the message. */
static void refused_topic(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(publish(b, "t/o", "x", 1), UMQTT_OK);
    b->nwire = 0;
    SAY(b, "07 0b 00 00 00 01 03");
    TOLD(b, "dropped 3; registered 3 t/o");
    board_run(b, 100000);
    WROTE(b, "");
}

/* Refused before a byte is sent. */
static void bad_calls(void)
{
    static char longer[400];
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .max_body = 100});

    memset(longer, 'x', sizeof longer - 1U);
    EQUAL(publish(b, "t/o", "x", 2), UMQTT_ERR_ARGUMENT);
    EQUAL(publish(b, "t/o", "x", -2), UMQTT_ERR_ARGUMENT);
    EQUAL(umqtt_publish(&b->client, "t/o", NULL, 1, 1, false), UMQTT_ERR_ARGUMENT);
    EQUAL(umqtt_publish(&b->client, NULL, "x", 1, 1, false), UMQTT_ERR_TOPIC);
    EQUAL(publish(b, "", "x", 1), UMQTT_ERR_TOPIC);
    EQUAL(publish(b, "t/+", "x", 1), UMQTT_ERR_TOPIC);
    EQUAL(publish(b, "t/#", "x", 0), UMQTT_ERR_TOPIC);
    EQUAL(publish(b, "t/o", "x", -1), UMQTT_ERR_TOPIC); /* no id */
    EQUAL(umqtt_publish(&b->client, "t/o", longer, 92, 1, false), UMQTT_ERR_TOO_LONG);
    EQUAL(umqtt_publish(&b->client, "ab", longer, 92, 0, false), UMQTT_ERR_TOO_LONG);
    longer[92] = '\0';
    EQUAL(publish(b, longer, "x", 1), UMQTT_ERR_TOO_LONG);
    WROTE(b, "");
    EQUAL(umqtt_publish(&b->client, "ab", longer, 91, 0, false), UMQTT_OK); /* just fits */
    b->nwire = 0;

    b = board_connected(&(umqtt_config){.client_id = "m5"});
    memset(longer, 'x', sizeof longer - 1U);
    EQUAL(umqtt_publish(&b->client, "ab", longer, sizeof b->tx + 1U, 1, false), UMQTT_ERR_TOO_LONG);
    EQUAL(umqtt_publish(&b->client, longer, "x", 1, 1, false), UMQTT_ERR_TOO_LONG); /* longer than the table */
    WROTE(b, "");
    EQUAL(umqtt_publish(&b->client, "ab", longer, sizeof b->tx, 1, false), UMQTT_OK);

    b = board_new(&(umqtt_config){.client_id = "m5"});
    EQUAL(publish(b, "ab", "x", 1), UMQTT_ERR_STATE);
    EQUAL(publish(b, "ab", "x", 0), UMQTT_ERR_STATE);
    WROTE(b, "");
    EQUAL(publish(b, "ab", "x", -1), UMQTT_OK); /* needs no session */
    WROTE(b, "08 0c 62 61 62 00 00 78");
}

/* Buffers as small as they may be. */
static void smallest(void)
{
    static uint8_t rx[16];
    static uint8_t tx[1];
    static umqtt_topic topics[1];
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .max_body = 16, .rx = rx, .rx_size = sizeof rx, .tx = tx, .tx_size = 1, .topics = topics, .topics_size = 1});

    EQUAL(publish(b, "t/o", "x", 1), UMQTT_OK);
    WROTE(b, "09 0a 00 00 00 01 74 2f 6f");
    SAY(b, "07 0b 00 09 00 01 00");
    (void)board_poll(b);
    WROTE(b, "08 0c 20 00 09 00 02 78");
    EQUAL(umqtt_subscribe(&b->client, "t/x", 0), UMQTT_ERR_NO_ROOM); /* the message needs it */
    SAY(b, "07 0d 00 09 00 02 00");
    TOLD(b, "registered 0 t/o; published 0");
    EQUAL(umqtt_subscribe(&b->client, "t/x", 0), UMQTT_OK);
    SAY(b, "0c 0c 00 00 09 00 00 31 32 33 34 35"); /* 12 bytes fit; of a topic that had to go */
    WROTE(b, "08 12 00 00 03 74 2f 78; 07 0d 00 09 00 00 02");
    SAY(b, "0d 0c 00 00 09 00 00 31 32 33 34 35 36"); /* 13 do not */
    WROTE(b, "");
}

static board *publisher;

static void publish_once(board *b)
{
    publisher = b;
    EQUAL(publish(b, "ab", "again", 1), UMQTT_OK);
    umqtt_receive(&b->client, (const uint8_t *)"\0", 1);                /* does nothing here */
    EQUAL(umqtt_poll(&b->client), 0);                                    /* nor this */
    EQUAL(umqtt_wait(&b->client, UMQTT_UNTIL_IDLE, 10), UMQTT_ERR_STATE); /* nor this */
}

/* A callback may publish: from the event that makes room, and from a message. */
static void in_callbacks(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(publish(b, "ab", "x", 1), UMQTT_OK);
    b->nwire = 0;
    b->during = publish_once;
    SAY(b, "07 0d 61 62 00 01 00");
    CHECK(publisher == b);
    WROTE(b, "0c 0c 22 61 62 00 02 61 67 61 69 6e");
    SAY(b, "07 0d 61 62 00 02 00");
    TOLD(b, "published 0; published 0");
    b->during = publish_once;
    SAY(b, "08 0c 22 7a 7a 00 05 79");
    WROTE(b, "0c 0c 22 61 62 00 03 61 67 61 69 6e; 07 0d 7a 7a 00 05 00");
    TOLD(b, "zz q1 y");
}

void test_publish(void)
{
    qos0();
    qos1();
    new_session();
    congestion();
    invalid_topic_id();
    refused_topic();
    bad_calls();
    smallest();
    in_callbacks();
}
