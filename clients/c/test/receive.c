/* Messages for the board (spec 6.4, 6.6, 6.8). */
#include "test.h"

#include <string.h>

static void messages(void)
{
    static const umqtt_predefined predefined[] = {{7, "sensors/attic"}};
    board *b = board_connected(&(umqtt_config){.client_id = "m5", .predefined = predefined, .predefined_count = 1});

    SAY(b, "09 0a 00 09 00 01 74 2f 6f");
    WROTE(b, "07 0b 00 09 00 01 00");
    SAY(b, "08 0c 00 00 09 00 00 78");
    SAY(b, "07 0c 10 00 09 00 00"); /* empty, retained */
    SAY(b, "08 0c 01 00 07 00 00 79");
    SAY(b, "08 0c 02 7a 7a 00 00 7a");
    TOLD(b, "t/o q0 x; t/o q0 retained ; sensors/attic q0 y; zz q0 z");
    WROTE(b, "");
    SAY(b, "08 0c 20 00 09 00 04 78");
    TOLD(b, "t/o q1 x");
    WROTE(b, "07 0d 00 09 00 04 00");
    SAY(b, "02 16");
    WROTE(b, "02 17");
}

/* The PUBACK was lost: acknowledged again and not delivered again. DUP alone says nothing, nor does an id used anew (spec 6.6). */
static void repetition(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    SAY(b, "08 0c 22 7a 7a 00 04 78");
    SAY(b, "08 0c a2 7a 7a 00 04 78");
    SAY(b, "08 0c a2 7a 7a 00 04 78");
    TOLD(b, "zz q1 x");
    WROTE(b, "07 0d 7a 7a 00 04 00; 07 0d 7a 7a 00 04 00; 07 0d 7a 7a 00 04 00");
    SAY(b, "08 0c 22 7a 7a 00 04 78"); /* new */
    SAY(b, "08 0c a2 7a 7a 00 04 79"); /* other words */
    SAY(b, "08 0c a2 7a 7a 00 05 79"); /* its first copy was lost */
    SAY(b, "08 0c a2 7a 78 00 05 79");
    TOLD(b, "zz q1 x; zz q1 y; zz q1 y; zx q1 y");
}

static void unknown(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    SAY(b, "08 0c 20 00 63 00 04 78");
    WROTE(b, "07 0d 00 63 00 04 02");
    SAY(b, "08 0c 00 00 63 00 00 78"); /* QoS 0 too, so that the gateway registers the topic */
    WROTE(b, "07 0d 00 63 00 00 02");
    SAY(b, "08 0c 21 00 63 00 05 78"); /* predefined elsewhere */
    WROTE(b, "07 0d 00 63 00 05 02");
    SAY(b, "08 0c 40 00 63 00 06 78"); /* QoS 2 */
    WROTE(b, "07 0d 00 63 00 06 03");
    SAY(b, "09 0a 00 00 00 01 74 2f 6f"); /* no gateway gives the ids 0 and 65535 */
    SAY(b, "09 0a ff ff 00 01 74 2f 6f");
    SAY(b, "09 0a 00 09 00 01 74 2f 2b"); /* nor registers wildcards */
    WROTE(b, "07 0b 00 00 00 01 03; 07 0b ff ff 00 01 03; 07 0b 00 09 00 01 03");
    TOLD(b, "");
}

/* One id for two topics: the later REGISTER is true. */
static void registered_again(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});

    SAY(b, "09 0a 00 09 00 01 74 2f 6f");
    SAY(b, "09 0a 00 09 00 02 74 2f 78");
    b->nwire = 0;
    SAY(b, "08 0c 00 00 09 00 00 78");
    TOLD(b, "t/x q0 x");
}

/* Noise, text and cut frames between frames cost nothing but themselves. */
static void noise(void)
{
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});
    uint8_t bytes[600];
    size_t i;

    memset(bytes, 0x55, sizeof bytes); /* longer than the buffer */
    umqtt_receive(&b->client, bytes, sizeof bytes);
    SAY(b, "02 16");
    umqtt_receive(&b->client, (const uint8_t *)"boot: ok\r\n", 10);
    SAY(b, "02 16");
    for (i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7U);
    }
    umqtt_receive(&b->client, bytes, sizeof bytes);
    SAY(b, "02 16");
    WROTE(b, "02 17; 02 17; 02 17");
    TOLD(b, "");
}

/* By the read callback, in whatever pieces. */
static void reading(void)
{
    static const uint8_t pingreq[] = {0, 7, 2, 0x16, 0, 0, 0, 0, 0};
    board *b = board_connected(&(umqtt_config){.client_id = "m5"});
    uint8_t frame[9];
    uint32_t crc = umqtt_crc32(0, &pingreq[2], 2);
    size_t i;

    memcpy(frame, pingreq, sizeof frame);
    for (i = 0; i < 4U; i++) {
        frame[4U + i] = (uint8_t)(crc >> (8U * i));
    }
    for (i = 0; i < 100U; i++) { /* 900 bytes: more than one poll reads */
        memcpy(b->input + b->ninput, frame, sizeof frame);
        b->ninput += sizeof frame;
    }
    EQUAL(board_poll(b), 0); /* there is more */
    CHECK(b->ninput == 900U - 512U);
    (void)board_poll(b);
    CHECK(b->ninput == 0U);
    CHECK(b->nwire == 100U * 9U);
}

void test_receive(void)
{
    messages();
    repetition();
    unknown();
    registered_again();
    noise();
    reading();
}
