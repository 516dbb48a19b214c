/* Subscriptions and the table of topics (spec 6.4, 6.7). */
#include "test.h"

#include <string.h>

static void subscribing(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(umqtt_subscribe(&b->client, "all/#", 1), UMQTT_OK);
    WROTE(b, "0a 12 20 00 01 61 6c 6c 2f 23");
    EQUAL(umqtt_subscribe(&b->client, "ab", 0), UMQTT_OK); /* waits for the answer to the first */
    WROTE(b, "");
    board_run(b, 1000); /* which was lost */
    WROTE(b, "0a 12 a0 00 01 61 6c 6c 2f 23");
    SAY(b, "08 13 20 00 00 00 01 00");
    TOLD(b, "subscribed 0 all/# q1");
    (void)board_poll(b);
    WROTE(b, "07 12 02 00 02 61 62"); /* a short topic */
    SAY(b, "08 13 00 61 62 00 02 00");
    TOLD(b, "subscribed 0 ab");

    EQUAL(umqtt_unsubscribe(&b->client, "all/#"), UMQTT_OK);
    WROTE(b, "0a 14 00 00 03 61 6c 6c 2f 23");
    SAY(b, "04 15 00 03");
    TOLD(b, "unsubscribed 0 all/#");

    SAY(b, "02 18"); /* what is left is subscribed to in the next session */
    board_run(b, 250);
    SAY(b, "03 05 00");
    b->nwire = 0;
    (void)board_poll(b);
    WROTE(b, "07 12 02 00 04 61 62");
    TOLD(b, "lost 1; connected 0");
}

static void refused(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(umqtt_subscribe(&b->client, "secret", 1), UMQTT_OK);
    b->nwire = 0;
    SAY(b, "08 13 00 00 00 00 01 01"); /* the broker is away */
    TOLD(b, "congested 1");
    board_run(b, 999);
    WROTE(b, "");
    board_run(b, 1);
    WROTE(b, "0b 12 20 00 02 73 65 63 72 65 74");
    SAY(b, "08 13 00 00 00 00 02 03");
    TOLD(b, "subscribed 3 secret");
    SAY(b, "02 18");
    board_run(b, 250);
    SAY(b, "03 05 00");
    b->nwire = 0;
    (void)board_poll(b);
    WROTE(b, ""); /* forgotten */
}

static void registering(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    EQUAL(umqtt_register(&b->client, "t/o"), UMQTT_OK);
    WROTE(b, "09 0a 00 00 00 01 74 2f 6f");
    SAY(b, "07 0b 00 09 00 01 00");
    TOLD(b, "registered 0 t/o");
    EQUAL(umqtt_register(&b->client, "ab"), UMQTT_ERR_TOPIC);
    EQUAL(umqtt_register(&b->client, "t/#"), UMQTT_ERR_TOPIC);
    EQUAL(umqtt_register(&b->client, ""), UMQTT_ERR_TOPIC);
    EQUAL(umqtt_register(&b->client, NULL), UMQTT_ERR_TOPIC);
    WROTE(b, "");
}

static void names(void)
{
    static const struct {
        const char *name;
        bool topic;
        bool filter;
    } cases[] = {
        {"a", true, true},       {"/", true, true},     {"a//b", true, true},   {"+", false, true},   {"#", false, true},     {"a/+/b", false, true}, {"a/#", false, true},
        {"a/#/b", false, false}, {"a#", false, false},  {"a+", false, false},   {"+a", false, false}, {"##", false, false},   {"#a", false, false},   {"a/+b", false, false},
        {"", false, false},      {"+/+/#", false, true}, {"++", false, false},  {"$umqttd/time", true, true}, {"\xc3\xa9", true, true},
    };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *name = (const uint8_t *)cases[i].name;
        size_t len = strlen(cases[i].name);

        check(umqtt_topic_valid(name, len, false) == cases[i].topic, cases[i].name, __FILE__, __LINE__);
        check(umqtt_topic_valid(name, len, true) == cases[i].filter, cases[i].name, __FILE__, __LINE__);
    }
    CHECK(!umqtt_topic_valid((const uint8_t *)"a\0b", 3, true));
}

/* The table is full of what is needed; what is not gives way, oldest first. */
static void full(void)
{
    static umqtt_topic topics[4];
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .topics = topics, .topics_size = 4});

    EQUAL(umqtt_subscribe(&b->client, "f/1", 0), UMQTT_OK);
    EQUAL(umqtt_subscribe(&b->client, "f/2", 0), UMQTT_OK);
    SAY(b, "09 0a 00 09 00 01 67 2f 31");
    SAY(b, "09 0a 00 0a 00 02 67 2f 32");
    b->nwire = 0;
    EQUAL(umqtt_subscribe(&b->client, "f/3", 0), UMQTT_OK);
    SAY(b, "08 0c 00 00 09 00 00 78"); /* g/1 had to go */
    WROTE(b, "07 0d 00 09 00 00 02");
    SAY(b, "08 0c 00 00 0a 00 00 78"); /* g/2 did not */
    TOLD(b, "g/2 q0 x");
    EQUAL(umqtt_subscribe(&b->client, "f/4", 0), UMQTT_OK);
    EQUAL(umqtt_subscribe(&b->client, "f/5", 0), UMQTT_ERR_NO_ROOM);
    EQUAL(umqtt_publish(&b->client, "t/o", "x", 1, 1, false), UMQTT_ERR_NO_ROOM);
    SAY(b, "09 0a 00 0b 00 03 67 2f 33"); /* asked to be asked again */
    WROTE(b, "07 0b 00 0b 00 03 01");
    EQUAL(umqtt_subscribe(&b->client, "f/2", 2), UMQTT_ERR_ARGUMENT);
    EQUAL(umqtt_subscribe(&b->client, "f/2", 1), UMQTT_OK); /* is in it already */
    EQUAL(umqtt_subscribe(&b->client, "a name that is longer than the whole table, with all of its elements, even where a pointer has eight bytes", 0), UMQTT_ERR_TOO_LONG);
    EQUAL(umqtt_subscribe(&b->client, "a/#/b", 0), UMQTT_ERR_TOPIC);
}

void test_topics(void)
{
    subscribing();
    refused();
    registering();
    names();
    full();
}
