/*
 * umqtt_serial: MQTT for a board on a serial cable, in C99.
 *
 * The board says MQTT-SN 1.2 in CRC-protected frames to umqttd at the other end of the cable, and umqttd does the rest:
 * network, TLS, credentials, reconnecting, messages kept on disk. The wire is docs/protocol.md; "spec 6.5" below is a
 * section of that page.
 *
 * Properties
 *   - C99, no malloc, no global state, no recursion, no floating point. Of the C library memcpy, memset and strlen.
 *   - Memory is one umqtt_client and three buffers, all of them the caller's.
 *   - Nothing blocks but the caller's own write callback, and umqtt_wait, which is made for it.
 *   - No I/O and no clock of its own: bytes come in by umqtt_receive or a read callback, time by umqtt_poll.
 *
 * The rules of use
 *   1. A client belongs to one task; nothing here may be called from an interrupt or another task, but umqtt_log.
 *   2. Callbacks may call every function but umqtt_receive, umqtt_poll and umqtt_wait, which do nothing then. Callbacks
 *      come out of these three only, never out of umqtt_publish and the like.
 *   3. Nothing else may be written to the line between the first and the last byte of a frame: text goes out by umqtt_log.
 *   4. umqtt_poll is called when the time it returned is over, and may be called at any time before.
 *
 * What a QoS 1 message can rely on: umqtt_publish has either refused it, and no byte was sent, or taken it. Then it is
 * sent, and sent again, over lost frames, gateway restarts and new sessions, until the gateway has answered it; exactly
 * one event follows, UMQTT_EVENT_PUBLISHED or UMQTT_EVENT_DROPPED. Only a reset of the board, or umqtt_init, can lose it.
 */
#ifndef UMQTT_SERIAL_H
#define UMQTT_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UMQTT_SERIAL_VERSION "0.1.0"

/* ---- Results ---------------------------------------------------------------------------------------------------- */

/* What a function made of the call. Zero is good, everything else negative. Unless it says otherwise, a function that
 * returns an error has changed nothing and sent nothing. */
typedef enum umqtt_result {
    UMQTT_OK = 0,
    UMQTT_ERR_ARGUMENT = -1, /* a null pointer, a QoS that is none, a configuration that cannot work */
    UMQTT_ERR_TOPIC = -2,    /* an empty topic, a wildcard in the wrong place, no id for QoS -1 */
    UMQTT_ERR_TOO_LONG = -3, /* does not fit its buffer or max_body, and never will */
    UMQTT_ERR_BUSY = -4,     /* the message before is not acknowledged yet; try again after its event */
    UMQTT_ERR_NO_ROOM = -5,  /* the topic table is full of topics that are needed */
    UMQTT_ERR_STATE = -6,    /* not in this state: the client is off or sleeps, or a callback called umqtt_wait */
    UMQTT_ERR_REFUSED = -7,  /* umqtt_wait only: the gateway refused */
    UMQTT_ERR_TIMEOUT = -8   /* umqtt_wait only: time is over */
} umqtt_result;

/* The gateway's return codes (spec 5.5), in events. Codes above 3 mean the same as 3. */
#define UMQTT_CODE_ACCEPTED 0x00U
#define UMQTT_CODE_CONGESTION 0x01U
#define UMQTT_CODE_INVALID_TOPIC_ID 0x02U
#define UMQTT_CODE_NOT_SUPPORTED 0x03U

/* ---- Messages and events ---------------------------------------------------------------------------------------- */

/* A message of the broker. Its pointers are valid until the callback returns. */
typedef struct umqtt_message {
    const char *topic;      /* the name, followed by a zero byte */
    size_t topic_len;       /* bytes, without the zero */
    const uint8_t *payload; /* never null; no zero byte follows */
    size_t payload_len;     /* bytes, 0 or more */
    uint8_t qos;            /* 0 or 1 */
    bool retain;            /* the broker had kept it, and sends it because of a subscription */
} umqtt_message;

typedef enum umqtt_event_type {
    UMQTT_EVENT_CONNECTED = 1, /* a session begins, the first or a new one: code is a umqtt_session. Subscriptions come back by themselves */
    UMQTT_EVENT_REFUSED,       /* CONNACK with code "not supported": a person must act. Asked again in 15 s */
    UMQTT_EVENT_LOST,          /* the session is over: code is a umqtt_reason. The client connects again by itself */
    UMQTT_EVENT_DISCONNECTED,  /* after umqtt_disconnect: the client is off */
    UMQTT_EVENT_ASLEEP,        /* after umqtt_sleep or umqtt_wake: nothing is sent, what arrives is not looked at. code is
                                * UMQTT_REASON_UNANSWERED if the gateway said nothing to umqtt_wake, else 0 */
    UMQTT_EVENT_PUBLISHED,     /* the QoS 1 message is safe with the gateway (spec 6.5); the next may come */
    UMQTT_EVENT_DROPPED,       /* the gateway refuses the message, or its topic, for good: code. The next may come */
    UMQTT_EVENT_CONGESTED,     /* the gateway cannot take something now; it is sent again in 1 s (spec 6.14) */
    UMQTT_EVENT_SUBSCRIBED,    /* SUBACK: topic, code and, if accepted, the QoS granted. A filter that is refused is forgotten */
    UMQTT_EVENT_UNSUBSCRIBED,  /* UNSUBACK: topic */
    UMQTT_EVENT_REGISTERED,    /* REGACK: topic and code. Until the next CONNECTED the topic is a number on the wire */
    UMQTT_EVENT_WILL           /* the new will stands, or not: code */
} umqtt_event_type;

/* Why a session is over. */
typedef enum umqtt_reason {
    UMQTT_REASON_GATEWAY = 1, /* the gateway said DISCONNECT: it started, stops, or does not know the client any more */
    UMQTT_REASON_UNANSWERED   /* the gateway did not answer in time */
} umqtt_reason;

/* Whether the session had been there before the CONNECT (spec 6.9). */
typedef enum umqtt_session {
    UMQTT_SESSION_UNKNOWN = 0, /* not asked for, or the gateway cannot say */
    UMQTT_SESSION_NEW,
    UMQTT_SESSION_PRESENT
} umqtt_session;

/* Something that happened. Fields that are not named at the event's type are zero. The topic is valid until the callback
 * returns. */
typedef struct umqtt_event {
    umqtt_event_type type;
    uint8_t code;      /* UMQTT_CODE_..., or what the type says */
    uint8_t qos;
    const char *topic; /* followed by a zero byte */
} umqtt_event;

/* ---- Callbacks -------------------------------------------------------------------------------------------------- */

/* Sends n bytes, 1 or more, all of them and in order. It may copy them to a buffer or block while they leave. Bytes that it
 * loses are lost frames, which are sent again; so it may give up on a line that is stuck. */
typedef void (*umqtt_write_fn)(void *context, const uint8_t *bytes, size_t n);

/* Returns milliseconds since any moment. It counts through all 32 bits and begins anew at 0; a resolution of 1 ms is best,
 * 10 ms will do. It must go on while the client waits. */
typedef uint32_t (*umqtt_millis_fn)(void *context);

/* Gives what has been received, at most n bytes, and returns how many; 0 if there is nothing. It never blocks. */
typedef size_t (*umqtt_read_fn)(void *context, uint8_t *bytes, size_t n);

/* A message arrived. QoS 1 is acknowledged when the callback returns, so a board that is reset in it gets it again. A message
 * that the gateway repeats is not delivered twice (spec 6.6). */
typedef void (*umqtt_message_fn)(void *context, const umqtt_message *message);

/* Something happened. */
typedef void (*umqtt_event_fn)(void *context, const umqtt_event *event);

/* umqtt_wait has nothing to do for ms milliseconds, 1 or more, unless bytes arrive: the time to sleep a tick, feed the watchdog
 * or let other tasks run. It may return early; it should when bytes arrive, and after few milliseconds if it cannot know. */
typedef void (*umqtt_idle_fn)(void *context, uint32_t ms);

/* ---- Configuration ---------------------------------------------------------------------------------------------- */

/* What the broker publishes when the board is gone without a DISCONNECT (spec 6.3). It and what it points to must stay as they
 * are while the client uses them. */
typedef struct umqtt_will {
    const char *topic;      /* null or "" deletes the will that a kept session has */
    const uint8_t *payload; /* may be null if payload_len is 0 */
    size_t payload_len;     /* bytes; at most max_body less 9 */
    uint8_t qos;            /* 0 or 1 */
    bool retain;
} umqtt_will;

/* A topic whose id board and gateway know from their configuration (spec 5.4): it needs no REGISTER and no room in the table. */
typedef struct umqtt_predefined {
    uint16_t id; /* 1 to 65534 */
    const char *topic;
} umqtt_predefined;

/* Bytes of receive buffer for bodies (messages with their header) of up to n bytes. */
#define UMQTT_RX_SIZE(n) ((n) + 4U)

/* An element of the topic table, of 16 bytes where an int has 32 bits. A topic takes one, and as many more as its name needs, which goes on into
 * them: UMQTT_TOPIC_SIZE(n) in all for a name of n bytes. */
typedef struct umqtt_topic {
    unsigned flags;
    unsigned id; /* 0: none */
    size_t len;  /* of the name */
    char name[sizeof(unsigned)];
} umqtt_topic;
#define UMQTT_TOPIC_SIZE(n) (((n) + offsetof(umqtt_topic, name)) / sizeof(umqtt_topic) + 1U)

/* The bytes that a PUBLISH, a REGISTER and a SUBSCRIBE have besides payload and name, at most. */
#define UMQTT_HEADER_SIZE 9U

/* What a client is. Zero everything first (memset, or = {0}): zero is the default of every field that has one. umqtt_init copies the
 * struct, but what its pointers point to must live as long as the client. */
typedef struct umqtt_config {
    /* Callbacks. write and millis must be there, the others may be null; without read, bytes come by umqtt_receive, and umqtt_wait
     * cannot be used. */
    umqtt_write_fn write;
    umqtt_millis_fn millis;
    umqtt_read_fn read;
    umqtt_message_fn message;
    umqtt_event_fn event;
    umqtt_idle_fn idle;
    void *context; /* handed to each of them */

    /* Buffers. A longer frame than rx can hold is ignored, so say its size in the gateway's configuration: max_frame is rx_size less 4
     * (spec 3.4), and rx_buffer is what the driver's receive buffer holds (spec 6.13). */
    uint8_t *rx;          /* received frames; 16 bytes or more, UMQTT_RX_SIZE(longest body) */
    uint8_t *tx;          /* the payload of the message in flight. May be null if tx_size is 0 */
    umqtt_topic *topics;  /* topic names, ids, filters. May be null if topics_size is 0 */
    size_t rx_size;       /* bytes: 16 or more */
    size_t tx_size;       /* bytes: the longest payload of QoS 1 */
    size_t topics_size;   /* elements: the sum of UMQTT_TOPIC_SIZE. What is not subscribed to, nor needed by a message, gives way to what is new */

    /* The session. */
    const char *client_id;  /* null or "": the gateway has one for this cable (spec 5.2). Else 1 to 23 bytes by the standard, longer is taken */
    uint16_t keepalive;     /* seconds; 0: none, and a dead gateway is noticed only when something needs its answer (spec 6.8) */
    bool clean_session;     /* gateway and broker forget everything at every CONNECT. False: the session goes on */
    bool ask_session;       /* ask whether it went on (spec 6.9): subscriptions are not made again then. False: they are, at every CONNECT */
    const umqtt_will *will; /* null: none, or the one that a kept session has */

    /* The line. */
    const umqtt_predefined *predefined;
    size_t predefined_count;
    uint16_t max_body;     /* longest body that the gateway takes: its max_frame. 0: 2048 */
    uint16_t first_msg_id; /* 0: 1. A board that keeps its session over a reset should not begin anew each time: a random number, or where it was */
    uint32_t baud;         /* bit/s, so that timers start when the last byte has left. 0: when write returns */
} umqtt_config;

/* ---- The client ------------------------------------------------------------------------------------------------- */

typedef enum umqtt_state {
    UMQTT_STATE_OFF = 0,
    UMQTT_STATE_CONNECTING,    /* CONNECT is to be sent or answered */
    UMQTT_STATE_CONNECTED,
    UMQTT_STATE_DISCONNECTING, /* DISCONNECT is to be sent or answered */
    UMQTT_STATE_DOZING,        /* DISCONNECT with Duration is to be sent or answered */
    UMQTT_STATE_ASLEEP,        /* nothing is sent, nothing heard */
    UMQTT_STATE_AWAKE          /* PINGREQ is to be sent or answered */
} umqtt_state;

/* Frames, byte by byte and in place; see umqtt_decode. */
typedef struct umqtt_decoder {
    uint8_t *buffer;
    size_t size;
    size_t len;    /* decoded so far; more than size: too many, the run is no frame */
    unsigned code; /* of the block at hand; 0: none */
    unsigned left; /* of its bytes */
} umqtt_decoder;

/* A retransmission timer as in RFC 6298 (spec 6.11). */
typedef struct umqtt_timer {
    uint32_t srtt;    /* eighths of a millisecond */
    uint32_t rttvar;  /* quarters of a millisecond */
    uint32_t timeout; /* milliseconds */
} umqtt_timer;

/* Something that the gateway has to answer. */
typedef struct umqtt_question {
    uint32_t sent;  /* when it has left */
    unsigned state; /* none, to be sent, to be answered */
    unsigned tries; /* 0 to 3, and then 3 */
} umqtt_question;

/* A client. Its fields are the implementation's: no promise is made of them. Bytes would do for many that are unsigned; but code to get at
 * them is longer. */
typedef struct umqtt_client {
    umqtt_question link;    /* CONNECT, PINGREQ, DISCONNECT */
    umqtt_question request; /* REGISTER, SUBSCRIBE and others about topics and wills */
    umqtt_question tx;      /* the message in config.tx */
    umqtt_timer line;       /* what the gateway answers at once */
    umqtt_timer ack;        /* what waits for the broker */
    unsigned state;         /* a umqtt_state */
    unsigned flags;         /* what is wanted and what waits */
    uint32_t now;
    uint32_t left;       /* milliseconds with nothing to do */
    uint32_t sent;       /* when the last frame has left */
    uint32_t heard;      /* when the gateway said something */
    uint32_t hold;       /* congestion: no message and no REGISTER before */
    uint32_t put_off;    /* congestion: no other request before */
    uint32_t link_first; /* when it was asked first, or anything was heard since */
    unsigned mute;       /* timeouts in a row without a word from the gateway */
    unsigned request_type;
    unsigned request_msg_id;
    unsigned msg_id;    /* used last */
    unsigned nap;       /* seconds of sleep */
    unsigned tx_msg_id; /* 0: none yet */
    unsigned tx_topic_id;
    unsigned tx_flags;
    unsigned tx_refusals;
    unsigned tx_code; /* what became of the message before */
    size_t tx_len;
    size_t topics_used;
    const umqtt_topic *pinned; /* a callback looks at this topic: it stays where it is */
    uint32_t last_ids;  /* the QoS 1 message accepted last in this session, 0: none */
    uint32_t last_crc;
    umqtt_decoder in;
    bool inside; /* in umqtt_receive or umqtt_poll */
    volatile bool writing;
    umqtt_config config;
} umqtt_client;

/* umqtt_poll: there is nothing to wait for but bytes. */
#define UMQTT_FOREVER UINT32_MAX

/*
 * Makes a client, which is off: it sends nothing before umqtt_connect. A client that was in use before is forgotten, with the message that
 * it had.
 *
 * UMQTT_ERR_ARGUMENT: write, millis or rx is null, rx is smaller than 16 bytes, max_body too, or the will has a QoS above 1. UMQTT_ERR_TOPIC: the
 * will's topic has a wildcard. UMQTT_ERR_TOO_LONG: client_id or will do not fit max_body.
 */
umqtt_result umqtt_init(umqtt_client *c, const umqtt_config *config);

/*
 * Connects, and stays connected: CONNECT is sent at the next umqtt_poll, again after 1 s, 2 s, 4 s, 8 s, then every 15 s until the gateway
 * answers, and anew within 1 s whenever the session is lost (spec 6.1, 6.2, 11). UMQTT_EVENT_CONNECTED says that there is a session;
 * UMQTT_EVENT_REFUSED and UMQTT_EVENT_CONGESTED why not. A client that sleeps becomes active. In a client that connects or is connected it
 * does nothing.
 */
umqtt_result umqtt_connect(umqtt_client *c);

/*
 * Ends the session in good order: no will is published (spec 6.10). UMQTT_EVENT_DISCONNECTED follows when the gateway has answered, or after
 * 5 to 7 s; in a client that is off, nothing. A message in flight is kept and sent after the next umqtt_connect.
 */
umqtt_result umqtt_disconnect(umqtt_client *c);

/*
 * Tells the gateway that the board will be silent for seconds, 1 to 65535, at a time (spec 6.17). UMQTT_EVENT_ASLEEP follows, or
 * UMQTT_EVENT_LOST after 5 to 7 s if the gateway does not answer. Asleep, the client sends nothing and looks at nothing; gateway and broker keep
 * session, topic ids and messages. Call umqtt_wake within every such time: the gateway takes the board for lost after one and a half.
 * A board that loses its memory in its sleep begins with umqtt_init and umqtt_connect, with clean_session false.
 * In a client that sleeps it sets another time. What is not acknowledged yet waits for the next umqtt_connect: umqtt_idle says whether there is any.
 *
 * UMQTT_ERR_ARGUMENT: 0 seconds. UMQTT_ERR_STATE: not connected, and not asleep.
 */
umqtt_result umqtt_sleep(umqtt_client *c, uint16_t seconds);

/*
 * Fetches the messages that wait for a board that sleeps. UMQTT_EVENT_ASLEEP follows when it has them all, or when nothing came for 5 to 7 s.
 * While awake only umqtt_disconnect, umqtt_sleep and umqtt_connect are of use: to publish or subscribe, a board connects (spec 6.17).
 *
 * UMQTT_ERR_STATE: not asleep.
 */
umqtt_result umqtt_wake(umqtt_client *c);

/*
 * Publishes a message (spec 6.5).
 *
 * topic      a name without + and #. A name of two bytes, or one of config.predefined, needs no REGISTER.
 * payload    len bytes; null if len is 0. It is copied or sent before umqtt_publish returns.
 * qos        1: kept in config.tx until the gateway has answered; one at a time (MQTT-SN 1.2 section 6.6).
 *            0: sent at once if the topic's id is known; kept in config.tx until it is, if that is free.
 *            -1: sent at once, without a session, in every state (spec 6.16); the topic is predefined or of two bytes.
 * retain     the broker keeps it for those who subscribe later.
 *
 * With QoS 0 and 1 the client must be connecting or connected. What is accepted while it connects, or before the id is known, is sent later.
 *
 * UMQTT_ERR_ARGUMENT: no such QoS, a payload that is null. UMQTT_ERR_TOPIC: topic is null, empty, has a wildcard, or no id (QoS -1).
 * UMQTT_ERR_TOO_LONG: len is above tx_size and it must be kept, message or REGISTER are above max_body, or the topic is longer than the table.
 * UMQTT_ERR_BUSY: config.tx is in use. UMQTT_ERR_NO_ROOM: no room for the topic. UMQTT_ERR_STATE: off, leaving or asleep.
 */
umqtt_result umqtt_publish(umqtt_client *c, const char *topic, const void *payload, size_t len, int qos, bool retain);

/*
 * Asks for the messages that filter matches, with QoS 0 or 1 (spec 6.7). + and # as in MQTT 3.1.1. SUBSCRIBE is sent when it can be, now or when
 * the client is connected, again after a second while the gateway says "congestion" (the broker is away), and anew in every session
 * that has forgotten it. UMQTT_EVENT_SUBSCRIBED says what the gateway answered, each time. A filter may be subscribed to again, with another QoS.
 *
 * UMQTT_ERR_ARGUMENT: no such QoS. UMQTT_ERR_TOPIC: no filter. UMQTT_ERR_TOO_LONG: longer than the table or max_body.
 * UMQTT_ERR_NO_ROOM: the table is full.
 */
umqtt_result umqtt_subscribe(umqtt_client *c, const char *filter, int qos);

/*
 * Takes back umqtt_subscribe, with the same errors. UMQTT_EVENT_UNSUBSCRIBED follows, unless the session ends before and the next one does not know
 * the filter.
 */
umqtt_result umqtt_unsubscribe(umqtt_client *c, const char *filter);

/*
 * Gets an id for a topic before it is needed, and again in every session (spec 6.4); the topic stays in the table. Not necessary: umqtt_publish does
 * it by itself. UMQTT_EVENT_REGISTERED follows. Errors as for umqtt_subscribe; UMQTT_ERR_TOPIC also for a wildcard, and for a topic that needs no
 * id because it is predefined or of two bytes.
 */
umqtt_result umqtt_register(umqtt_client *c, const char *topic);

/*
 * Changes the will, in every state: null, none from the next CONNECT on. In a session, WILLTOPICUPD and WILLMSGUPD tell the gateway (spec 6.18) and
 * UMQTT_EVENT_WILL what it made of them; a will without a topic deletes it. Null tells it nothing before the next CONNECT. Errors as for the will in
 * umqtt_init.
 */
umqtt_result umqtt_set_will(umqtt_client *c, const umqtt_will *will);

/*
 * Asks the gateway what time it is (spec 6.15). The answer is a message, for which umqtt_get_time is made. It is of QoS 0 and may be lost: ask again
 * if there is none in a second. Results are those of umqtt_publish with QoS 0.
 */
umqtt_result umqtt_ask_time(umqtt_client *c);

/*
 * Whether the message is the answer to umqtt_ask_time. If so, seconds since 1970-01-01 00:00:00 UTC, good until 2106, and milliseconds, 0 to 999.
 */
bool umqtt_get_time(const umqtt_message *message, uint32_t *seconds, uint16_t *millis);

/*
 * Writes text to the line, between two frames, where the gateway shows it as the board's console (spec 4.3). Text is UTF-8 and ends at the zero byte;
 * end lines with "\n". It may come from another task or an interrupt if write may: then it never cuts a frame, but a frame may begin in it, which
 * costs that frame, and it is sent again.
 *
 * UMQTT_ERR_ARGUMENT: a null pointer. UMQTT_ERR_BUSY: a frame is being written; nothing was.
 */
umqtt_result umqtt_log(umqtt_client *c, const char *text);

/*
 * Takes in n bytes that were received, cut anywhere. It delivers messages, answers the gateway and raises events. In a callback it does nothing.
 */
void umqtt_receive(umqtt_client *c, const uint8_t *bytes, size_t n);

/*
 * Does what time has come for: reads what there is, if config.read is set, 512 bytes at most; sends, sends again, gives up, raises events.
 *
 * Returns in how many milliseconds it must be called again, 0 for at once, UMQTT_FOREVER if only bytes or another call can make work. The time
 * holds until the next call of any function here. In a callback it returns 0 and does nothing.
 */
uint32_t umqtt_poll(umqtt_client *c);

/* What umqtt_wait waits for. */
typedef enum umqtt_until {
    UMQTT_UNTIL_DISCONNECTED = 0, /* off */
    UMQTT_UNTIL_CONNECTED = 2,    /* REFUSED: CONNACK "not supported" */
    UMQTT_UNTIL_ASLEEP = 5,       /* STATE also if the session was lost on the way */
    UMQTT_UNTIL_PUBLISHED = 7,    /* no message in flight. REFUSED: the last one was dropped */
    UMQTT_UNTIL_IDLE = 8          /* umqtt_idle */
} umqtt_until;

/*
 * Calls umqtt_poll until something is so, for programs that have nothing else to do, such as in Arduino's setup(); config.idle is called in between.
 * At most timeout_ms, which may be 0: then it polls once. Whatever was begun goes on after UMQTT_ERR_TIMEOUT, which says only that it is not so yet.
 *
 * UMQTT_ERR_STATE: the client cannot get there from its state, config.read is null, or called in a callback. UMQTT_ERR_REFUSED: see umqtt_until.
 * UMQTT_ERR_TIMEOUT: not yet.
 */
umqtt_result umqtt_wait(umqtt_client *c, umqtt_until until, uint32_t timeout_ms);

/* Where the client is in its life. */
umqtt_state umqtt_get_state(const umqtt_client *c);

/* Whether there is a session in which the client is active. */
bool umqtt_connected(const umqtt_client *c);

/* Whether umqtt_publish would take a message that has to be kept: config.tx is free. */
bool umqtt_can_publish(const umqtt_client *c);

/* Whether the client is connected and nothing is left to be sent or answered: the moment to sleep. */
bool umqtt_idle(const umqtt_client *c);

/* ---- Frames, for those who need no client ----------------------------------------------------------------------- */

/*
 * CRC-32/ISO-HDLC of n bytes (spec 3.2), continued from the CRC of what comes before, 0 at the beginning. It is the client's, unless UMQTT_CRC32 is
 * defined when the library is compiled: a macro of the same arguments, which UMQTT_CRC32_HEADER declares. On ESP-IDF it is esp_rom_crc32_le.
 */
uint32_t umqtt_crc32(uint32_t crc, const uint8_t *bytes, size_t n);

/*
 * Writes one frame, delimiters included, whose body is head and then rest (spec 3.1). Write gets 32 bytes at a time, the last time fewer. Head and rest
 * may be empty, but not both; together at most 65535 bytes.
 */
void umqtt_write_frame(umqtt_write_fn write, void *context, const uint8_t *head, size_t nhead, const uint8_t *rest, size_t nrest);

/* Makes a decoder with a buffer of body and CRC, UMQTT_RX_SIZE. */
void umqtt_decoder_init(umqtt_decoder *d, uint8_t *buffer, size_t size);

/*
 * Takes in one byte. Returns 0, or the length of the body if the byte ends a frame whose COBS and CRC are good: d->buffer holds it until the next call.
 * Whether the body is a message is another question.
 */
size_t umqtt_decode(umqtt_decoder *d, uint8_t byte);

#ifdef __cplusplus
}
#endif

#endif
