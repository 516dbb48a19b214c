/* The client on a UART of ESP-IDF. */
#include "umqtt_esp_uart.h"

#include <string.h>

#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* umqtt_wait's idle cannot know that bytes arrive, so it looks again soon. */
#define IDLE_MS 10U

#define CLOSE_MS 1000U

/* Rounded up: no tick at all would be a loop that lets nobody else run. */
static TickType_t ticks(uint32_t ms)
{
    return (TickType_t)((ms / 1000U) * (uint32_t)configTICK_RATE_HZ + ((ms % 1000U) * (uint32_t)configTICK_RATE_HZ + 999U) / 1000U);
}

/* Reading fails when writing does: umqtt_esp_uart_step says so. */
static void write_uart(void *context, const uint8_t *bytes, size_t n)
{
    const umqtt_esp_uart *uart = (const umqtt_esp_uart *)context;

    (void)uart_write_bytes(uart->port, bytes, n);
}

static size_t read_uart(void *context, uint8_t *bytes, size_t n)
{
    const umqtt_esp_uart *uart = (const umqtt_esp_uart *)context;
    size_t waiting = 0;
    int got = 0;

    if (uart_get_buffered_data_len(uart->port, &waiting) == ESP_OK && waiting > 0U) {
        got = uart_read_bytes(uart->port, bytes, (uint32_t)((n < waiting) ? n : waiting), 0);
    }
    return (got > 0) ? (size_t)got : 0U;
}

static uint32_t now_ms(void *context)
{
    (void)context;
    return (uint32_t)(esp_timer_get_time() / 1000);
}

static void idle(void *context, uint32_t ms)
{
    (void)context;
    vTaskDelay(ticks((ms < IDLE_MS) ? ms : IDLE_MS));
}

static void on_message(void *context, const umqtt_message *message)
{
    const umqtt_esp_uart *uart = (const umqtt_esp_uart *)context;

    uart->message(uart->context, message);
}

static void on_event(void *context, const umqtt_event *event)
{
    const umqtt_esp_uart *uart = (const umqtt_esp_uart *)context;

    uart->event(uart->context, event);
}

esp_err_t umqtt_esp_uart_open(umqtt_esp_uart *uart, const umqtt_esp_uart_config *line)
{
    uart_config_t parameters;
    esp_err_t err;

    if (uart == NULL || line == NULL || line->baud_rate <= 0) {
        return ESP_ERR_INVALID_ARG;
    }
    memset(uart, 0, sizeof *uart);
    uart->port = line->port;
    uart->baud = (uint32_t)line->baud_rate;
    memset(&parameters, 0, sizeof parameters);
    parameters.baud_rate = line->baud_rate;
    parameters.data_bits = UART_DATA_8_BITS;
    parameters.parity = UART_PARITY_DISABLE;
    parameters.stop_bits = UART_STOP_BITS_1;
    parameters.flow_ctrl = UART_HW_FLOWCTRL_DISABLE;
    parameters.source_clk = UART_SCLK_DEFAULT;
    err = uart_driver_install(line->port, line->rx_buffer, line->tx_buffer, 0, NULL, 0);
    if (err != ESP_OK) {
        return err;
    }
    err = uart_param_config(line->port, &parameters);
    if (err == ESP_OK) {
        err = uart_set_pin(line->port, line->tx_pin, line->rx_pin, UART_PIN_NO_CHANGE, UART_PIN_NO_CHANGE);
    }
    if (err != ESP_OK) {
        (void)uart_driver_delete(line->port);
    }
    return err;
}

void umqtt_esp_uart_use(umqtt_esp_uart *uart, umqtt_config *config)
{
    uart->message = config->message;
    uart->event = config->event;
    uart->context = config->context;
    config->message = (config->message == NULL) ? NULL : on_message;
    config->event = (config->event == NULL) ? NULL : on_event;
    config->context = uart;
    config->write = write_uart;
    config->read = read_uart;
    config->millis = now_ms;
    config->idle = idle;
    config->baud = uart->baud;
}

esp_err_t umqtt_esp_uart_step(const umqtt_esp_uart *uart, umqtt_client *client, uint32_t max_ms)
{
    uint32_t ms = umqtt_poll(client);
    uint8_t first;
    int got;

    /* The driver's read waits until all bytes are there that were asked for, so it is asked for one; umqtt_poll takes the rest. */
    got = uart_read_bytes(uart->port, &first, 1, ticks((ms < max_ms) ? ms : max_ms));
    if (got > 0) {
        umqtt_receive(client, &first, 1);
        (void)umqtt_poll(client);
    }
    return (got < 0) ? ESP_FAIL : ESP_OK;
}

esp_err_t umqtt_esp_uart_close(const umqtt_esp_uart *uart)
{
    (void)uart_wait_tx_done(uart->port, ticks(CLOSE_MS));
    return uart_driver_delete(uart->port);
}

esp_err_t umqtt_esp_error(umqtt_result result)
{
    switch (result) {
    case UMQTT_OK:
        return ESP_OK;
    case UMQTT_ERR_ARGUMENT:
    case UMQTT_ERR_TOPIC:
        return ESP_ERR_INVALID_ARG;
    case UMQTT_ERR_TOO_LONG:
        return ESP_ERR_INVALID_SIZE;
    case UMQTT_ERR_BUSY:
        return ESP_ERR_NOT_FINISHED;
    case UMQTT_ERR_NO_ROOM:
        return ESP_ERR_NO_MEM;
    case UMQTT_ERR_STATE:
        return ESP_ERR_INVALID_STATE;
    case UMQTT_ERR_REFUSED:
        return ESP_ERR_NOT_ALLOWED;
    case UMQTT_ERR_TIMEOUT:
        return ESP_ERR_TIMEOUT;
    }
    return ESP_FAIL;
}
