/*
 * UmqttSerial: MQTT for Arduino boards on a serial cable. It wraps umqtt_serial.h, which says how it works; README.md says how to wire it.
 *
 *     UmqttSerial mqtt(Serial1);
 *
 *     void onCommand(const char *topic, const char *payload, size_t length) { ... }
 *
 *     void setup() {
 *       Serial1.begin(115200);
 *       mqtt.subscribe("m5/cmd/#", onCommand);
 *       mqtt.begin("m5");
 *     }
 *
 *     void loop() {
 *       mqtt.loop();
 *       ...
 *       mqtt.publish("m5/temperature", "21.5");
 *     }
 *
 * There is no server, no password and no TLS here: they stand in the gateway's configuration. Texts that are handed over (client id, filters, will) are
 * not copied, but for topics and payloads of messages: they must stay as they are. String literals do.
 *
 * loop() is to be called often. While loop() is not called, bytes wait in the buffer of the serial port: 64 on an Arduino Mega, 256 on an ESP32. Tell the gateway
 * with rx_buffer, a few less than the buffer holds.
 */
#ifndef UMQTTSERIAL_H
#define UMQTTSERIAL_H

#include <Arduino.h>

#include "umqtt_serial.h"

/* A message of the broker. Topic and payload are followed by a zero byte, and gone when the handler returns. A payload may hold zero bytes of its own. */
typedef void (*UmqttHandler)(const char *topic, const char *payload, size_t length);

/* Something that happened; see umqtt_event. */
typedef void (*UmqttEventHandler)(const umqtt_event &event);

/* The gateway's clock: seconds since 1970-01-01 00:00:00 UTC, and milliseconds, 0 to 999. */
typedef void (*UmqttTimeHandler)(uint32_t seconds, uint16_t milliseconds);

/* A client whose buffers are somebody else's: UmqttSerialSized's, or those of a program that wants to place them itself. */
class UmqttSerialBase {
public:
  /* A subscription. */
  struct Route {
    const char *filter; /* null: free */
    UmqttHandler handler;
    int8_t qos;
  };

  /* Where a client keeps things. */
  struct Buffers {
    uint8_t *rx;         /* received frames: UMQTT_RX_SIZE(longest body) */
    uint8_t *tx;         /* the message in flight */
    umqtt_topic *topics; /* names, ids, filters */
    Route *routes;
    size_t rxSize;     /* bytes */
    size_t txSize;     /* bytes */
    size_t topicsSize; /* elements, UMQTT_TOPIC_SIZE(length) for each topic */
    uint8_t routesSize;
  };

  /* A client at a serial port, which the sketch opens with its own begin(). */
  explicit UmqttSerialBase(Stream &port);
  /* To be called first. */
  void use(const Buffers &buffers);

  /* ---- Before begin() ---- */

  /* A board that is silent for so many seconds and a half is lost. 0: never. Unless set: 60. */
  void setKeepAlive(uint16_t seconds) { _config.keepalive = seconds; }
  /* True: gateway and broker forget subscriptions and waiting messages at each connection. Unless set: false. */
  void setCleanSession(bool clean) { _config.clean_session = clean; }
  /* Topics whose ids stand in the gateway's configuration. */
  void setPredefined(const umqtt_predefined *table, size_t count);
  /* The longest frame body that the gateway takes, its max_frame. Unless set: 2048. */
  void setMaxBody(uint16_t bytes) { _config.max_body = bytes; }
  /* The line's speed, so that waiting begins when the last byte has left. */
  void setBaud(uint32_t baud) { _config.baud = baud; }
  /* Where message ids begin: something else after each reset, if the session is kept. */
  void setFirstMessageId(uint16_t id) { _config.first_msg_id = id; }

  /* ---- Life ---- */

  /* Begins to connect, and keeps connecting. Without a client id the gateway has one for the cable. False: see lastError(). */
  bool begin(const char *clientId = nullptr);
  /* Does what there is to do. Returns connected(). */
  bool loop();
  /* Waits until the client is connected. False after so many milliseconds, or if the gateway refuses; connecting goes on. */
  bool waitConnected(uint32_t milliseconds);
  bool connected() const { return _begun && umqtt_connected(&_client); }
  umqtt_state state() const { return umqtt_get_state(&_client); }
  /* Ends the session in good order; no will is published. connect() begins another. Waits 2 s at most. */
  bool disconnect();
  bool connect();

  /* ---- Messages ---- */

  /*
   * Publishes. With QoS 1, which is the default, the message is kept and sent again until the gateway has it, whatever happens to cable, gateway and
   * broker. Only one is on its way at a time: publish() waits for the one before, setTimeout() milliseconds at most. In a handler it does not wait.
   * False: the message was not taken, see lastError().
   */
  bool publish(const char *topic, const char *payload, bool retain = false, int qos = 1);
  bool publish(const char *topic, const uint8_t *payload, size_t length, bool retain = false, int qos = 1);
  /* Whether publish() would not wait. */
  bool canPublish() const { return _begun && umqtt_can_publish(&_client); }
  /* Waits until nothing is left to be sent or answered. False after so many milliseconds. */
  bool waitPublished(uint32_t milliseconds);

  /* Subscribes, now and in every session to come, before or after begin(). A handler gets the messages that its filter matches; the first handler that does. */
  bool subscribe(const char *filter, UmqttHandler handler, int qos = 1);
  /* Subscribes for onMessage(). */
  bool subscribe(const char *filter, int qos = 1) { return subscribe(filter, nullptr, qos); }
  bool unsubscribe(const char *filter);
  /* Gets the messages that no other handler gets. */
  void onMessage(UmqttHandler handler) { _other = handler; }
  /* Gets told what happens. */
  void onEvent(UmqttEventHandler handler) { _event = handler; }

  /* What the broker publishes when the board is gone without disconnect(). Null for the topic: nothing. */
  bool setWill(const char *topic, const char *payload, bool retain = false, uint8_t qos = 0);

  /* ---- Sleep ---- */

  /* Says that the board will be silent for so many seconds at a time, and waits until that is agreed. Then it may cut its own power; afterwards begin() or wake(). */
  bool sleep(uint16_t seconds);
  /* Fetches what waits for a board that sleeps, and sleeps on. */
  bool wake();

  /* ---- The rest ---- */

  /* Asks for the time: onTime() when the gateway has said it, and time() from then on. Answers may be lost: ask again if there is none in a second. */
  bool askTime();
  /* Gets the time when the gateway has said it: the moment to set a clock. */
  void onTime(UmqttTimeHandler handler) { _onTime = handler; }
  /* Seconds since 1970, if the gateway has said; else 0. It goes on by millis(), which begins anew after 49 days: ask more often than that. */
  uint32_t time() const;
  /* Writes text to the gateway's console. End lines with \n. */
  bool log(const char *text);
  /* How long calls wait that wait. Unless set: 5000 ms. */
  void setTimeout(uint32_t milliseconds) { _timeout = milliseconds; }
  /* What the last call that returned false found wrong. */
  umqtt_result lastError() const { return _error; }
  /* The client itself. */
  umqtt_client *client() { return &_client; }

  /* Whether a filter matches a topic, as in MQTT 3.1.1. */
  static bool matches(const char *filter, const char *topic);

private:
  UmqttSerialBase(const UmqttSerialBase &);
  UmqttSerialBase &operator=(const UmqttSerialBase &);

  bool result(umqtt_result r);
  bool ready();
  bool wait(umqtt_until until, uint32_t milliseconds);
  void deliver(const umqtt_message &message);
  static bool takeTime(UmqttSerialBase &self, const umqtt_message &message);

  static void writeTo(void *self, const uint8_t *bytes, size_t n);
  static size_t readFrom(void *self, uint8_t *bytes, size_t n);
  static uint32_t now(void *self);
  static void idle(void *self, uint32_t ms);
  static void message(void *self, const umqtt_message *message);
  static void event(void *self, const umqtt_event *event);

  Stream &_port;
  umqtt_client _client;
  umqtt_config _config;
  umqtt_will _will;
  Route *_routes;
  uint8_t _routesSize;
  bool _begun;
  umqtt_result _error;
  uint32_t _timeout;
  uint32_t _seconds;   /* at _secondsAt */
  uint32_t _secondsAt; /* millis() */
  UmqttHandler _other;
  UmqttEventHandler _event;
  UmqttTimeHandler _onTime;
  bool (*_takeTime)(UmqttSerialBase &self, const umqtt_message &message); /* null until askTime(): a sketch that has no need of it does not have it */
};

/*
 * A client with buffers of its own.
 *
 * Body     longest message from the gateway, header included: say it there as max_frame, which is 64 at least
 * Payload  longest payload of a QoS 1 message to the gateway
 * Topics   bytes for topic names and filters: its length and up to 28 more for each, on AVR up to 14
 * Filters  how many subscriptions
 */
template <uint16_t Body, uint16_t Payload, uint16_t Topics, uint8_t Filters>
class UmqttSerialSized : public UmqttSerialBase {
public:
  explicit UmqttSerialSized(Stream &port) : UmqttSerialBase(port) {
    Buffers b;
    b.rx = _rx;
    b.tx = _tx;
    b.topics = _topics;
    b.routes = _routes;
    b.rxSize = sizeof _rx;
    b.txSize = sizeof _tx;
    b.topicsSize = sizeof _topics / sizeof _topics[0];
    b.routesSize = Filters;
    use(b);
  }

private:
  uint8_t _rx[UMQTT_RX_SIZE(Body)];
  uint8_t _tx[Payload];
  umqtt_topic _topics[Topics / sizeof(umqtt_topic)];
  Route _routes[Filters];
};

#if defined(__AVR__)
typedef UmqttSerialSized<128, 64, 160, 4> UmqttSerial;
#else
typedef UmqttSerialSized<1024, 512, 1024, 16> UmqttSerial;
#endif

#endif
