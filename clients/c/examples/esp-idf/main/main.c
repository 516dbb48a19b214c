/*
 * A lamp that does what it is told: lamp/set takes "on" and "off", lamp/state says what it is. UART 1 goes to the gateway: TX to its RX, RX to its TX, GND to GND.
 * The gateway's configuration:
 *
 *     devices:
 *       - name: lamp
 *         port: /dev/ttyUSB0
 *         max_frame: 250       # MAX_BODY
 *         rx_buffer: 1024      # the driver's
 */
#include <string.h>

#include "driver/gpio.h"
#include "esp_log.h"
#include "umqtt_esp_uart.h"

/* Of an ESP32-C3. Choose what your board has free. */
#define LAMP_PIN GPIO_NUM_8
#define TX_PIN 21
#define RX_PIN 20

#define MAX_BODY 250

static const char tag[] = "lamp";

static uint8_t rx[UMQTT_RX_SIZE(MAX_BODY)];
static uint8_t tx[64];
static umqtt_topic topics[32];
static umqtt_esp_uart uart;
static umqtt_client client;

typedef struct lamp {
    bool on;
    bool changed; /* and not published yet */
} lamp;

static void on_message(void *context, const umqtt_message *message)
{
    lamp *l = context;

    l->on = message->payload_len == 2 && memcmp(message->payload, "on", 2) == 0;
    l->changed = true;
    gpio_set_level(LAMP_PIN, l->on ? 1 : 0);
}

static void on_event(void *context, const umqtt_event *event)
{
    lamp *l = context;

    if (event->type == UMQTT_EVENT_CONNECTED) {
        ESP_LOGI(tag, "connected");
        l->changed = true;
    } else if (event->type == UMQTT_EVENT_LOST) {
        ESP_LOGW(tag, "the gateway is gone");
    } else if (event->type == UMQTT_EVENT_DROPPED || event->type == UMQTT_EVENT_REFUSED) {
        ESP_LOGE(tag, "refused with code %d", event->code);
    }
}

static void begin(lamp *l)
{
    static const umqtt_will will = {.topic = "lamp/status", .payload = (const uint8_t *)"offline", .payload_len = 7, .retain = true};
    umqtt_esp_uart_config line = UMQTT_ESP_UART_DEFAULT;
    umqtt_config config = {
        .message = on_message,
        .event = on_event,
        .context = l,
        .rx = rx,
        .rx_size = sizeof rx,
        .tx = tx,
        .tx_size = sizeof tx,
        .topics = topics,
        .topics_size = sizeof topics / sizeof topics[0],
        .client_id = "lamp",
        .keepalive = 30,
        .will = &will,
        .max_body = MAX_BODY,
    };

    line.tx_pin = TX_PIN;
    line.rx_pin = RX_PIN;
    ESP_ERROR_CHECK(umqtt_esp_uart_open(&uart, &line));
    umqtt_esp_uart_use(&uart, &config);
    ESP_ERROR_CHECK(umqtt_esp_error(umqtt_init(&client, &config)));
    ESP_ERROR_CHECK(umqtt_esp_error(umqtt_subscribe(&client, "lamp/set", 1)));
    ESP_ERROR_CHECK(umqtt_esp_error(umqtt_connect(&client)));
}

void app_main(void)
{
    static lamp l;

    ESP_ERROR_CHECK(gpio_reset_pin(LAMP_PIN));
    ESP_ERROR_CHECK(gpio_set_direction(LAMP_PIN, GPIO_MODE_OUTPUT));
    begin(&l);
    for (;;) {
        ESP_ERROR_CHECK(umqtt_esp_uart_step(&uart, &client, 1000));
        if (l.changed && umqtt_can_publish(&client)) {
            const char *text = l.on ? "on" : "off";

            l.changed = umqtt_publish(&client, "lamp/state", text, strlen(text), 1, true) != UMQTT_OK;
        }
    }
}
