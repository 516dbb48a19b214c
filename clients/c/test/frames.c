/* Frames: every damage is seen, and no byte is written beyond a buffer. */
#include "test.h"

#include <string.h>

static uint8_t wire[64];
static size_t nwire;

static void to_wire(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    memcpy(wire + nwire, bytes, n);
    nwire += n;
}

/* Each single bit of a frame, flipped: no frame, or, if a delimiter came of it, none with that body. */
static void flipped_bits(void)
{
    static const uint8_t body[] = {0x0a, 0x0c, 0x20, 0, 1, 0, 7, 0x32, 0x31, 0x2e};
    uint8_t buffer[UMQTT_RX_SIZE(32)];
    size_t bit;

    nwire = 0;
    umqtt_write_frame(to_wire, NULL, body, sizeof body, NULL, 0);
    for (bit = 8; bit < 8U * (nwire - 1U); bit++) {
        umqtt_decoder d;
        size_t i;

        umqtt_decoder_init(&d, buffer, sizeof buffer);
        wire[bit / 8U] ^= (uint8_t)(1U << (bit % 8U));
        for (i = 0; i < nwire; i++) {
            CHECK(umqtt_decode(&d, wire[i]) == 0U);
        }
        wire[bit / 8U] ^= (uint8_t)(1U << (bit % 8U));
    }
}

/* A buffer that is one byte too small, between two fences. */
static void tight_buffer(void)
{
    static const uint8_t body[] = {0x08, 0x0c, 0, 0, 1, 0, 7, 0x32};
    uint8_t fenced[32];
    size_t size;

    nwire = 0;
    umqtt_write_frame(to_wire, NULL, body, sizeof body, NULL, 0);
    for (size = 0; size <= sizeof body + 5U; size++) {
        umqtt_decoder d;
        size_t i;
        size_t found = 0;

        memset(fenced, 0xEE, sizeof fenced);
        umqtt_decoder_init(&d, fenced + 8, size);
        for (i = 0; i < nwire; i++) {
            found += umqtt_decode(&d, wire[i]);
        }
        EQUAL(found, (size >= UMQTT_RX_SIZE(sizeof body)) ? sizeof body : 0U);
        for (i = 0; i < sizeof fenced; i++) {
            if (i < 8U || i >= 8U + size) {
                CHECK(fenced[i] == 0xEEU);
            }
        }
    }
}

void test_frames(void)
{
    flipped_bits();
    tight_buffer();
}
