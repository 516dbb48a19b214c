/* Runs UmqttSerial on the host, without a gateway: what can be judged of it alone. It prints what is wrong, and ends with 1 then. */
#include <UmqttSerial.h>

static int faults;

static void want(bool holds, const char *what) {
  if (!holds) {
    printf("%s\n", what);
    faults++;
  }
}

/* ---- Of Arduino ---- */

static unsigned long milliseconds;
static uint8_t incoming[256];
static size_t incomingAt, incomingEnd;
static size_t sent;

unsigned long millis() { return milliseconds; }
void delay(unsigned long ms) { milliseconds += ms; }
void HardwareSerial::begin(unsigned long) {}
size_t HardwareSerial::write(uint8_t) { return sent++, 1; }
size_t HardwareSerial::write(const uint8_t *, size_t n) { return sent += n, n; }
int HardwareSerial::available() { return static_cast<int>(incomingEnd - incomingAt); }
int HardwareSerial::read() { return incomingAt < incomingEnd ? incoming[incomingAt++] : -1; }
int HardwareSerial::peek() { return incomingAt < incomingEnd ? incoming[incomingAt] : -1; }
HardwareSerial Serial1;

/* ---- The gateway's part ---- */

static void put(void *, const uint8_t *bytes, size_t n) {
  memcpy(incoming + incomingEnd, bytes, n);
  incomingEnd += n;
}

static void receive(const char *body, size_t n) {
  umqtt_write_frame(put, nullptr, reinterpret_cast<const uint8_t *>(body), n, nullptr, 0);
}

/* ---- What it must do ---- */

static void matching() {
  static const struct {
    const char *filter, *topic;
    bool matches;
  } table[] = {
      {"a/b", "a/b", true},     {"a/b", "a/b/c", false},   {"a/b/c", "a/b", false},    {"a/+", "a/b", true},       {"a/+", "a", false},
      {"a/+", "a/b/c", false},  {"a/+/c", "a/b/c", true},  {"a/+/c", "a/b/d", false},  {"+", "a", true},           {"+", "a/b", false},
      {"+/+", "/a", true},      {"/+", "/a", true},        {"+", "/a", false},         {"#", "a/b/c", true},       {"a/#", "a", true},
      {"a/#", "a/b/c", true},   {"a/#", "ab", false},      {"+/#", "a", true},         {"+/b/#", "a/b", true},     {"a/+/#", "a/b/c/d", true},
      {"#", "$SYS/x", false},   {"+/x", "$SYS/x", false},  {"$SYS/#", "$SYS/x", true}, {"a//b", "a//b", true},     {"a/+/b", "a//b", true},
      {"a/b/+", "a/b/", true},  {"ab", "a", false},        {"a", "ab", false},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (UmqttSerialBase::matches(table[i].filter, table[i].topic) != table[i].matches) {
      printf("matches(%s, %s) is not %d\n", table[i].filter, table[i].topic, table[i].matches);
      faults++;
    }
  }
}

static char heard[64];
static size_t heardLength;
static int others;

static void onCommand(const char *topic, const char *payload, size_t length) {
  snprintf(heard, sizeof heard, "%s=%s", topic, payload);
  heardLength = length;
}

static uint32_t toldSeconds;
static uint16_t toldMilliseconds;
static void onTime(uint32_t seconds, uint16_t ms) {
  toldSeconds = seconds;
  toldMilliseconds = ms;
}

static void onOther(const char *, const char *, size_t) { others++; }

static void clocks(UmqttSerialBase &mqtt) {
  static const char told[] = "\x14\x0c\x00\x00\x07\x00\x00" "1700000000900";
  receive("\x12\x0a\x00\x07\x00\x03$umqttd/time", 18);
  receive(told, 20);
  mqtt.loop();
  want(others == 2 && mqtt.time() == 0, "time that nobody asked for is a message like others");
  mqtt.onTime(onTime);
  want(mqtt.askTime(), "askTime");
  receive(told, 20);
  mqtt.loop();
  want(others == 2 && toldSeconds == 1700000000 && toldMilliseconds == 900, "onTime");
  want(mqtt.time() == 1700000000, "time");
  milliseconds += 1100;
  want(mqtt.time() == 1700000002, "time goes on");
}

static void session() {
  UmqttSerialSized<128, 32, 160, 2> mqtt(Serial1);
  want(!mqtt.publish("t", "x") && mqtt.lastError() == UMQTT_ERR_STATE, "publish before begin");
  want(!mqtt.loop() && !mqtt.connect() && !mqtt.wake() && !mqtt.disconnect() && !mqtt.log("x"), "anything before begin");
  mqtt.setKeepAlive(0);
  mqtt.onMessage(onOther);
  want(mqtt.subscribe("cmd/+", onCommand), "subscribe before begin");
  want(mqtt.subscribe("tt", 0), "subscribe without a handler");
  want(!mqtt.subscribe("third", onCommand) && mqtt.lastError() == UMQTT_ERR_NO_ROOM, "a filter too many");
  want(!mqtt.subscribe(nullptr, onCommand) && !mqtt.unsubscribe(nullptr), "no filter");
  want(!mqtt.subscribe("cmd/+", onCommand, 2) && mqtt.lastError() == UMQTT_ERR_ARGUMENT, "QoS 2");
  want(mqtt.begin("m5"), "begin");
  want(!mqtt.waitConnected(500) && mqtt.lastError() == UMQTT_ERR_TIMEOUT, "connected to nobody");
  receive("\x03\x05\x00", 3); /* CONNACK */
  want(mqtt.waitConnected(500), "CONNACK");
  receive("\x0c\x0a\x00\x05\x00\x01" "cmd/do", 12); /* REGISTER */
  receive("\x09\x0c\x20\x00\x05\x00\x02on", 9);     /* PUBLISH, QoS 1 */
  mqtt.loop();
  want(strcmp(heard, "cmd/do=on") == 0 && heardLength == 2, "a message for a handler");
  receive("\x07\x0c\x20\x00\x05\x00\x03", 7);
  mqtt.loop();
  want(strcmp(heard, "cmd/do=") == 0 && heardLength == 0, "an empty message");
  receive("\x09\x0c\x02tt\x00\x00on", 9);
  mqtt.loop();
  want(others == 1, "a message for no handler");
  want(mqtt.publish("ab", "x"), "publish");
  mqtt.setTimeout(50);
  want(!mqtt.canPublish() && !mqtt.publish("ab", "y") && mqtt.lastError() == UMQTT_ERR_BUSY, "a second message");
  want(!mqtt.publish("ab", "123456789012345678901234567890123") && mqtt.lastError() == UMQTT_ERR_TOO_LONG, "a message that is too long");
  want(mqtt.time() == 0, "no time yet");
  clocks(mqtt);
  want(sent > 0, "nothing was sent");
}

int main() {
  matching();
  session();
  return faults == 0 ? 0 : 1;
}
