/*
 * A board that does what it is told: the C client on a serial line, with commands on its standard input and what happens on its standard
 * output, a line each. Its buffers are of the heap and of exactly the size it is given, so that AddressSanitizer sees a byte too many.
 *
 *     board port=/dev/pts/5 id=m5 [keepalive=SECONDS] [clean=1] [ask=1] [rx=BYTES] [tx=BYTES] [topics=BYTES] [max=BYTES] [first=MSGID] [baud=BIT/S]
 *           [will=TOPIC willmsg=TEXT willqos=QOS willretain=1] [predefined=ID:TOPIC]
 *
 * Commands are carried out in order. A "pub" that finds the client busy waits until it is not; "try" does not wait.
 *
 *     connect | disconnect | wake | time | quit | sleep SECONDS | log TEXT | wait UNTIL MILLISECONDS
 *     pub QOS RETAIN TOPIC PAYLOAD | try QOS RETAIN TOPIC PAYLOAD | fill QOS TOPICLENGTH PAYLOADLENGTH
 *     sub QOS FILTER | unsub FILTER | reg TOPIC | will QOS RETAIN TOPIC PAYLOAD
 *
 * What it says:
 *
 *     result COMMAND CODE
 *     event NAME code=C qos=Q seconds=T topic=TOPIC
 *     message QOS RETAIN TOPIC PAYLOAD
 */
#define _POSIX_C_SOURCE 200809L
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

#define LINE 70000

typedef struct {
    int port;
    bool quit;
    char input[LINE]; /* read, and not carried out */
    size_t used;
} board;

/* ---- What the client needs ---- */

static uint32_t millis(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U);
}

static void write_port(void *context, const uint8_t *bytes, size_t n)
{
    board *b = context;
    while (n > 0) {
        ssize_t wrote = write(b->port, bytes, n);
        if (wrote > 0) {
            bytes += wrote;
            n -= (size_t)wrote;
        } else if (wrote < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = b->port, .events = POLLOUT};
            if (poll(&room, 1, 1000) == 0) {
                return; /* stuck: as the header allows, these bytes are lost */
            }
        } else if (wrote < 0 && errno != EINTR) {
            perror("write");
            exit(2);
        }
    }
}

static size_t read_port(void *context, uint8_t *bytes, size_t n)
{
    board *b = context;
    ssize_t got = read(b->port, bytes, n);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        perror("read");
        exit(2);
    }
    return got > 0 ? (size_t)got : 0;
}

static void idle(void *context, uint32_t ms)
{
    board *b = context;
    struct pollfd bytes = {.fd = b->port, .events = POLLIN};
    poll(&bytes, 1, ms > 1000 ? 1000 : (int)ms);
}

static void on_message(void *context, const umqtt_message *m)
{
    uint32_t seconds;
    uint16_t ms;
    (void)context;
    if (umqtt_get_time(m, &seconds, &ms)) {
        printf("event time code=0 qos=%u seconds=%lu topic=\n", m->qos, (unsigned long)seconds);
        return;
    }
    if (strlen(m->topic) != m->topic_len) {
        printf("fault topic_len %lu of %s\n", (unsigned long)m->topic_len, m->topic);
    }
    printf("message %u %d %s ", m->qos, m->retain, m->topic);
    fwrite(m->payload, 1, m->payload_len, stdout);
    putchar('\n');
}

static void on_event(void *context, const umqtt_event *e)
{
    static const char *const names[] = {"?", "connected", "refused", "lost", "disconnected", "asleep", "published", "dropped", "congested",
                                        "subscribed", "unsubscribed", "registered", "will"};
    (void)context;
    printf("event %s code=%u qos=%u seconds=0 topic=%s\n", (unsigned)e->type < sizeof names / sizeof *names ? names[e->type] : "?",
           e->code, e->qos, e->topic == NULL ? "" : e->topic);
}

/* ---- Commands ---- */

/* Cuts the next word off a line. */
static char *word(char **rest)
{
    char *begin = *rest;
    char *end = strchr(begin, ' ');
    if (end == NULL) {
        *rest = begin + strlen(begin);
    } else {
        *end = 0;
        *rest = end + 1;
    }
    return begin;
}

static long number(char **rest) { return strtol(word(rest), NULL, 10); }

static umqtt_result publish(umqtt_client *c, char *rest)
{
    int qos = (int)number(&rest);
    bool retain = number(&rest) != 0;
    const char *topic = word(&rest);
    return umqtt_publish(c, topic, rest, strlen(rest), qos, retain);
}

/* Publishes something of a size. */
static umqtt_result fill(umqtt_client *c, char *rest)
{
    int qos = (int)number(&rest);
    size_t ntopic = (size_t)number(&rest);
    size_t npayload = (size_t)number(&rest);
    char *topic = malloc(ntopic + 1);
    uint8_t *payload = malloc(npayload + 1);
    umqtt_result result;
    if (topic == NULL || payload == NULL) {
        abort();
    }
    memset(topic, 't', ntopic);
    topic[ntopic] = 0;
    memset(payload, 'p', npayload + 1);
    result = umqtt_publish(c, topic, payload, npayload, qos, false);
    free(topic);
    free(payload);
    return result;
}

static umqtt_result set_will(umqtt_client *c, char *rest)
{
    static umqtt_will wills[2]; /* the one that is in use must not change */
    static char texts[2][LINE];
    static int at;
    umqtt_will *will = &wills[at ^= 1];
    strcpy(texts[at], rest);
    rest = texts[at];
    will->qos = (uint8_t)number(&rest);
    will->retain = number(&rest) != 0;
    will->topic = word(&rest);
    will->payload = (const uint8_t *)rest;
    will->payload_len = strlen(rest);
    return umqtt_set_will(c, will);
}

/* Carries out a line. Returns false if it must be tried again, when something has happened. */
static bool command(board *b, umqtt_client *c, char *line)
{
    char *rest = line;
    const char *name = word(&rest);
    umqtt_result result = UMQTT_OK;
    if (strcmp(name, "pub") == 0) {
        if (strtol(rest, NULL, 10) == 1 && !umqtt_can_publish(c)) {
            return false;
        }
        result = publish(c, rest);
    } else if (strcmp(name, "try") == 0) {
        result = publish(c, rest);
    } else if (strcmp(name, "fill") == 0) {
        result = fill(c, rest);
    } else if (strcmp(name, "sub") == 0) {
        int qos = (int)number(&rest);
        result = umqtt_subscribe(c, rest, qos);
    } else if (strcmp(name, "unsub") == 0) {
        result = umqtt_unsubscribe(c, rest);
    } else if (strcmp(name, "reg") == 0) {
        result = umqtt_register(c, rest);
    } else if (strcmp(name, "will") == 0) {
        result = set_will(c, rest);
    } else if (strcmp(name, "connect") == 0) {
        result = umqtt_connect(c);
    } else if (strcmp(name, "disconnect") == 0) {
        result = umqtt_disconnect(c);
    } else if (strcmp(name, "sleep") == 0) {
        result = umqtt_sleep(c, (uint16_t)number(&rest));
    } else if (strcmp(name, "wake") == 0) {
        result = umqtt_wake(c);
    } else if (strcmp(name, "time") == 0) {
        result = umqtt_ask_time(c);
    } else if (strcmp(name, "log") == 0) {
        strcat(rest, "\n"); /* where the line's own was */
        result = umqtt_log(c, rest);
    } else if (strcmp(name, "wait") == 0) {
        umqtt_until until = (umqtt_until)number(&rest);
        result = umqtt_wait(c, until, (uint32_t)number(&rest));
    } else if (strcmp(name, "quit") == 0) {
        b->quit = true;
    } else {
        printf("fault unknown command %s\n", name);
    }
    printf("result %s %d\n", name, (int)result);
    return true;
}

/* Carries out the lines that are there, but one that must wait and those after it. Returns whether one waits. */
static bool commands(board *b, umqtt_client *c)
{
    char *end;
    while (!b->quit && (end = memchr(b->input, '\n', b->used)) != NULL) {
        static char line[LINE + 1];
        size_t n = (size_t)(end - b->input);
        memcpy(line, b->input, n);
        line[n] = 0;
        if (!command(b, c, line)) {
            return true;
        }
        b->used -= n + 1;
        memmove(b->input, end + 1, b->used);
    }
    return false;
}

/* ---- Beginning and turning round ---- */

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    size_t n = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=') {
            return argv[i] + n + 1;
        }
    }
    return otherwise;
}

static uint16_t size(int argc, char **argv, const char *name, const char *otherwise)
{
    return (uint16_t)strtoul(option(argc, argv, name, otherwise), NULL, 10);
}

static void configure(umqtt_config *config, int argc, char **argv)
{
    static umqtt_will will;
    static umqtt_predefined predefined;
    config->rx_size = size(argc, argv, "rx", "244");
    config->tx_size = size(argc, argv, "tx", "160");
    config->topics_size = size(argc, argv, "topics", "256") / sizeof *config->topics;
    config->max_body = size(argc, argv, "max", "0");
    config->rx = malloc(config->rx_size);
    config->tx = malloc(config->tx_size);
    config->topics = malloc(config->topics_size * sizeof *config->topics);
    config->client_id = option(argc, argv, "id", "");
    config->keepalive = size(argc, argv, "keepalive", "0");
    config->first_msg_id = size(argc, argv, "first", "0");
    config->baud = (uint32_t)strtoul(option(argc, argv, "baud", "0"), NULL, 10);
    config->clean_session = size(argc, argv, "clean", "0") != 0;
    config->ask_session = size(argc, argv, "ask", "0") != 0;
    will.topic = option(argc, argv, "will", NULL);
    if (will.topic != NULL) {
        const char *payload = option(argc, argv, "willmsg", "");
        will.payload = (const uint8_t *)payload;
        will.payload_len = strlen(payload);
        will.qos = (uint8_t)size(argc, argv, "willqos", "1");
        will.retain = size(argc, argv, "willretain", "0") != 0;
        config->will = &will;
    }
    if (option(argc, argv, "predefined", NULL) != NULL) {
        char *end;
        predefined.id = (uint16_t)strtoul(option(argc, argv, "predefined", ""), &end, 10);
        predefined.topic = end + 1;
        config->predefined = &predefined;
        config->predefined_count = 1;
    }
}

static void turn(board *b, umqtt_client *c)
{
    struct pollfd fds[2] = {{.fd = b->port, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    bool busy = commands(b, c);
    uint32_t wait = umqtt_poll(c);
    if (busy && umqtt_can_publish(c)) {
        wait = 0;
    }
    if (b->quit) {
        return;
    }
    fds[1].fd = b->used < LINE ? 0 : -1; /* who gives more than can be kept waits */
    poll(fds, 2, wait > 60000 ? 60000 : (int)wait);
    if (fds[1].revents != 0) {
        ssize_t n = read(0, b->input + b->used, LINE - b->used);
        b->quit = n == 0;
        b->used += n > 0 ? (size_t)n : 0;
    }
}

int main(int argc, char **argv)
{
    static board b;
    umqtt_client *c = malloc(sizeof *c);
    umqtt_config config = {0};
    umqtt_result result;
    struct termios raw;
    if (c == NULL) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* a message is out of the house before it is acknowledged */
    b.port = open(option(argc, argv, "port", ""), O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (b.port < 0 || tcgetattr(b.port, &raw) != 0) {
        perror("port");
        return 2;
    }
    raw.c_iflag = raw.c_oflag = raw.c_lflag = 0;
    if (tcsetattr(b.port, TCSANOW, &raw) != 0) {
        perror("port");
        return 2;
    }
    config.write = write_port;
    config.millis = millis;
    config.read = read_port;
    config.message = on_message;
    config.event = on_event;
    config.idle = idle;
    config.context = &b;
    configure(&config, argc, argv);
    result = umqtt_init(c, &config);
    printf("result init %d\n", (int)result);
    if (result == UMQTT_OK) {
        while (!b.quit) {
            turn(&b, c);
        }
    }
    free(c);
    free(config.rx);
    free(config.tx);
    free(config.topics);
    close(b.port);
    return 0;
}
