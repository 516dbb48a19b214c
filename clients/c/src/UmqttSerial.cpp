/* Nothing for those who compile all that is in this folder without Arduino. */
#if defined(ARDUINO)

#include "UmqttSerial.h"

#include <string.h>

UmqttSerialBase::UmqttSerialBase(Stream &port)
    : _port(port), _client(), _config(), _will(), _routes(nullptr), _routesSize(0), _begun(false), _error(UMQTT_OK), _timeout(5000), _seconds(0),
      _secondsAt(0), _other(nullptr), _event(nullptr), _onTime(nullptr), _takeTime(nullptr) {
  _config.write = writeTo;
  _config.read = readFrom;
  _config.millis = now;
  _config.idle = idle;
  _config.message = message;
  _config.event = event;
  _config.context = this;
  _config.keepalive = 60;
}

void UmqttSerialBase::use(const Buffers &buffers) {
  _config.rx = buffers.rx;
  _config.tx = buffers.tx;
  _config.topics = buffers.topics;
  _config.rx_size = buffers.rxSize;
  _config.tx_size = buffers.txSize;
  _config.topics_size = buffers.topicsSize;
  _routes = buffers.routes;
  _routesSize = buffers.routesSize;
  for (uint8_t i = 0; i < _routesSize; i++) {
    _routes[i].filter = nullptr;
  }
}

void UmqttSerialBase::setPredefined(const umqtt_predefined *table, size_t count) {
  _config.predefined = table;
  _config.predefined_count = count;
}

bool UmqttSerialBase::result(umqtt_result r) {
  if (r != UMQTT_OK) {
    _error = r;
  }
  return r == UMQTT_OK;
}

bool UmqttSerialBase::begin(const char *clientId) {
  _config.client_id = clientId;
  if (!result(umqtt_init(&_client, &_config))) {
    return false;
  }
  _begun = true;
  for (uint8_t i = 0; i < _routesSize; i++) {
    if (_routes[i].filter != nullptr && !result(umqtt_subscribe(&_client, _routes[i].filter, _routes[i].qos))) {
      return false;
    }
  }
  return connect();
}

bool UmqttSerialBase::connect() {
  return ready() && result(umqtt_connect(&_client));
}

/* Before begin() there is no client. */
bool UmqttSerialBase::ready() {
  return _begun || result(UMQTT_ERR_STATE);
}

bool UmqttSerialBase::loop() {
  if (_begun) {
    (void)umqtt_poll(&_client);
  }
  return connected();
}

bool UmqttSerialBase::wait(umqtt_until until, uint32_t milliseconds) {
  return ready() && result(umqtt_wait(&_client, until, milliseconds));
}

bool UmqttSerialBase::waitConnected(uint32_t milliseconds) {
  return wait(UMQTT_UNTIL_CONNECTED, milliseconds);
}

bool UmqttSerialBase::waitPublished(uint32_t milliseconds) {
  return wait(UMQTT_UNTIL_IDLE, milliseconds);
}

bool UmqttSerialBase::disconnect() {
  return ready() && result(umqtt_disconnect(&_client)) && wait(UMQTT_UNTIL_DISCONNECTED, 2000);
}

bool UmqttSerialBase::publish(const char *topic, const char *payload, bool retain, int qos) {
  return publish(topic, reinterpret_cast<const uint8_t *>(payload), payload == nullptr ? 0 : strlen(payload), retain, qos);
}

bool UmqttSerialBase::publish(const char *topic, const uint8_t *payload, size_t length, bool retain, int qos) {
  if (!ready()) {
    return false;
  }
  umqtt_result taken = umqtt_publish(&_client, topic, payload, length, qos, retain);
  if (taken == UMQTT_ERR_BUSY) {
    /* What became of the message before, PUBLISHED or DROPPED, is for onEvent(): either way there is room for this one. A handler cannot wait. */
    (void)umqtt_wait(&_client, UMQTT_UNTIL_PUBLISHED, _timeout);
    taken = umqtt_publish(&_client, topic, payload, length, qos, retain);
  }
  return result(taken);
}

bool UmqttSerialBase::subscribe(const char *filter, UmqttHandler handler, int qos) {
  Route *free = nullptr;
  if (filter == nullptr) {
    return result(UMQTT_ERR_TOPIC);
  }
  for (uint8_t i = _routesSize; i-- > 0;) {
    if (_routes[i].filter == nullptr) {
      free = &_routes[i];
    }
  }
  for (uint8_t i = 0; i < _routesSize; i++) {
    if (_routes[i].filter != nullptr && strcmp(_routes[i].filter, filter) == 0) {
      free = &_routes[i];
    }
  }
  if (free == nullptr) {
    return result(UMQTT_ERR_NO_ROOM);
  }
  if (qos < 0 || qos > 1) {
    return result(UMQTT_ERR_ARGUMENT);
  }
  if (_begun && !result(umqtt_subscribe(&_client, filter, qos))) {
    return false;
  }
  free->filter = filter;
  free->handler = handler;
  free->qos = static_cast<int8_t>(qos);
  return true;
}

bool UmqttSerialBase::unsubscribe(const char *filter) {
  if (filter == nullptr) {
    return result(UMQTT_ERR_TOPIC);
  }
  if (_begun && !result(umqtt_unsubscribe(&_client, filter))) {
    return false;
  }
  for (uint8_t i = 0; i < _routesSize; i++) {
    if (_routes[i].filter != nullptr && strcmp(_routes[i].filter, filter) == 0) {
      _routes[i].filter = nullptr;
    }
  }
  return true;
}

bool UmqttSerialBase::setWill(const char *topic, const char *payload, bool retain, uint8_t qos) {
  _will.topic = topic;
  _will.payload = reinterpret_cast<const uint8_t *>(payload);
  _will.payload_len = payload == nullptr ? 0 : strlen(payload);
  _will.qos = qos;
  _will.retain = retain;
  _config.will = &_will;
  return !_begun || result(umqtt_set_will(&_client, &_will));
}

bool UmqttSerialBase::sleep(uint16_t seconds) {
  return wait(UMQTT_UNTIL_IDLE, _timeout) && result(umqtt_sleep(&_client, seconds)) && wait(UMQTT_UNTIL_ASLEEP, 2 * _timeout);
}

bool UmqttSerialBase::wake() {
  return ready() && result(umqtt_wake(&_client)) && wait(UMQTT_UNTIL_ASLEEP, 2 * _timeout);
}

bool UmqttSerialBase::askTime() {
  _takeTime = takeTime;
  return ready() && result(umqtt_ask_time(&_client));
}

uint32_t UmqttSerialBase::time() const {
  return _seconds == 0 ? 0 : _seconds + (static_cast<uint32_t>(millis()) - _secondsAt) / 1000;
}

bool UmqttSerialBase::log(const char *text) {
  return ready() && result(umqtt_log(&_client, text));
}

/* + is any one level, # any number of them at the end; a topic that begins with $ is matched by neither at its beginning. */
bool UmqttSerialBase::matches(const char *filter, const char *topic) {
  if (topic[0] == '$' && filter[0] != '$') {
    return false;
  }
  for (;;) {
    if (*filter == '#') {
      return true;
    }
    if (*filter == '+') {
      filter++;
      while (*topic != '\0' && *topic != '/') {
        topic++;
      }
    }
    if (*topic == '\0') {
      return *filter == '\0' || strcmp(filter, "/#") == 0;
    }
    if (*filter == '+' || *filter != *topic) {
      return false;
    }
    filter++;
    topic++;
  }
}

/* Hands a message to its handler, with a zero byte behind the payload: the CRC stood there, and is put back. */
void UmqttSerialBase::deliver(const umqtt_message &m) {
  UmqttHandler handler = _other;
  if (_takeTime != nullptr && _takeTime(*this, m)) {
    return;
  }
  for (uint8_t i = 0; i < _routesSize; i++) {
    if (_routes[i].filter != nullptr && _routes[i].handler != nullptr && matches(_routes[i].filter, m.topic)) {
      handler = _routes[i].handler;
      break;
    }
  }
  if (handler == nullptr) {
    return;
  }
  if (m.payload_len == 0) {
    handler(m.topic, "", 0);
    return;
  }
  uint8_t *end = _config.rx + (m.payload - _config.rx) + m.payload_len;
  uint8_t behind = *end;
  *end = 0;
  handler(m.topic, reinterpret_cast<const char *>(m.payload), m.payload_len);
  *end = behind;
}

bool UmqttSerialBase::takeTime(UmqttSerialBase &self, const umqtt_message &m) {
  uint32_t seconds;
  uint16_t ms;
  if (!umqtt_get_time(&m, &seconds, &ms)) {
    return false;
  }
  self._seconds = seconds;
  self._secondsAt = static_cast<uint32_t>(millis()) - ms;
  if (self._onTime != nullptr) {
    self._onTime(seconds, ms);
  }
  return true;
}

/* ---- Callbacks of the client ---- */

void UmqttSerialBase::writeTo(void *self, const uint8_t *bytes, size_t n) {
  (void)static_cast<UmqttSerialBase *>(self)->_port.write(bytes, n);
}

size_t UmqttSerialBase::readFrom(void *self, uint8_t *bytes, size_t n) {
  Stream &port = static_cast<UmqttSerialBase *>(self)->_port;
  size_t got = 0;
  while (got < n && port.available() > 0) {
    int byte = port.read();
    if (byte < 0) {
      break;
    }
    bytes[got++] = static_cast<uint8_t>(byte);
  }
  return got;
}

uint32_t UmqttSerialBase::now(void *) {
  return static_cast<uint32_t>(millis());
}

/* A millisecond at most, since bytes may arrive. delay() lets an ESP's other tasks run. */
void UmqttSerialBase::idle(void *self, uint32_t) {
  if (static_cast<UmqttSerialBase *>(self)->_port.available() <= 0) {
    delay(1);
  }
}

void UmqttSerialBase::message(void *self, const umqtt_message *message) {
  static_cast<UmqttSerialBase *>(self)->deliver(*message);
}

void UmqttSerialBase::event(void *self, const umqtt_event *event) {
  UmqttSerialBase *base = static_cast<UmqttSerialBase *>(self);
  if (base->_event != nullptr) {
    base->_event(*event);
  }
}

#endif
