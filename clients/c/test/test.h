/*
 * The tests of the client: a board of plain C whose line is a script.
 *
 * A test makes a board, lets time pass, says what a gateway would say, and looks at what the client wrote and what it told the program:
 *
 *     board *b = board_new(&(umqtt_config){.client_id = "m5"});
 *     umqtt_connect(&b->client);
 *     board_run(b, 0);
 *     WROTE(b, "08 04 00 01 00 00 6d 35");          CONNECT
 *     SAY(b, "03 05 00");                           CONNACK
 *     TOLD(b, "connected 0");
 */
#ifndef TEST_H
#define TEST_H

#include "umqtt_serial.h"
#include "umqtt_wire.h"

#include <stdio.h>

typedef struct board {
    umqtt_client client;
    uint32_t now;
    uint8_t wire[65536]; /* written and not looked at yet */
    size_t nwire;
    uint8_t input[4096]; /* for the read callback */
    size_t ninput;
    char told[4096]; /* events and messages, not looked at yet */
    size_t ntold;
    uint8_t rx[UMQTT_RX_SIZE(300)];
    uint8_t tx[200];
    umqtt_topic topics[12];
    void (*during)(struct board *b); /* called once, in the next callback */
    uint32_t idled; /* milliseconds in the idle callback */
    void (*idling)(struct board *b);
} board;

/* The board of this test, anew. Fields of config that are zero become those of the board: callbacks and buffers. */
board *board_new(const umqtt_config *config);
umqtt_config board_config(board *b, const umqtt_config *config);

/* Connected, with nothing left to look at. */
board *board_connected(const umqtt_config *config);

/* Lets ms pass, polling when the client says so and at the end. */
void board_run(board *b, uint32_t ms);

/* One poll. */
uint32_t board_poll(board *b);

void board_say(board *b, const char *body);
void board_said(board *b, const uint8_t *body, size_t n);

/* Compare and forget what was written, or told. Bodies and words are separated by ';'. */
void board_wrote(board *b, const char *bodies, const char *file, int line);
void board_told(board *b, const char *words, const char *file, int line);

void check(int ok, const char *what, const char *file, int line);
void check_equal(long got, long want, const char *what, const char *file, int line);

#define SAY(b, body) board_say((b), (body))
#define WROTE(b, bodies) board_wrote((b), (bodies), __FILE__, __LINE__)
#define TOLD(b, words) board_told((b), (words), __FILE__, __LINE__)
#define CHECK(x) check((x) ? 1 : 0, #x, __FILE__, __LINE__)
#define EQUAL(got, want) check_equal((long)(got), (long)(want), #got, __FILE__, __LINE__)

/* What there is to run; main.c calls them. */
void test_vectors(void);
void test_frames(void);
void test_session(void);
void test_publish(void);
void test_receive(void);
void test_topics(void);
void test_sleep(void);
void test_time(void);
void test_refused(void);

#endif
