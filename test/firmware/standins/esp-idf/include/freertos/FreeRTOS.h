/* See esp_err.h. The tick is the slow one that ESP-IDF has unless told otherwise. */
#ifndef FREERTOS_STANDIN_H
#define FREERTOS_STANDIN_H

#include <stdint.h>

typedef uint32_t TickType_t;

#define configTICK_RATE_HZ 100

#endif
