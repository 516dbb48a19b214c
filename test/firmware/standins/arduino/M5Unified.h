/* The part of M5Unified that the example M5Stack uses; see Arduino.h. */
#ifndef M5UNIFIED_STANDIN_H
#define M5UNIFIED_STANDIN_H

#include <Arduino.h>

enum { TFT_BLACK = 0 };

struct M5StandIn {
  struct Config {
    uint32_t serial_baudrate;
  };
  struct Screen {
    void fillScreen(int color);
    void setCursor(int x, int y);
    size_t print(const char *text);
  } Display;
  struct Button {
    bool wasPressed();
  } BtnA;
  struct Clock {
    void setDateTime(const tm *time);
  } Rtc;
  Config config();
  void begin(Config config);
  void update();
};

extern M5StandIn M5;

#endif
