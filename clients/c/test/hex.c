#include "hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t hex_read(const char *text, uint8_t *to)
{
    size_t n = 0;

    while (*text != '\0' && *text != ';') {
        unsigned value = 0;
        unsigned long times = 1;
        int used = 0;

        if (*text == ' ' || *text == '~') {
            text++;
            continue;
        }
        if (sscanf(text, "%2x%n", &value, &used) != 1 || used != 2) {
            fprintf(stderr, "hex: \"%.20s\" is not hexadecimal\n", text);
            exit(2);
        }
        text += used;
        if (*text == '*') {
            char *end;

            times = strtoul(text + 1, &end, 10);
            text = end;
        }
        if (n + times > HEX_MAX) {
            fprintf(stderr, "hex: too long\n");
            exit(2);
        }
        memset(to + n, (int)value, times);
        n += times;
    }
    return n;
}

const char *hex_text(const uint8_t *bytes, size_t n)
{
    static char texts[4][3U * HEX_MAX + 1U];
    static unsigned next;
    char *text = texts[next++ % 4U];
    size_t i;

    text[0] = '\0';
    for (i = 0; i < n && i < HEX_MAX; i++) {
        (void)sprintf(text + 3U * i, "%02x ", bytes[i]);
    }
    if (i > 0U) {
        text[3U * i - 1U] = '\0';
    }
    return text;
}
