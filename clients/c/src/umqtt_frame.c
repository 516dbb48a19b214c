/* Frames: 00 COBS(body CRC-32) 00 (spec 3, 4.1). */
#include "umqtt_serial.h"

/* The CRC may be somebody else's: a ROM's, a DMA engine's. */
#if defined(UMQTT_CRC32_HEADER)
#include UMQTT_CRC32_HEADER
#elif !defined(UMQTT_CRC32) && defined(ESP_PLATFORM)
#include "esp_rom_crc.h"
#define UMQTT_CRC32(crc, bytes, n) esp_rom_crc32_le((crc), (bytes), (uint32_t)(n))
#endif

/* AVR copies constants to its RAM unless told not to. */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define UMQTT_ROM PROGMEM
#define UMQTT_ROM_U32(p) pgm_read_dword(p)
#else
#define UMQTT_ROM
#define UMQTT_ROM_U32(p) (*(p))
#endif

#define DELIMITER 0U
#define FULL_BLOCK 254U
#define FULL_CODE 255U /* 254 bytes follow, and no zero after them */
#define CRC_BYTES 4U
#define CHUNK 32U

#if defined(UMQTT_CRC32)
uint32_t umqtt_crc32(uint32_t crc, const uint8_t *bytes, size_t n)
{
    return UMQTT_CRC32(crc, bytes, n);
}
#else
/* The CRC of each half byte: 64 bytes where a table of whole ones has 1024. */
static const uint32_t half_crc[16] UMQTT_ROM = {
    0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU, 0x76DC4190U, 0x6B6B51F4U, 0x4DB26158U, 0x5005713CU,
    0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U, 0xCB61B38CU, 0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU,
};

uint32_t umqtt_crc32(uint32_t crc, const uint8_t *bytes, size_t n)
{
    size_t i;

    crc = ~crc;
    for (i = 0; i < n; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ UMQTT_ROM_U32(&half_crc[crc & 0x0FU]);
        crc = (crc >> 4) ^ UMQTT_ROM_U32(&half_crc[crc & 0x0FU]);
    }
    return ~crc;
}
#endif

/* A frame on its way out. Its data are head, rest and CRC; they stay where they are. */
typedef struct sender {
    umqtt_write_fn write;
    void *context;
    const uint8_t *head;
    const uint8_t *rest;
    size_t nhead;
    size_t ndata; /* of head and rest */
    uint32_t crc;
    size_t n;
    uint8_t chunk[CHUNK];
} sender;

static void put(sender *s, unsigned b)
{
    s->chunk[s->n] = (uint8_t)b;
    s->n++;
    if (s->n == CHUNK) {
        s->write(s->context, s->chunk, CHUNK);
        s->n = 0;
    }
}

static unsigned data_at(const sender *s, size_t i)
{
    if (i < s->nhead) {
        return s->head[i];
    }
    if (i < s->ndata) {
        return s->rest[i - s->nhead];
    }
    return (unsigned)(s->crc >> (8U * (i - s->ndata))) & 0xFFU;
}

void umqtt_write_frame(umqtt_write_fn write, void *context, const uint8_t *head, size_t nhead, const uint8_t *rest, size_t nrest)
{
    sender s;
    size_t i = 0;
    size_t to;
    size_t skip;
    size_t total = nhead + nrest + CRC_BYTES;
    bool again;

    s.write = write;
    s.context = context;
    s.head = head;
    s.rest = rest;
    s.nhead = nhead;
    s.ndata = nhead + nrest;
    s.crc = umqtt_crc32(umqtt_crc32(0, head, nhead), rest, nrest);
    s.n = 0;
    put(&s, DELIMITER);
    do { /* a block goes up to the next zero, which is left out, or to 254 bytes; after a full one at the end nothing follows (spec 3.3) */
        to = i;
        while (to < total && to - i < FULL_BLOCK && data_at(&s, to) != 0U) {
            to++;
        }
        again = to < total;
        skip = (again && to - i < FULL_BLOCK) ? 1U : 0U;
        for (put(&s, (unsigned)(to - i) + 1U); i < to; i++) {
            put(&s, data_at(&s, i));
        }
        i += skip;
    } while (again);
    put(&s, DELIMITER);
    if (s.n > 0U) {
        write(context, s.chunk, s.n);
    }
}

/* Forgets the run. */
static void restart(umqtt_decoder *d)
{
    d->len = 0;
    d->code = 0;
    d->left = 0;
    d->bad = false;
}

void umqtt_decoder_init(umqtt_decoder *d, uint8_t *buffer, size_t size)
{
    d->buffer = buffer;
    d->size = size;
    restart(d);
}

static void append(umqtt_decoder *d, uint8_t b)
{
    if (d->len < d->size) {
        d->buffer[d->len] = b;
        d->len++;
    } else {
        d->bad = true; /* longer than the longest frame (spec 4.1, rule 4) */
    }
}

/* The length of the body, if the run that has ended is a frame. */
static size_t finish(const umqtt_decoder *d)
{
    size_t body;
    uint32_t crc;
    unsigned i;

    if (d->bad || d->left != 0U || d->len <= CRC_BYTES) {
        return 0;
    }
    body = d->len - CRC_BYTES;
    crc = umqtt_crc32(0, d->buffer, body);
    for (i = 0; i < CRC_BYTES; i++) {
        if (d->buffer[body + i] != (uint8_t)(crc & 0xFFU)) {
            return 0;
        }
        crc >>= 8;
    }
    return body;
}

size_t umqtt_decode(umqtt_decoder *d, uint8_t byte)
{
    size_t body;

    if (byte == DELIMITER) { /* before anything else (spec 4.1, rule 1) */
        body = finish(d);
        restart(d);
        return body;
    }
    if (d->bad) {
        return 0;
    }
    if (d->left > 0U) {
        d->left--;
        append(d, byte);
        return 0;
    }
    if (d->code != 0U && d->code != FULL_CODE) {
        append(d, 0); /* between two blocks */
    }
    d->code = byte;
    d->left = byte - 1U;
    return 0;
}
