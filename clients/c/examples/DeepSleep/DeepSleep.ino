/*
 * An ESP32 that measures every ten minutes and sleeps in between. Nothing is lost: session, subscriptions and messages wait in the gateway (docs/protocol.md, section 6.17).
 *
 * Deep sleep forgets the memory, so each time is a setup() that connects anew to the same session.
 */
#include <UmqttSerial.h>
#include <esp_random.h>
#include <esp_sleep.h>

const uint16_t SLEEP_SECONDS = 600;

UmqttSerial mqtt(Serial1);

void onInterval(const char *, const char *, size_t) {
  // A command that was sent while the board slept.
}

void setup() {
  Serial1.begin(115200);
  mqtt.setBaud(115200);
  mqtt.setFirstMessageId(static_cast<uint16_t>(esp_random() | 1)); // not the same ones after each sleep
  mqtt.subscribe("garden/interval", onInterval);
  mqtt.begin("garden");

  if (mqtt.waitConnected(10000)) {
    char text[12];
    snprintf(text, sizeof text, "%d", analogRead(34));
    mqtt.publish("garden/moisture", text);
    mqtt.waitPublished(10000);
    if (mqtt.sleep(SLEEP_SECONDS)) { // the gateway keeps what comes from now on
      mqtt.wake();                   // and gives all that it has: onInterval()
    }
  }
  esp_sleep_enable_timer_wakeup(SLEEP_SECONDS * 1000000ULL);
  esp_deep_sleep_start(); // does not come back
}

void loop() {
}
