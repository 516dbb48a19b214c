/* Runs the glue of port/esp-idf on the host, with a gateway on the line: what the example does not need. It prints what is wrong, and ends with 1 then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "umqtt_esp_uart.h"

void app_main(void);

static int faults;

static void want(bool holds, const char *what)
{
    if (!holds) {
        printf("%s\n", what);
        faults++;
    }
}

static void words(void)
{
    static const struct {
        umqtt_result result;
        esp_err_t err;
    } table[] = {
        {UMQTT_OK, ESP_OK},
        {UMQTT_ERR_ARGUMENT, ESP_ERR_INVALID_ARG},
        {UMQTT_ERR_TOPIC, ESP_ERR_INVALID_ARG},
        {UMQTT_ERR_TOO_LONG, ESP_ERR_INVALID_SIZE},
        {UMQTT_ERR_BUSY, ESP_ERR_NOT_FINISHED},
        {UMQTT_ERR_NO_ROOM, ESP_ERR_NO_MEM},
        {UMQTT_ERR_STATE, ESP_ERR_INVALID_STATE},
        {UMQTT_ERR_REFUSED, ESP_ERR_NOT_ALLOWED},
        {UMQTT_ERR_TIMEOUT, ESP_ERR_TIMEOUT},
        {(umqtt_result)-99, ESP_FAIL},
    };
    size_t i;

    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (umqtt_esp_error(table[i].result) != table[i].err) {
            printf("result %d is error %d\n", (int)table[i].result, umqtt_esp_error(table[i].result));
            faults++;
        }
    }
}

/* What cannot be opened leaves no driver behind, so that the next can. */
static void refusals(void)
{
    umqtt_esp_uart_config line = UMQTT_ESP_UART_DEFAULT;
    umqtt_esp_uart uart;

    want(umqtt_esp_uart_open(NULL, &line) == ESP_ERR_INVALID_ARG && umqtt_esp_uart_open(&uart, NULL) == ESP_ERR_INVALID_ARG, "null pointers");
    line.baud_rate = 0;
    want(umqtt_esp_uart_open(&uart, &line) == ESP_ERR_INVALID_ARG, "no speed");
    line.baud_rate = 5000001;
    want(umqtt_esp_uart_open(&uart, &line) == ESP_FAIL, "a speed that no UART has");
    line.baud_rate = 115200;
    line.tx_pin = 49;
    want(umqtt_esp_uart_open(&uart, &line) == ESP_FAIL, "a pin that no chip has");
    line.tx_pin = UART_PIN_NO_CHANGE;
    line.rx_buffer = 128;
    want(umqtt_esp_uart_open(&uart, &line) == ESP_FAIL, "a buffer that the driver does not take");
    line.rx_buffer = 129;
    line.port = UART_NUM_0;
    want(umqtt_esp_uart_open(&uart, &line) == ESP_ERR_NO_MEM, "an error of the driver's own");
    line.port = UART_NUM_1;
    want(umqtt_esp_uart_open(&uart, &line) == ESP_OK, "a UART that can be had");
    want(umqtt_esp_uart_open(&uart, &line) == ESP_FAIL, "a UART that has a driver");
    want(umqtt_esp_uart_close(&uart) == ESP_OK && umqtt_esp_uart_close(&uart) == ESP_FAIL, "close");
}

typedef struct heard {
    int connected;
    int published;
    char text[64];
} heard;

static void on_message(void *context, const umqtt_message *m)
{
    heard *h = context;

    snprintf(h->text, sizeof h->text, "%.*s", (int)m->payload_len, (const char *)m->payload);
}

static void on_event(void *context, const umqtt_event *e)
{
    heard *h = context;

    h->connected += (e->type == UMQTT_EVENT_CONNECTED) ? 1 : 0;
    h->published += (e->type == UMQTT_EVENT_PUBLISHED) ? 1 : 0;
}

static uint8_t rx[UMQTT_RX_SIZE(250)], tx[64];
static umqtt_topic topics[64];
static umqtt_esp_uart uart;
static umqtt_client client;

static void begin(heard *h)
{
    umqtt_esp_uart_config line = UMQTT_ESP_UART_DEFAULT;
    umqtt_config config;

    memset(&config, 0, sizeof config);
    config.rx = rx;
    config.rx_size = sizeof rx;
    config.tx = tx;
    config.tx_size = sizeof tx;
    config.topics = topics;
    config.topics_size = sizeof topics / sizeof topics[0];
    config.client_id = "glue";
    want(umqtt_esp_uart_open(&uart, &line) == ESP_OK, "open");
    umqtt_esp_uart_use(&uart, &config);
    want(config.message == NULL && config.event == NULL && config.baud == 115200U, "callbacks that the program has not");
    config.message = on_message;
    config.event = on_event;
    config.context = h;
    umqtt_esp_uart_use(&uart, &config);
    want(umqtt_init(&client, &config) == UMQTT_OK, "init");
}

static void session(heard *h)
{
    want(umqtt_connect(&client) == UMQTT_OK, "connect");
    (void)umqtt_wait(&client, UMQTT_UNTIL_CONNECTED, 5); /* less than a tick */
    want(umqtt_wait(&client, UMQTT_UNTIL_CONNECTED, 20000) == UMQTT_OK && h->connected == 1, "connected");
    want(umqtt_subscribe(&client, "glue/#", 1) == UMQTT_OK, "subscribe");
    want(umqtt_wait(&client, UMQTT_UNTIL_IDLE, 20000) == UMQTT_OK, "idle");
    want(umqtt_publish(&client, "glue/echo", "hello", 5, 1, false) == UMQTT_OK, "publish");
    while (h->published == 0 || h->text[0] == '\0') {
        ESP_ERROR_CHECK(umqtt_esp_uart_step(&uart, &client, UINT32_MAX));
    }
    want(strcmp(h->text, "hello") == 0, "a message for the program");
    want(umqtt_disconnect(&client) == UMQTT_OK && umqtt_wait(&client, UMQTT_UNTIL_DISCONNECTED, 20000) == UMQTT_OK, "disconnect");
    want(umqtt_esp_uart_step(&uart, &client, 0) == ESP_OK && umqtt_esp_uart_step(&uart, &client, 20) == ESP_OK, "a line with nothing to say");
    want(umqtt_esp_uart_close(&uart) == ESP_OK, "close");
    want(umqtt_esp_uart_step(&uart, &client, 0) == ESP_FAIL, "a line that is closed");
    want(umqtt_connect(&client) == UMQTT_OK && umqtt_esp_uart_step(&uart, &client, 1000) == ESP_FAIL, "writing to a line that is closed");
}

void app_main(void)
{
    heard h;

    memset(&h, 0, sizeof h);
    words();
    refusals();
    begin(&h);
    session(&h);
    exit((faults == 0) ? 0 : 1);
}
