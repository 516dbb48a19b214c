/* ESP-IDF for a program of the host: UART 1 is the tty that is named on the command line, and standard output shows logs and pins. See include/esp_err.h. */
#define _DEFAULT_SOURCE 1

#include "driver/gpio.h"
#include "driver/uart.h"
#include "esp_log.h"
#include "esp_rom_crc.h"
#include "esp_timer.h"
#include "freertos/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

void app_main(void);

static const char *path;
static int line = -1;  /* without a driver */
static unsigned looks; /* at the UART, since the task waited last */
static const unsigned watchdog = 5000;

/* ---- UART ---- */

static bool installed(uart_port_t port)
{
    return port == UART_NUM_1 && line >= 0;
}

/* A size of a buffer that the driver takes. */
static bool holds(int size)
{
    return size > UART_HW_FIFO_LEN(UART_NUM_1);
}

esp_err_t uart_driver_install(uart_port_t port, int rx_buffer_size, int tx_buffer_size, int queue_size, QueueHandle_t *queue, int intr_alloc_flags)
{
    if (port >= UART_NUM_MAX || installed(port) || !holds(rx_buffer_size) || (tx_buffer_size != 0 && !holds(tx_buffer_size)) || queue_size != 0 || queue != NULL ||
        intr_alloc_flags != 0) {
        return ESP_FAIL;
    }
    if (port != UART_NUM_1) {
        return ESP_ERR_NO_MEM;
    }
    line = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (line < 0) {
        perror(path);
        exit(2);
    }
    return ESP_OK;
}

esp_err_t uart_driver_delete(uart_port_t port)
{
    if (!installed(port)) {
        return ESP_FAIL;
    }
    (void)close(line);
    line = -1;
    return ESP_OK;
}

esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config)
{
    bool usual = config->data_bits == UART_DATA_8_BITS && config->parity == UART_PARITY_DISABLE && config->stop_bits == UART_STOP_BITS_1 &&
                 config->flow_ctrl == UART_HW_FLOWCTRL_DISABLE && config->source_clk == UART_SCLK_DEFAULT;

    return (installed(port) && usual && config->baud_rate <= 5000000) ? ESP_OK : ESP_FAIL;
}

esp_err_t uart_set_pin(uart_port_t port, int tx, int rx, int rts, int cts)
{
    return (installed(port) && tx < 49 && rx < 49 && rts == UART_PIN_NO_CHANGE && cts == UART_PIN_NO_CHANGE) ? ESP_OK : ESP_FAIL;
}

int uart_write_bytes(uart_port_t port, const void *src, size_t size)
{
    size_t written = 0;

    while (installed(port) && written < size) {
        ssize_t done = write(line, (const char *)src + written, size - written);

        if (done > 0) {
            written += (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd p = {line, POLLOUT, 0};

            (void)poll(&p, 1, 100);
        } else {
            perror("write");
            exit(2);
        }
    }
    return installed(port) ? (int)written : -1;
}

/* All bytes, or those that come in time. */
int uart_read_bytes(uart_port_t port, void *buf, uint32_t length, TickType_t ticks)
{
    int64_t end = esp_timer_get_time() + (int64_t)ticks * 1000000 / configTICK_RATE_HZ;
    uint32_t got = 0;

    if (!installed(port)) {
        return -1;
    }
    for (;;) {
        struct pollfd p = {line, POLLIN, 0};
        ssize_t n = read(line, (char *)buf + got, length - got);
        int64_t left = end - esp_timer_get_time();

        got += (n > 0) ? (uint32_t)n : 0U;
        if (got == length || left <= 0) {
            return (int)got;
        }
        looks = 0;
        (void)poll(&p, 1, (int)(left / 1000) + 1);
    }
}

esp_err_t uart_get_buffered_data_len(uart_port_t port, size_t *size)
{
    int n = 0;

    if (!installed(port) || ioctl(line, FIONREAD, &n) != 0) {
        return ESP_FAIL;
    }
    looks++;
    if (looks > watchdog) {
        fputs("the task lets nobody else run: the watchdog bites\n", stderr);
        exit(2);
    }
    *size = (size_t)n;
    return ESP_OK;
}

esp_err_t uart_wait_tx_done(uart_port_t port, TickType_t ticks)
{
    (void)ticks;
    return installed(port) ? ESP_OK : ESP_FAIL;
}

/* ---- The rest ---- */

esp_err_t gpio_reset_pin(gpio_num_t pin)
{
    (void)pin;
    return ESP_OK;
}

esp_err_t gpio_set_direction(gpio_num_t pin, gpio_mode_t mode)
{
    printf("gpio %d mode %d\n", (int)pin, (int)mode);
    return ESP_OK;
}

esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level)
{
    printf("gpio %d level %u\n", (int)pin, (unsigned)level);
    return ESP_OK;
}

int64_t esp_timer_get_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void vTaskDelay(TickType_t ticks)
{
    if (ticks == 0U) {
        fputs("a delay of no tick lets nobody run\n", stderr);
        exit(2);
    }
    looks = 0;
    (void)poll(NULL, 0, (int)(ticks * 1000U / configTICK_RATE_HZ));
}

uint32_t esp_rom_crc32_le(uint32_t crc, uint8_t const *buf, uint32_t len)
{
    crc = ~crc;
    for (; len > 0U; len--, buf++) {
        unsigned bit;

        crc ^= *buf;
        for (bit = 0; bit < 8U; bit++) {
            crc = (crc >> 1) ^ (((crc & 1U) != 0U) ? 0xEDB88320U : 0U);
        }
    }
    return ~crc;
}

void esp_log_write_line(const char *tag, const char *format, ...)
{
    va_list args;

    printf("%s: ", tag);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void esp_error_check_failed(esp_err_t err, const char *file, int where)
{
    printf("%s:%d: error %d\n", file, where, err);
    exit(3);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) {
        return 2;
    }
    path = argv[1];
    app_main();
    return 0;
}
