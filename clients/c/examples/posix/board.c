/*
 * A board on a tty of Linux or another POSIX system: reads commands on standard input, one a line, and says on standard output what happens.
 *
 *     board [-i ID] [-k SECONDS] [-c] [-s] [-m MSGID] [-b BAUD] [-w TOPIC QOS TEXT] [-p ID TOPIC]... TTY
 *
 * To build it, in the library's folder:
 *
 *     cc -std=c99 -O2 -Isrc -o board examples/posix/board.c src/umqtt_*.c
 *
 * -i client id, -k keepalive, -c clean session, -s ask whether the session was present, -m first MsgId, -b the line's speed (0: as it is),
 * -w will, -p predefined topic. Commands, with fields separated by one space and TEXT the rest of the line:
 *
 *     connect | disconnect | sleep SECONDS | wake | time | quit
 *     pub TOPIC QOS TEXT       retain TOPIC QOS TEXT       QOS is -1, 0 or 1. QoS 1 waits its turn: 1024 messages at most
 *     flood TOPIC QOS COUNT    COUNT messages, "1", "2"... each when the one before is acknowledged
 *     sub FILTER QOS           unsub FILTER
 *     register TOPIC           will TOPIC QOS TEXT
 *     log TEXT                 text on the line, between frames
 *
 * Answers, a line each, flushed at once:
 *
 *     ok COMMAND | error COMMAND RESULT       what the library made of the command; QoS 1 says ok when it is in the queue
 *     acked N                                 the Nth message of QoS 1 is acknowledged, counted from 1
 *     dropped N CODE                          it is refused
 *     msg QOS RETAIN TOPIC TEXT               a message; TEXT is its payload with \xHH for bytes below 0x20, 0x7f and the backslash
 *     event NAME CODE [TOPIC]                 connected, refused, lost, disconnected, asleep, congested, subscribed, unsubscribed, registered, will
 *     time SECONDS.MILLIS
 *
 * The program ends when standard input does, or at quit, without a DISCONNECT: as a board does that loses its power. Exit status 1 says that the tty is
 * gone or cannot be had, 2 that it was called wrongly.
 */
#define _DEFAULT_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "umqtt_serial.h"

#define MAX_LINE 8192
#define MAX_QUEUE 1024
#define MAX_PREDEFINED 16
#define MAX_BODY 2048U

typedef struct queued {
    char *topic;
    char *text;
    bool retain;
} queued;

typedef struct board {
    umqtt_client client;
    int tty;
    queued queue[MAX_QUEUE];
    size_t first; /* of the queue */
    size_t count;
    unsigned long published; /* QoS 1 messages that were answered */
    char flood_topic[256];
    int flood_qos;
    unsigned long flood_next;
    unsigned long flood_last;
    uint8_t rx[UMQTT_RX_SIZE(MAX_BODY)];
    uint8_t tx[MAX_BODY];
    umqtt_topic topics[512];
    char will_topic[256];
    char will_text[MAX_LINE];
    umqtt_will will;
    umqtt_predefined predefined[MAX_PREDEFINED];
} board;

static uint32_t now_ms(void *context)
{
    struct timespec t;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U);
}

/* Frames are whole or lost: what the tty does not take within a second is given up. */
static void write_tty(void *context, const uint8_t *bytes, size_t n)
{
    const board *b = (const board *)context;

    while (n > 0U) {
        ssize_t done = write(b->tty, bytes, n);

        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        } else if (done < 0 && errno == EAGAIN) {
            struct pollfd p = {b->tty, POLLOUT, 0};

            if (poll(&p, 1, 1000) <= 0) {
                return;
            }
        } else if (done == 0 || errno != EINTR) {
            return;
        }
    }
}

static void say_text(const uint8_t *bytes, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (bytes[i] < 0x20U || bytes[i] == 0x7FU || bytes[i] == (uint8_t)'\\') {
            printf("\\x%02x", bytes[i]);
        } else {
            putchar(bytes[i]);
        }
    }
}

static void on_message(void *context, const umqtt_message *m)
{
    uint32_t seconds;
    uint16_t millis;

    (void)context;
    if (umqtt_get_time(m, &seconds, &millis)) {
        printf("time %lu.%03u\n", (unsigned long)seconds, millis);
        fflush(stdout);
        return;
    }
    printf("msg %d %d %s ", m->qos, m->retain ? 1 : 0, m->topic);
    say_text(m->payload, m->payload_len);
    putchar('\n');
    fflush(stdout);
}

static const char *event_name(umqtt_event_type type)
{
    switch (type) {
    case UMQTT_EVENT_CONNECTED:
        return "connected";
    case UMQTT_EVENT_REFUSED:
        return "refused";
    case UMQTT_EVENT_LOST:
        return "lost";
    case UMQTT_EVENT_DISCONNECTED:
        return "disconnected";
    case UMQTT_EVENT_ASLEEP:
        return "asleep";
    case UMQTT_EVENT_CONGESTED:
        return "congested";
    case UMQTT_EVENT_SUBSCRIBED:
        return "subscribed";
    case UMQTT_EVENT_UNSUBSCRIBED:
        return "unsubscribed";
    case UMQTT_EVENT_REGISTERED:
        return "registered";
    case UMQTT_EVENT_WILL:
        return "will";
    default:
        return "unknown";
    }
}

static void on_event(void *context, const umqtt_event *e)
{
    board *b = (board *)context;

    switch (e->type) {
    case UMQTT_EVENT_PUBLISHED:
        b->published++;
        printf("acked %lu\n", b->published);
        break;
    case UMQTT_EVENT_DROPPED:
        b->published++;
        printf("dropped %lu %u\n", b->published, e->code);
        break;
    default:
        printf("event %s %u%s%s\n", event_name(e->type), e->code, (e->topic == NULL) ? "" : " ", (e->topic == NULL) ? "" : e->topic);
        break;
    }
    fflush(stdout);
}

static void say_result(const char *command, umqtt_result r)
{
    if (r == UMQTT_OK) {
        printf("ok %s\n", command);
    } else {
        printf("error %s %d\n", command, (int)r);
    }
    fflush(stdout);
}

/* Cuts the first word off. */
static char *word(char **line)
{
    char *w = *line;
    char *space = strchr(w, ' ');

    if (space == NULL) {
        *line = w + strlen(w);
    } else {
        *space = '\0';
        *line = space + 1;
    }
    return w;
}

static umqtt_result enqueue(board *b, const char *topic, const char *text, bool retain)
{
    queued *q = &b->queue[(b->first + b->count) % MAX_QUEUE];

    if (b->count == MAX_QUEUE) {
        return UMQTT_ERR_BUSY;
    }
    q->topic = strdup(topic);
    q->text = strdup(text);
    q->retain = retain;
    if (q->topic == NULL || q->text == NULL) {
        abort();
    }
    b->count++;
    return UMQTT_OK;
}

static umqtt_result publish(board *b, char *line, bool retain)
{
    const char *topic = word(&line);
    int qos = atoi(word(&line));

    if (qos == 1) {
        return enqueue(b, topic, line, retain);
    }
    return umqtt_publish(&b->client, topic, line, strlen(line), qos, retain);
}

/* Hands to the client what it can take. A message that it refuses for good counts as dropped. */
static void pump(board *b)
{
    while (b->count > 0U && umqtt_can_publish(&b->client)) {
        queued *q = &b->queue[b->first];
        umqtt_result r = umqtt_publish(&b->client, q->topic, q->text, strlen(q->text), 1, q->retain);

        if (r == UMQTT_ERR_STATE || r == UMQTT_ERR_NO_ROOM) {
            return;
        }
        if (r != UMQTT_OK) {
            b->published++;
            printf("dropped %lu %d\n", b->published, (int)r);
            fflush(stdout);
        }
        free(q->topic);
        free(q->text);
        b->first = (b->first + 1U) % MAX_QUEUE;
        b->count--;
    }
    while (b->flood_next <= b->flood_last && umqtt_can_publish(&b->client)) {
        char text[24];
        int n = snprintf(text, sizeof text, "%lu", b->flood_next);

        if (umqtt_publish(&b->client, b->flood_topic, text, (size_t)n, b->flood_qos, false) != UMQTT_OK) {
            return;
        }
        b->flood_next++;
    }
}

static umqtt_result set_will(board *b, char *line)
{
    snprintf(b->will_topic, sizeof b->will_topic, "%s", word(&line));
    b->will.qos = (uint8_t)atoi(word(&line));
    snprintf(b->will_text, sizeof b->will_text, "%s", line);
    b->will.topic = b->will_topic;
    b->will.payload = (const uint8_t *)b->will_text;
    b->will.payload_len = strlen(b->will_text);
    return umqtt_set_will(&b->client, &b->will);
}

static umqtt_result flood(board *b, char *line)
{
    snprintf(b->flood_topic, sizeof b->flood_topic, "%s", word(&line));
    b->flood_qos = atoi(word(&line));
    b->flood_next = 1;
    b->flood_last = strtoul(line, NULL, 10);
    return UMQTT_OK;
}

static umqtt_result subscribe(board *b, char *line)
{
    const char *filter = word(&line);

    return umqtt_subscribe(&b->client, filter, atoi(line));
}

/* False: the end. */
static bool command(board *b, char *line)
{
    const char *name = word(&line);
    umqtt_client *c = &b->client;
    umqtt_result r = UMQTT_ERR_ARGUMENT;

    if (strcmp(name, "quit") == 0) {
        return false;
    }
    if (strcmp(name, "connect") == 0) {
        r = umqtt_connect(c);
    } else if (strcmp(name, "disconnect") == 0) {
        r = umqtt_disconnect(c);
    } else if (strcmp(name, "sleep") == 0) {
        r = umqtt_sleep(c, (uint16_t)atoi(line));
    } else if (strcmp(name, "wake") == 0) {
        r = umqtt_wake(c);
    } else if (strcmp(name, "time") == 0) {
        r = umqtt_ask_time(c);
    } else if (strcmp(name, "pub") == 0 || strcmp(name, "retain") == 0) {
        r = publish(b, line, name[0] == 'r');
    } else if (strcmp(name, "flood") == 0) {
        r = flood(b, line);
    } else if (strcmp(name, "sub") == 0) {
        r = subscribe(b, line);
    } else if (strcmp(name, "unsub") == 0) {
        r = umqtt_unsubscribe(c, line);
    } else if (strcmp(name, "register") == 0) {
        r = umqtt_register(c, line);
    } else if (strcmp(name, "will") == 0) {
        r = set_will(b, line);
    } else if (strcmp(name, "log") == 0) {
        strcat(line, "\n"); /* it took the place of one */
        r = umqtt_log(c, line);
    }
    say_result(name, r);
    return true;
}

static bool set_raw(int tty, unsigned long baud)
{
    static const struct {
        unsigned long baud;
        speed_t speed;
    } speeds[] = {{9600, B9600}, {19200, B19200}, {38400, B38400}, {57600, B57600}, {115200, B115200}, {230400, B230400}, {460800, B460800}, {921600, B921600}};
    struct termios t;
    size_t i;

    if (tcgetattr(tty, &t) != 0) {
        return false;
    }
    cfmakeraw(&t);
    t.c_cflag |= CLOCAL | CREAD;
    t.c_cc[VMIN] = 1; /* so that a read without bytes is EAGAIN, and one of 0 is the end */
    t.c_cc[VTIME] = 0;
    for (i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].baud == baud && cfsetspeed(&t, speeds[i].speed) != 0) {
            return false;
        }
    }
    return tcsetattr(tty, TCSANOW, &t) == 0;
}

/* Reads what the tty has. False: it is gone. */
static bool read_tty(board *b)
{
    uint8_t bytes[512];
    ssize_t n = read(b->tty, bytes, sizeof bytes);

    if (n > 0) {
        umqtt_receive(&b->client, bytes, (size_t)n);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Reads commands. False: the end. */
static bool read_commands(board *b)
{
    static char buffer[MAX_LINE];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, buffer + len, sizeof buffer - 2U - len);
    char *end;

    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    len += (size_t)n;
    while ((end = (char *)memchr(buffer, '\n', len)) != NULL) {
        char line[MAX_LINE];
        size_t used = (size_t)(end - buffer) + 1U;

        memcpy(line, buffer, used - 1U);
        line[used - 1U] = '\0';
        len -= used;
        memmove(buffer, end + 1, len);
        if (!command(b, line)) {
            return false;
        }
    }
    return len < sizeof buffer - 2U;
}

static int run(board *b)
{
    for (;;) {
        struct pollfd p[2] = {{b->tty, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        uint32_t left;

        pump(b);
        left = umqtt_poll(&b->client);
        if (poll(p, 2, (left > 60000U) ? 60000 : (int)left) < 0 && errno != EINTR) {
            return 1;
        }
        if (p[0].revents != 0 && !read_tty(b)) {
            return 1;
        }
        if (p[1].revents != 0 && !read_commands(b)) {
            return 0;
        }
    }
}

static int usage(void)
{
    fputs("usage: board [-i ID] [-k SECONDS] [-c] [-s] [-m MSGID] [-b BAUD] [-w TOPIC QOS TEXT] [-p ID TOPIC]... TTY\n", stderr);
    return 2;
}

/* Puts the command line into config. False: it is wrong. */
static bool parse(board *b, umqtt_config *config, int argc, char **argv, const char **tty, unsigned long *baud)
{
    int i;

    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        char option = argv[i][1];
        int needs = (option == 'c' || option == 's') ? 0 : (option == 'w') ? 3 : (option == 'p') ? 2 : 1;

        if (i + needs >= argc) {
            return false;
        }
        if (option == 'i') {
            config->client_id = argv[i + 1];
        } else if (option == 'k') {
            config->keepalive = (uint16_t)atoi(argv[i + 1]);
        } else if (option == 'c') {
            config->clean_session = true;
        } else if (option == 's') {
            config->ask_session = true;
        } else if (option == 'm') {
            config->first_msg_id = (uint16_t)atoi(argv[i + 1]);
        } else if (option == 'b') {
            *baud = strtoul(argv[i + 1], NULL, 10);
        } else if (option == 'w') {
            b->will.topic = argv[i + 1];
            b->will.qos = (uint8_t)atoi(argv[i + 2]);
            b->will.payload = (const uint8_t *)argv[i + 3];
            b->will.payload_len = strlen(argv[i + 3]);
            config->will = &b->will;
        } else if (option == 'p' && config->predefined_count < MAX_PREDEFINED) {
            b->predefined[config->predefined_count].id = (uint16_t)atoi(argv[i + 1]);
            b->predefined[config->predefined_count].topic = argv[i + 2];
            config->predefined_count++;
        } else {
            return false;
        }
        i += needs;
    }
    *tty = argv[i];
    return i == argc - 1;
}

int main(int argc, char **argv)
{
    static board b;
    static umqtt_config config;
    const char *tty;
    unsigned long baud = 0;

    b.flood_next = 1;
    config.predefined = b.predefined;
    if (!parse(&b, &config, argc, argv, &tty, &baud)) {
        return usage();
    }
    config.write = write_tty;
    config.millis = now_ms;
    config.message = on_message;
    config.event = on_event;
    config.context = &b;
    config.rx = b.rx;
    config.rx_size = sizeof b.rx;
    config.tx = b.tx;
    config.tx_size = sizeof b.tx;
    config.topics = b.topics;
    config.topics_size = sizeof b.topics / sizeof b.topics[0];
    config.baud = (uint32_t)baud;
    if (umqtt_init(&b.client, &config) != UMQTT_OK) {
        return usage();
    }
    b.tty = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (b.tty < 0 || !set_raw(b.tty, baud)) {
        perror(tty);
        return 1;
    }
    return run(&b);
}
