/* Of ESP-IDF, as Arduino's ESP32 core has it; see Arduino.h. */
#ifndef ESP_RANDOM_STANDIN_H
#define ESP_RANDOM_STANDIN_H

#include <stdint.h>

extern "C" uint32_t esp_random(void);

#endif
