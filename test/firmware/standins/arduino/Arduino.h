/*
 * The part of Arduino that UmqttSerial and its examples use, to compile them on the host. It is not Arduino: declarations alone, written from its documented API.
 * On AVR the tests use the real core.
 */
#ifndef ARDUINO_STANDIN_H
#define ARDUINO_STANDIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HIGH 1
#define LOW 0
#define OUTPUT 1
#define A0 14
#define LED_BUILTIN 13

unsigned long millis();
void delay(unsigned long ms);
void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t value);
int analogRead(uint8_t pin);

class Print {
public:
  virtual ~Print() {}
  virtual size_t write(uint8_t byte) = 0;
  virtual size_t write(const uint8_t *bytes, size_t n) = 0;
};

class Stream : public Print {
public:
  virtual int available() = 0;
  virtual int read() = 0;
  virtual int peek() = 0;
};

class HardwareSerial : public Stream {
public:
  void begin(unsigned long baud);
  size_t setRxBufferSize(size_t n);
  size_t write(uint8_t byte) override;
  size_t write(const uint8_t *bytes, size_t n) override;
  int available() override;
  int read() override;
  int peek() override;
};

extern HardwareSerial Serial;
extern HardwareSerial Serial1;

#endif
