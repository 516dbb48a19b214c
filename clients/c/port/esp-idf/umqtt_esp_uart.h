/*
 * umqtt_serial on a UART of an ESP32, with ESP-IDF 5.1 or later: its driver, and the callbacks that the client wants.
 *
 *     umqtt_esp_uart_config line = UMQTT_ESP_UART_DEFAULT;
 *     umqtt_config config = {.message = on_message, .client_id = "lamp", ...};
 *
 *     line.tx_pin = 21;
 *     line.rx_pin = 20;
 *     ESP_ERROR_CHECK(umqtt_esp_uart_open(&uart, &line));
 *     umqtt_esp_uart_use(&uart, &config);
 *     ESP_ERROR_CHECK(umqtt_esp_error(umqtt_init(&client, &config)));
 *     ESP_ERROR_CHECK(umqtt_esp_error(umqtt_connect(&client)));
 *     for (;;) {
 *         ESP_ERROR_CHECK(umqtt_esp_uart_step(&uart, &client, 100));
 *         ...
 *     }
 *
 * Client and UART belong to one task. Other tasks hand it by a queue what they want to be published.
 *
 * The UART must not be the console's: ESP_LOG may cut a frame, which costs that frame. umqtt_log writes to the gateway's log and never does.
 */
#ifndef UMQTT_ESP_UART_H
#define UMQTT_ESP_UART_H

#include "driver/uart.h"
#include "esp_err.h"
#include "umqtt_serial.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The line. Begin with UMQTT_ESP_UART_DEFAULT: zero is a pin and a port like any other. */
typedef struct umqtt_esp_uart_config {
    uart_port_t port;
    int tx_pin; /* a GPIO, or UART_PIN_NO_CHANGE: the one that the port has */
    int rx_pin;
    int baud_rate; /* bit/s; the gateway's baud */
    int rx_buffer; /* bytes that the driver keeps until the client reads them: more than UART_HW_FIFO_LEN(port), and the gateway's rx_buffer */
    int tx_buffer; /* bytes; more than UART_HW_FIFO_LEN(port). 0: sending waits until the last bytes are in the hardware's own buffer */
} umqtt_esp_uart_config;

#define UMQTT_ESP_UART_DEFAULT                                                                      \
    {                                                                                               \
        .port = UART_NUM_1, .tx_pin = UART_PIN_NO_CHANGE, .rx_pin = UART_PIN_NO_CHANGE,             \
        .baud_rate = 115200, .rx_buffer = 1024, .tx_buffer = 0                                      \
    }

/* A UART in use. Its fields are the implementation's. */
typedef struct umqtt_esp_uart {
    uart_port_t port;
    uint32_t baud;
    umqtt_message_fn message;
    umqtt_event_fn event;
    void *context;
} umqtt_esp_uart;

/*
 * Installs the driver: 8 data bits, no parity, 1 stop bit, no flow control.
 *
 * ESP_ERR_INVALID_ARG: a null pointer, or a speed of 0 or less. Otherwise what the driver found wrong: ESP_FAIL for a port that does not exist or has a driver, buffers that
 * are too small, and pins and speeds that cannot be; ESP_ERR_NO_MEM. After an error no driver is installed by this call.
 */
esp_err_t umqtt_esp_uart_open(umqtt_esp_uart *uart, const umqtt_esp_uart_config *line);

/*
 * Puts write, read, millis, idle and baud into the client's configuration. The program's own message, event and context are kept and used: set them before. The UART must
 * stay where it is as long as the client lives.
 */
void umqtt_esp_uart_use(umqtt_esp_uart *uart, umqtt_config *config);

/*
 * Does what there is to do for the client, and sleeps until bytes arrive, its time comes, or max_ms are over: call it in a loop. The task is blocked meanwhile, so others
 * run. It takes the place of umqtt_poll.
 *
 * ESP_OK: go on. ESP_FAIL: the UART has no driver any more.
 */
esp_err_t umqtt_esp_uart_step(const umqtt_esp_uart *uart, umqtt_client *client, uint32_t max_ms);

/* Waits up to a second until all has left, and removes the driver. Errors are the driver's. */
esp_err_t umqtt_esp_uart_close(const umqtt_esp_uart *uart);

/*
 * A result in ESP-IDF's words, for ESP_ERROR_CHECK and ESP_RETURN_ON_ERROR:
 *
 *     ESP_OK                   UMQTT_OK
 *     ESP_ERR_INVALID_ARG      UMQTT_ERR_ARGUMENT, UMQTT_ERR_TOPIC
 *     ESP_ERR_INVALID_SIZE     UMQTT_ERR_TOO_LONG
 *     ESP_ERR_NOT_FINISHED     UMQTT_ERR_BUSY
 *     ESP_ERR_NO_MEM           UMQTT_ERR_NO_ROOM
 *     ESP_ERR_INVALID_STATE    UMQTT_ERR_STATE
 *     ESP_ERR_NOT_ALLOWED      UMQTT_ERR_REFUSED
 *     ESP_ERR_TIMEOUT          UMQTT_ERR_TIMEOUT
 */
esp_err_t umqtt_esp_error(umqtt_result result);

#ifdef __cplusplus
}
#endif

#endif
