/*
 * A sketch that goes through what the examples leave out, with a gateway: it subscribes to what it publishes. It prints what is wrong, and ends with the number of faults.
 */
#include <UmqttSerial.h>

static UmqttSerial mqtt(Serial1);

static int faults;

static void want(bool holds, const char *what) {
  if (!holds) {
    printf("%s (%d)\n", what, mqtt.lastError());
    faults++;
  }
}

/* ---- What has been heard ---- */

static int numbers, answers, others, published, dropped, connected;
static char last[64];

static void onNumber(const char *topic, const char *payload, size_t length) {
  want(strcmp(topic, "self/number/one") == 0 && strlen(payload) == length, "a number");
  want(atoi(payload) == ++numbers, "numbers in order");
}

/* A handler publishes, but never waits. */
static void onQuestion(const char *, const char *payload, size_t) {
  want(mqtt.publish("self/answer", payload, false, 0) || mqtt.lastError() == UMQTT_ERR_BUSY || mqtt.lastError() == UMQTT_ERR_NO_ROOM, "publish in a handler");
  want(!mqtt.waitPublished(1000) && mqtt.lastError() == UMQTT_ERR_STATE, "wait in a handler");
}

static void onAnswer(const char *, const char *payload, size_t) {
  answers++;
  snprintf(last, sizeof last, "%s", payload);
}

static void onOther(const char *topic, const char *payload, size_t) {
  others++;
  snprintf(last, sizeof last, "%s=%s", topic, payload);
}

static void onEvent(const umqtt_event &event) {
  connected += event.type == UMQTT_EVENT_CONNECTED;
  published += event.type == UMQTT_EVENT_PUBLISHED;
  dropped += event.type == UMQTT_EVENT_DROPPED;
}

/* Loops until so many have come. */
static bool reaches(const int &count, int n) {
  for (unsigned long begin = millis(); count < n && millis() - begin < 20000;) {
    mqtt.loop();
    delay(1);
  }
  return count == n;
}

/* ---- What is done ---- */

static const umqtt_predefined predefined[] = {{7, "self/known"}};

static void messages() {
  for (int i = 1; i <= 20; i++) {
    char text[12];
    snprintf(text, sizeof text, "%d", i);
    want(mqtt.publish("self/number/one", text), "publish, which waits for the one before");
  }
  want(reaches(numbers, 20) && mqtt.waitPublished(20000) && published == 20, "twenty messages");
  want(mqtt.publish("self/question", "why", false, 0) && reaches(answers, 1) && strcmp(last, "why") == 0, "a handler's answer");
  want(mqtt.publish("self/known", "well") && reaches(others, 1) && strcmp(last, "self/known=well") == 0, "a predefined topic");
  want(mqtt.publish("self/known", "", true) && reaches(others, 2) && strcmp(last, "self/known=") == 0, "an empty message, retained");
  const uint8_t bytes[] = {0, 255, 0};
  want(mqtt.publish("self/known", bytes, sizeof bytes) && reaches(others, 3), "bytes");
  want(mqtt.publish("self/known", "nobody asked", false, -1) && reaches(others, 4), "QoS -1");
}

static void changes() {
  want(mqtt.unsubscribe("self/number/+") && mqtt.waitPublished(20000), "unsubscribe");
  want(mqtt.publish("self/number/one", "21") && reaches(others, 5) && numbers == 20, "a message that lost its handler");
  want(mqtt.setWill("self/will", "another") && mqtt.waitPublished(20000), "another will");
  want(mqtt.disconnect() && !mqtt.connected() && mqtt.state() == UMQTT_STATE_OFF, "disconnect");
  want(!mqtt.publish("self/known", "off") && mqtt.lastError() == UMQTT_ERR_STATE, "publish when it is off");
  want(mqtt.connect() && mqtt.waitConnected(20000) && connected == 2, "connect again");
  want(mqtt.publish("self/known", "back") && reaches(others, 6) && strcmp(last, "self/known=back") == 0, "the subscription is still there");
  want(mqtt.sleep(60) && mqtt.state() == UMQTT_STATE_ASLEEP && mqtt.wake() && mqtt.connect() && mqtt.waitConnected(20000), "sleep, wake, connect");
}

void setup() {
  Serial1.begin(115200);
  mqtt.setPredefined(predefined, 1);
  mqtt.setKeepAlive(30);
  mqtt.setMaxBody(1024);
  mqtt.setTimeout(20000);
  mqtt.setWill("self/will", "one");
  mqtt.onMessage(onOther);
  mqtt.onEvent(onEvent);
  want(mqtt.subscribe("self/number/+", onNumber) && mqtt.subscribe("self/question", onQuestion, 0), "subscribe before begin");
  want(mqtt.begin("self") && mqtt.waitConnected(20000) && connected == 1, "begin");
  want(mqtt.subscribe("self/answer", onAnswer) && mqtt.subscribe("self/#") && mqtt.waitPublished(20000), "subscribe after begin");
  messages();
  changes();
  want(mqtt.log("done\n") && dropped == 0, "log");
  exit(faults);
}

void loop() {}
