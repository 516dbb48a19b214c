/*
 * Does what it is told: lamp/set takes "on" and "off", lamp/ask/... anything. It works on a board with one serial port too: what it prints with mqtt.log()
 * appears in the gateway's log, between the messages.
 *
 * The gateway's configuration:
 *
 *     devices:
 *       - name: lamp
 *         port: /dev/ttyACM0
 *         max_frame: 128       # what UmqttSerial can receive: 128 on AVR, 1024 elsewhere
 *         rx_buffer: 60        # what Serial can: 63 on AVR, 255 on ESP32
 */
#include <UmqttSerial.h>

UmqttSerial mqtt(Serial);

#if defined(LED_BUILTIN)
const uint8_t LAMP = LED_BUILTIN;
#else
const uint8_t LAMP = 2;
#endif

bool lamp = false;
bool changed = true;

// A handler is called by mqtt.loop(). It may publish, too; but it does not wait, so here loop() does it.
void onSet(const char *, const char *payload, size_t) {
  lamp = strcmp(payload, "on") == 0;
  digitalWrite(LAMP, lamp ? HIGH : LOW);
  changed = true;
}

// Gets every message below lamp/ask. A wildcard tells by the topic what is meant.
void onAsk(const char *topic, const char *, size_t) {
  mqtt.log("asked by ");
  mqtt.log(topic);
  mqtt.log("\n");
  changed = true;
}

void onEvent(const umqtt_event &event) {
  if (event.type == UMQTT_EVENT_CONNECTED) {
    changed = true;
  }
}

void setup() {
  Serial.begin(115200);
  pinMode(LAMP, OUTPUT);
  mqtt.setBaud(115200);
  mqtt.onEvent(onEvent);
  mqtt.subscribe("lamp/set", onSet);
  mqtt.subscribe("lamp/ask/#", onAsk);
  mqtt.begin("lamp");
}

void loop() {
  if (mqtt.loop() && changed && mqtt.canPublish()) {
    changed = false;
    mqtt.publish("lamp/state", lamp ? "on" : "off", true);
  }
}
