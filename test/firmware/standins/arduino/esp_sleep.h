/* Of ESP-IDF, as Arduino's ESP32 core has it; see Arduino.h. */
#ifndef ESP_SLEEP_STANDIN_H
#define ESP_SLEEP_STANDIN_H

#include <stdint.h>

extern "C" int esp_sleep_enable_timer_wakeup(uint64_t microseconds);
extern "C" void esp_deep_sleep_start(void) __attribute__((noreturn));

#endif
