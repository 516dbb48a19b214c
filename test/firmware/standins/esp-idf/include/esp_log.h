/* See esp_err.h. */
#ifndef ESP_LOG_STANDIN_H
#define ESP_LOG_STANDIN_H

void esp_log_write_line(const char *tag, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ESP_LOGE(tag, ...) esp_log_write_line(tag, __VA_ARGS__)
#define ESP_LOGW(tag, ...) esp_log_write_line(tag, __VA_ARGS__)
#define ESP_LOGI(tag, ...) esp_log_write_line(tag, __VA_ARGS__)

#endif
