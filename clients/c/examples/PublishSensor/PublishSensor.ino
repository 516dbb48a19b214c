/*
 * Publishes a measurement every ten seconds, for any board with a second serial port: Arduino Mega, ESP32, Raspberry Pi Pico, Teensy.
 *
 * Serial1 goes to the gateway: TX to its RX, RX to its TX, GND to GND. Boards of 5 V need a level shifter towards a Raspberry Pi.
 * The gateway's configuration:
 *
 *     devices:
 *       - name: attic
 *         port: /dev/serial0
 *         max_frame: 128       # what UmqttSerial can receive: 128 on AVR, 1024 elsewhere
 *         rx_buffer: 60        # what Serial1 can: 63 on AVR, 255 on ESP32
 */
#include <UmqttSerial.h>

UmqttSerial mqtt(Serial1);

const unsigned long PERIOD = 10000; // milliseconds
unsigned long last = 0;

// Stands for your sensor: the voltage at A0, in tenths of a percent.
int measure() {
  return analogRead(A0);
}

void setup() {
  Serial1.begin(115200);
  mqtt.setBaud(115200);
  mqtt.setWill("attic/status", "offline", true); // the broker says it if the board goes silent
  mqtt.begin("attic");
}

void loop() {
  mqtt.loop();
  if (millis() - last >= PERIOD && mqtt.canPublish()) {
    last = millis();
    char text[12];
    snprintf(text, sizeof text, "%d", measure());
    mqtt.publish("attic/voltage", text);
  }
}
