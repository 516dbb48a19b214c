/*
 * The part of ESP-IDF that the component and its example use, to compile and run them on the host. It is not ESP-IDF: declarations alone, written from its documented
 * API; host.c and tools/cmake do what must be done for them to run.
 */
#ifndef ESP_ERR_STANDIN_H
#define ESP_ERR_STANDIN_H

typedef int esp_err_t;

#define ESP_OK 0
#define ESP_FAIL (-1)
#define ESP_ERR_NO_MEM 0x101
#define ESP_ERR_INVALID_ARG 0x102
#define ESP_ERR_INVALID_STATE 0x103
#define ESP_ERR_INVALID_SIZE 0x104
#define ESP_ERR_TIMEOUT 0x107
#define ESP_ERR_NOT_FINISHED 0x10C
#define ESP_ERR_NOT_ALLOWED 0x10D

void esp_error_check_failed(esp_err_t err, const char *file, int line) __attribute__((noreturn));

#define ESP_ERROR_CHECK(x)                                         \
    do {                                                           \
        esp_err_t err_ = (x);                                      \
        if (err_ != ESP_OK) {                                      \
            esp_error_check_failed(err_, __FILE__, __LINE__);      \
        }                                                          \
    } while (0)

#endif
