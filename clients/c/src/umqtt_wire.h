/*
 * What the .c files of umqtt_serial share: messages (spec 5) and the table of topics. Not for programs.
 */
#ifndef UMQTT_WIRE_H
#define UMQTT_WIRE_H

#include "umqtt_serial.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Message types (spec 5.6), those that a board sends or receives. */
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

/* A message of the gateway. Fields that its type does not have are zero. */
typedef struct umqtt_packet {
    uint8_t type;
    uint8_t flags;
    uint8_t code;
    umqtt_session session; /* of CONNACK */
    uint16_t topic_id;
    uint16_t msg_id;
    const uint8_t *rest; /* TopicName or Data; points into the body */
    uint16_t rest_len;
} umqtt_packet;

/* Takes a body apart. False: it is malformed, or no message that a gateway sends to a board that is no forwarder and does not search. */
bool umqtt_parse(umqtt_packet *p, const uint8_t *body, uint16_t len);

/* Puts the start of a message into head: Length, MsgType, its nfields fields, six at most; nrest bytes follow. Returns how long the start is, or 0
 * if the message is longer than 65535 bytes. */
uint8_t umqtt_head(uint8_t head[UMQTT_MAX_HEAD], uint8_t type, const uint8_t *fields, uint8_t nfields, uint16_t nrest);

/* Numbers in messages are big-endian (spec, at its top). */
uint16_t umqtt_get16(const uint8_t *p);
void umqtt_put16(uint8_t *p, uint16_t v);

/*
 * Topics are packed into config.topics: flags, id, length of the name, name, zero byte. A topic is known by its place, which moves when one before it
 * is taken out; so whoever remembers one does it by a flag.
 */
#define UMQTT_TOPIC_QOS1 0x01U   /* the filter's QoS */
#define UMQTT_TOPIC_WANTED 0x02U /* a filter that the program subscribes to */
#define UMQTT_TOPIC_TODO 0x04U   /* to SUBSCRIBE if wanted, to UNSUBSCRIBE if not */
#define UMQTT_TOPIC_ASKED 0x08U  /* the open request is about it */
#define UMQTT_TOPIC_TX 0x10U     /* the message in config.tx is for it */
#define UMQTT_TOPIC_KEEP 0x20U   /* umqtt_register */
#define UMQTT_TOPIC_TIME 0x40U   /* umqtt_ask_time */

#define UMQTT_NO_TOPIC UINT16_MAX

/* The place of the topic after the one at, or the first with at = UMQTT_NO_TOPIC; UMQTT_NO_TOPIC if there is none. */
uint16_t umqtt_topic_next(const umqtt_client *c, uint16_t at);

/* The first topic that has any of the flags, that id, or that name; UMQTT_NO_TOPIC if there is none. */
uint16_t umqtt_topic_flagged(const umqtt_client *c, uint8_t flags);
uint16_t umqtt_topic_by_id(const umqtt_client *c, uint16_t id);
uint16_t umqtt_topic_by_name(const umqtt_client *c, const uint8_t *name, uint16_t len);

/* The topic with that name, new if need be; UMQTT_NO_TOPIC if there is no room. Makes room by taking out what nobody needs, oldest first. */
uint16_t umqtt_topic_add(umqtt_client *c, const uint8_t *name, uint16_t len);

uint8_t umqtt_topic_flags(const umqtt_client *c, uint16_t at);
void umqtt_topic_set(umqtt_client *c, uint16_t at, uint8_t flags);
void umqtt_topic_clear(umqtt_client *c, uint16_t at, uint8_t flags);
uint16_t umqtt_topic_id(const umqtt_client *c, uint16_t at);

/* Notes the id of a topic; another that had it forgets it. 0: forgets. */
void umqtt_topic_learn(umqtt_client *c, uint16_t at, uint16_t id);

/* The name, followed by a zero byte. */
const char *umqtt_topic_name(const umqtt_client *c, uint16_t at);
uint16_t umqtt_topic_len(const umqtt_client *c, uint16_t at);

/* Whether a name may be published to, or, with wildcards, subscribed to (MQTT 3.1.1 section 4.7): + and # stand alone in their level, # in the last. */
bool umqtt_topic_valid(const uint8_t *name, uint16_t len, bool wildcards);

/* How messages say a topic: TopicIdType; the id is that of a predefined or short topic. A filter that has wildcards is normal. */
uint8_t umqtt_topic_kind(const umqtt_client *c, const uint8_t *name, uint16_t len, uint16_t *id);

/* The name of the predefined topic with that id, or null. */
const char *umqtt_topic_predefined(const umqtt_client *c, uint16_t id);

/* Whether a gateway may give that id (spec 5.4). */
bool umqtt_topic_assignable(uint16_t id);

/* The length of text, or UMQTT_NO_TOPIC if that is more than a message can hold. 0 of null. */
uint16_t umqtt_text_len(const char *text);

#ifdef __cplusplus
}
#endif

#endif
