/*
 * The firmware of the tests: it connects, subscribes to cmd/#, does what it is told, disconnects, and connects again, until it is told to stop.
 *
 * A command is "SEQ VERB", and after that whatever the test wants to see arrive:
 *
 *     SEQ publish FROM N   publishes the messages FROM to FROM+N-1 on up/data, QoS 1
 *     SEQ echo ...         publishes "SEQ CRC" on up/echo, QoS 1: the CRC-32 of the command's payload
 *     SEQ end              ends the session in good order when all that is done, and begins another
 *     SEQ exit             the same, and ends the firmware with status 0
 *
 * SEQ counts on by one: a command that is missing ends the firmware with status 3. One that comes again is not done again, but counted.
 *
 * A message's payload is "NUMBER " and up to 47 bytes of all values, which follow from the number: the test knows each by heart.
 */
#include "board.h"
#include "umqtt_serial.h"

#include <string.h>

#ifndef CLIENT_ID
#define CLIENT_ID "firmware"
#endif

enum {
	EXIT_LOST_COMMAND = 3,
	EXIT_BAD_COMMAND = 4,
	EXIT_DROPPED = 5,
	EXIT_REFUSED = 6,
	EXIT_CALL_FAILED = 7
};

/* The longest body; the gateway's max_frame. */
#define MAX_BODY 160u

/* Commands that wait for their echo. */
#define ECHOES 32u

static umqtt_client client;
static uint8_t rx[UMQTT_RX_SIZE(MAX_BODY)];
static uint8_t tx[64];
static umqtt_topic topics[4u * UMQTT_TOPIC_SIZE(9)];

static struct {
	uint32_t seq;
	uint32_t crc;
} echoes[ECHOES];
static uint8_t echo_first, echo_count;

static bool began;          /* the first command has come: its number is where they begin */
static uint32_t next_seq;   /* of the next command */
static uint32_t again;      /* commands that came again */
static uint32_t next_number, last_number;
static uint32_t sessions, lost;
static bool ending, exiting;

static void demand(umqtt_result result)
{
	if (result != UMQTT_OK) {
		board_report("result ");
		board_report_number((uint32_t)-result);
		board_report("\n");
		board_end(EXIT_CALL_FAILED);
	}
}

static void report(const char *word, uint32_t number)
{
	board_report(word);
	board_report(" ");
	board_report_number(number);
	board_report("\n");
}

/* Reads a decimal number and the space after it, and moves on behind them. */
static uint32_t number(const uint8_t **p, const uint8_t *end)
{
	uint32_t n = 0;
	while (*p < end && **p >= '0' && **p <= '9') {
		n = n * 10u + (uint32_t)(**p - '0');
		(*p)++;
	}
	if (*p < end && **p == ' ') {
		(*p)++;
	}
	return n;
}

/* Writes a decimal number and returns where it ends. */
static uint8_t *decimal(uint8_t *p, uint32_t n)
{
	uint8_t digits[10];
	uint8_t count = 0;
	do {
		digits[count] = (uint8_t)('0' + n % 10u);
		count++;
		n /= 10u;
	} while (n != 0u);
	while (count > 0u) {
		count--;
		*p = digits[count];
		p++;
	}
	return p;
}

static bool starts(const uint8_t *p, const uint8_t *end, const char *word)
{
	while (*word != '\0' && p < end && *p == (uint8_t)*word) {
		p++;
		word++;
	}
	return *word == '\0';
}

static void on_message(void *context, const umqtt_message *m)
{
	(void)context;
	const uint8_t *p = m->payload;
	const uint8_t *end = p + m->payload_len;
	uint32_t seq = number(&p, end);
	if (began && seq < next_seq) {
		again++;
		return;
	}
	if (began && seq > next_seq) {
		report("expected", next_seq);
		report("got", seq);
		board_end(EXIT_LOST_COMMAND);
	}
	began = true;
	next_seq = seq + 1u;
	if (starts(p, end, "publish ")) {
		p += 8;
		next_number = number(&p, end);
		last_number = next_number + number(&p, end);
	} else if (starts(p, end, "echo") && echo_count < ECHOES) {
		uint8_t slot = (uint8_t)(((unsigned)echo_first + echo_count) % ECHOES);
		echoes[slot].seq = seq;
		echoes[slot].crc = umqtt_crc32(0, m->payload, m->payload_len);
		echo_count++;
	} else if (starts(p, end, "end")) {
		ending = true;
	} else if (starts(p, end, "exit")) {
		ending = true;
		exiting = true;
	} else {
		board_end(EXIT_BAD_COMMAND);
	}
}

static void on_event(void *context, const umqtt_event *event)
{
	(void)context;
	switch (event->type) {
	case UMQTT_EVENT_CONNECTED:
		board_report("connected\n");
		break;
	case UMQTT_EVENT_LOST:
		lost++;
		report("lost", lost);
		break;
	case UMQTT_EVENT_REFUSED:
		board_end(EXIT_REFUSED);
		break;
	case UMQTT_EVENT_DROPPED:
		board_end(EXIT_DROPPED);
		break;
	case UMQTT_EVENT_SUBSCRIBED:
		report("subscribed", event->code);
		break;
	case UMQTT_EVENT_DISCONNECTED:
		ending = false;
		sessions++;
		report("session", sessions);
		break;
	default:
		break;
	}
}

static void line_write(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	board_write(bytes, n);
}

static size_t line_read(void *context, uint8_t *bytes, size_t n)
{
	(void)context;
	size_t got = 0;
	while (got < n) {
		int byte = board_read();
		if (byte < 0) {
			break;
		}
		bytes[got] = (uint8_t)byte;
		got++;
	}
	return got;
}

static uint32_t line_millis(void *context)
{
	(void)context;
	return board_millis();
}

/* Publishes what there is, one message at a time; echoes first. */
static void publish_next(void)
{
	uint8_t payload[64];
	uint8_t *end;
	if (!umqtt_can_publish(&client)) {
		return;
	}
	if (echo_count > 0u) {
		end = decimal(payload, echoes[echo_first].seq);
		*end = ' ';
		end = decimal(end + 1, echoes[echo_first].crc);
		demand(umqtt_publish(&client, "up/echo", payload, (size_t)(end - payload), 1, false));
		echo_first = (uint8_t)((echo_first + 1u) % ECHOES);
		echo_count--;
	} else if (next_number < last_number) {
		end = decimal(payload, next_number);
		*end = ' ';
		end++;
		for (uint32_t i = 0; i < next_number * 7u % 48u; i++) {
			*end = (uint8_t)(next_number * 31u + i * 7u);
			end++;
		}
		demand(umqtt_publish(&client, "up/data", payload, (size_t)(end - payload), 1, false));
		next_number++;
	}
}

int main(void)
{
	umqtt_config config;
	board_start();
	memset(&config, 0, sizeof config);
	config.write = line_write;
	config.read = line_read;
	config.millis = line_millis;
	config.message = on_message;
	config.event = on_event;
	config.rx = rx;
	config.rx_size = sizeof rx;
	config.tx = tx;
	config.tx_size = sizeof tx;
	config.topics = topics;
	config.topics_size = sizeof topics / sizeof topics[0];
	config.client_id = CLIENT_ID;
	config.keepalive = 10;
	config.max_body = MAX_BODY;
	demand(umqtt_init(&client, &config));
	demand(umqtt_subscribe(&client, "cmd/#", 1));
	board_report("ready\n");
	for (;;) {
		uint32_t next = umqtt_poll(&client);
		switch (umqtt_get_state(&client)) {
		case UMQTT_STATE_OFF:
			if (exiting) {
				report("again", again);
				board_end(0);
			}
			demand(umqtt_connect(&client));
			break;
		case UMQTT_STATE_CONNECTING:
		case UMQTT_STATE_CONNECTED:
			publish_next();
			if (ending && echo_count == 0u && next_number == last_number && umqtt_idle(&client)) {
				demand(umqtt_disconnect(&client));
			}
			break;
		default:
			break;
		}
		if (next != 0u) {
			board_idle();
		}
	}
}
