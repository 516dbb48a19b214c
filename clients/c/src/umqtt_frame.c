/* Frames: 00 COBS(body CRC-32) 00 (spec 3, 4.1). */
#include "umqtt_serial.h"

/* The CRC may be somebody else's: a ROM's, a DMA engine's. */
#if defined(UMQTT_CRC32_HEADER)
#include UMQTT_CRC32_HEADER
#elif !defined(UMQTT_CRC32) && defined(ESP_PLATFORM)
#include "esp_rom_crc.h"
#define UMQTT_CRC32(crc, bytes, n) esp_rom_crc32_le((crc), (bytes), (uint32_t)(n))
#endif

#define DELIMITER 0U
#define FULL_BLOCK 254U
#define FULL_CODE 255U /* 254 bytes follow, and no zero after them */
#define CRC_BYTES 4U
#define CRC_OF_ALL 0x2144DF1CU /* of body and CRC together (spec 3.2) */
#define CHUNK 32U

#if defined(UMQTT_CRC32)
uint32_t umqtt_crc32(uint32_t crc, const uint8_t *bytes, size_t n)
{
    return UMQTT_CRC32(crc, bytes, n);
}
#else
/* Bit by bit: shorter than any table, and fast enough where there is no ROM to do it. */
uint32_t umqtt_crc32(uint32_t crc, const uint8_t *bytes, size_t n)
{
    unsigned bit;

    crc = ~crc;
    for (; n > 0U; n--) {
        crc ^= *bytes;
        bytes++;
        for (bit = 0; bit < 8U; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
        }
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

void umqtt_decoder_init(umqtt_decoder *d, uint8_t *buffer, size_t size)
{
    d->buffer = buffer;
    d->size = size;
    d->len = 0;
    d->code = 0;
    d->left = 0;
}

size_t umqtt_decode(umqtt_decoder *d, uint8_t byte)
{
    size_t len = d->len;
    bool whole = d->left == 0U;
    unsigned code = d->code;

    if (byte == DELIMITER) { /* before anything else (spec 4.1, rule 1) */
        umqtt_decoder_init(d, d->buffer, d->size);
        return (whole && len > CRC_BYTES && len <= d->size && umqtt_crc32(0, d->buffer, len) == CRC_OF_ALL) ? len - CRC_BYTES : 0U;
    }
    if (!whole) {
        d->left--;
    } else {
        d->code = byte;
        d->left = byte - 1U;
        byte = 0; /* between two blocks */
        if (code == 0U || code == FULL_CODE) {
            return 0;
        }
    }
    if (len < d->size) {
        d->buffer[len] = byte;
    }
    if (len <= d->size) { /* one more than the size says: too long, up to the delimiter (spec 4.1, rule 4) */
        d->len = len + 1U;
    }
    return 0;
}
