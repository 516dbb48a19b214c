/*
 * What the .c files of umqtt_serial share. Not for programs.
 */
#ifndef UMQTT_WIRE_H
#define UMQTT_WIRE_H

#include "umqtt_serial.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All that is asked of the C library, declared here because compilers for small targets come without <string.h>. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
size_t strlen(const char *text);

/* ---- Messages (spec 5) ---- */

/* Message types, those that a board sends or receives (spec 5.6). The answer to a request is the next number. */
#define UMQTT_CONNECT 0x04U
#define UMQTT_CONNACK 0x05U
#define UMQTT_WILLTOPICREQ 0x06U
#define UMQTT_WILLTOPIC 0x07U
#define UMQTT_WILLMSGREQ 0x08U
#define UMQTT_WILLMSG 0x09U
#define UMQTT_REGISTER 0x0AU
#define UMQTT_REGACK 0x0BU
#define UMQTT_PUBLISH 0x0CU
#define UMQTT_PUBACK 0x0DU
#define UMQTT_SUBSCRIBE 0x12U
#define UMQTT_SUBACK 0x13U
#define UMQTT_UNSUBSCRIBE 0x14U
#define UMQTT_UNSUBACK 0x15U
#define UMQTT_PINGREQ 0x16U
#define UMQTT_PINGRESP 0x17U
#define UMQTT_DISCONNECT 0x18U
#define UMQTT_WILLTOPICUPD 0x1AU
#define UMQTT_WILLTOPICRESP 0x1BU
#define UMQTT_WILLMSGUPD 0x1CU
#define UMQTT_WILLMSGRESP 0x1DU

/* Flags (spec 5.3). */
#define UMQTT_FLAG_DUP 0x80U
#define UMQTT_FLAG_QOS 0x60U
#define UMQTT_FLAG_QOS1 0x20U
#define UMQTT_FLAG_QOS_NONE 0x60U /* -1 */
#define UMQTT_FLAG_RETAIN 0x10U
#define UMQTT_FLAG_WILL 0x08U
#define UMQTT_FLAG_CLEAN 0x04U
#define UMQTT_FLAG_SESSION 0x20U /* in CONNECT (spec 6.9) */
#define UMQTT_FLAG_ID_TYPE 0x03U

/* TopicIdType (spec 5.4). */
#define UMQTT_ID_NORMAL 0U
#define UMQTT_ID_PREDEFINED 1U
#define UMQTT_ID_SHORT 2U

/* The longest start of a message: a Length of three bytes, MsgType and six bytes of fields. */
#define UMQTT_MAX_HEAD 10U

/*
 * A message. Fields that its type does not have are zero. ids are the two numbers that stand together in most messages, TopicId in the upper
 * half and MsgId in the lower. SUBSCRIBE, UNSUBSCRIBE and UNSUBACK have MsgId alone; of CONNECT it is ProtocolId and Duration.
 */
typedef struct umqtt_packet {
    unsigned type;
    unsigned flags;
    unsigned code;
    uint32_t ids;
    const uint8_t *rest; /* TopicName, Data or, of CONNACK, Session; points into the body */
    size_t rest_len;
} umqtt_packet;

#define UMQTT_IDS(topic_id, msg_id) (((uint32_t)(topic_id) << 16) | (uint32_t)(msg_id))
#define UMQTT_TOPIC_ID(ids) ((unsigned)((ids) >> 16))
#define UMQTT_MSG_ID(ids) ((unsigned)((ids)&0xFFFFU))

/* Takes a body of len bytes, 1 or more, apart. False: it is malformed, or no message that a gateway sends to a board that is no forwarder and does
 * not search. */
bool umqtt_parse(umqtt_packet *p, const uint8_t *body, size_t len);

/* Puts the start of a message into head: Length, MsgType and the fields that its type has; flags is ReturnCode for those that have one. nrest bytes
 * follow, so many that the message is no longer than 65535 bytes. Returns how long the start is. */
size_t umqtt_head(uint8_t *head, unsigned type, unsigned flags, uint32_t ids, size_t nrest);

/* ---- Topics ---- */

/*
 * Topics are packed into config.topics. A name begins in an element, goes on in the next ones and ends with a zero byte. A topic moves when another before
 * it is taken out, which only umqtt_topic_add does; so whoever remembers one does it by a flag.
 */
#define UMQTT_TOPIC_QOS1 0x01U   /* the filter's QoS */
#define UMQTT_TOPIC_WANTED 0x02U /* a filter that the program subscribes to */
#define UMQTT_TOPIC_TODO 0x04U   /* to SUBSCRIBE if wanted, to UNSUBSCRIBE if not */
#define UMQTT_TOPIC_ASKED 0x08U  /* the open request is about it */
#define UMQTT_TOPIC_TX 0x10U     /* the message in config.tx is for it */
#define UMQTT_TOPIC_KEEP 0x20U   /* umqtt_register */

#define umqtt_topic_name(t) ((const char *)(t) + offsetof(umqtt_topic, name))

/* The topic behind t, or the first with null; null if there is none. */
umqtt_topic *umqtt_topic_next(const umqtt_client *c, const umqtt_topic *t);

/* The first topic that has any of the flags, or that id, or that name; what is 0 or null is not looked for. Null if there is none. */
umqtt_topic *umqtt_topic_find(const umqtt_client *c, unsigned flags, unsigned id, const uint8_t *name, size_t len);
umqtt_topic *umqtt_topic_flagged(const umqtt_client *c, unsigned flags);

/* The topic with that name, new if need be; null if there is no room. Makes room by taking out what nobody needs, oldest first. */
umqtt_topic *umqtt_topic_add(umqtt_client *c, const uint8_t *name, size_t len);

/* Notes the id of a topic; another that had it forgets it. False: no gateway may give that id (spec 5.4). */
bool umqtt_topic_learn(umqtt_client *c, umqtt_topic *t, unsigned id);

/* Whether a name may be published to, or, with wildcards, subscribed to (MQTT 3.1.1 section 4.7): + and # stand alone in their level, # in the last. */
bool umqtt_topic_valid(const uint8_t *name, size_t len, bool wildcards);

/* How messages say a topic: TopicIdType; id is that of a predefined or short topic, else 0. A filter with wildcards is normal. */
unsigned umqtt_topic_kind(const umqtt_client *c, const uint8_t *name, size_t len, unsigned *id);

/* strlen; 0 of null. */
size_t umqtt_text_len(const char *text);

/* ---- The client's parts ---- */

/* Milliseconds (spec 10, 6.11). */
#define UMQTT_FIRST_TIMEOUT 1000U
#define UMQTT_MIN_TIMEOUT 25U
#define UMQTT_MAX_TIMEOUT 15000U
#define UMQTT_CONGESTION_WAIT 1000U
#define UMQTT_CONNECT_PAUSE 250U   /* between what was sent last and CONNECT, however often the gateway says DISCONNECT */
#define UMQTT_PROBE_PATIENCE 5000U /* PINGREQ or DISCONNECT goes unanswered so long, and UMQTT_TRIES times */
#define UMQTT_PROBE_MAX_WAIT 2000U /* between two of them */

#define UMQTT_TRIES 3U        /* tries are counted so far */
#define UMQTT_MAX_REFUSALS 5U /* "invalid topic ID" so often, and the message is dropped */

/* umqtt_client.flags */
#define UMQTT_HOLDING 0x01U         /* until hold */
#define UMQTT_PUTTING_OFF 0x02U     /* until put_off */
#define UMQTT_WANT_WILL_TOPIC 0x04U /* WILLTOPICUPD is to be sent */
#define UMQTT_WANT_WILL_MSG 0x08U   /* WILLMSGUPD is to be sent */
#define UMQTT_WANT_WILL (UMQTT_WANT_WILL_TOPIC | UMQTT_WANT_WILL_MSG)
#define UMQTT_WAS_REFUSED 0x10U /* CONNACK said "not supported" */

/* umqtt_question.state */
#define UMQTT_NONE 0U
#define UMQTT_DUE 1U /* to be sent */
#define UMQTT_OUT 2U /* to be answered */

uint32_t umqtt_now(const umqtt_client *c);

/* How long it is until t; 0 if t has come. */
uint32_t umqtt_until_time(uint32_t now, uint32_t t);

void umqtt_timer_reset(umqtt_timer *t);

/* An answer to q: its round trip counts if it was asked once (Karn). */
void umqtt_timer_sample(const umqtt_client *c, umqtt_timer *t, const umqtt_question *q);

/* Asks something for the first time. */
void umqtt_ask(umqtt_question *q);

/* Sends a message, and notes in c->sent when it will have left. */
void umqtt_send(umqtt_client *c, unsigned type, unsigned flags, uint32_t ids, const void *rest, size_t nrest);

/* WILLTOPIC, WILLMSG and their updates. */
void umqtt_send_will(umqtt_client *c, unsigned type);

/* What is to be asked next, a MsgType; 0: nothing, or not yet. t is the topic that it is about. */
unsigned umqtt_wish(const umqtt_client *c, umqtt_topic **t);

/* Sends what can be sent now: a request, and the message in config.tx. True: something was. */
bool umqtt_pump(umqtt_client *c);

/* The timer of the open request. */
umqtt_timer *umqtt_request_timer(umqtt_client *c);

/* The open request is answered, or its wish comes back to be asked again. */
void umqtt_close_request(umqtt_client *c, bool again);

/* The message in config.tx is done with: why, as a return code. */
void umqtt_free_tx(umqtt_client *c, unsigned code);

/* Another state, of which the program is told. */
void umqtt_become(umqtt_client *c, umqtt_state state, umqtt_event_type type, unsigned code);

/* The link is over: the gateway said DISCONNECT, or nothing. */
void umqtt_ended(umqtt_client *c, umqtt_reason reason);

/* CONNECT is sent in so many milliseconds, then again after 1 s, 2 s, 4 s... */
void umqtt_connect_in(umqtt_client *c, uint32_t ms);

/* PINGREQ, or DISCONNECT, whatever the state demands. */
void umqtt_probe(umqtt_client *c);

#ifdef __cplusplus
}
#endif

#endif
