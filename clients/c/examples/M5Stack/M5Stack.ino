/*
 * An M5Stack at the cable that also powers it: its USB socket is the line. A button is published, a text is shown.
 * Needs the library M5Unified. Nothing may print to Serial; mqtt.log() does, without harm.
 *
 * The gateway's configuration:
 *
 *     devices:
 *       - name: m5
 *         usb: {vid: "1a86", pid: "55d4"}   # `umqttd ports` lists what is plugged in
 *         max_frame: 1024
 */
#include <M5Unified.h>
#include <UmqttSerial.h>

UmqttSerial mqtt(Serial);

void onText(const char *, const char *payload, size_t) {
  M5.Display.fillScreen(TFT_BLACK);
  M5.Display.setCursor(0, 0);
  M5.Display.print(payload);
}

void onEvent(const umqtt_event &event) {
  if (event.type == UMQTT_EVENT_CONNECTED) {
    mqtt.askTime(); // the gateway knows it, so no NTP
  }
}

void onTime(uint32_t seconds, uint16_t) {
  time_t now = seconds;
  M5.Rtc.setDateTime(gmtime(&now));
}

void setup() {
  auto config = M5.config();
  config.serial_baudrate = 0; // M5Unified would print its own words
  M5.begin(config);
  Serial.setRxBufferSize(1024); // before begin()
  Serial.begin(115200);
  mqtt.setBaud(115200);
  mqtt.onEvent(onEvent);
  mqtt.onTime(onTime);
  mqtt.setWill("m5/status", "offline", true);
  mqtt.subscribe("m5/text", onText);
  mqtt.begin("m5");
}

void loop() {
  M5.update();
  mqtt.loop();
  if (M5.BtnA.wasPressed()) {
    mqtt.publish("m5/button", "A");
  }
  delay(1);
}
