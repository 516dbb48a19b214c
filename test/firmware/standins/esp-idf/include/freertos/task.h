/* See esp_err.h. */
#ifndef FREERTOS_TASK_STANDIN_H
#define FREERTOS_TASK_STANDIN_H

#include "freertos/FreeRTOS.h"

void vTaskDelay(TickType_t ticks);

#endif
