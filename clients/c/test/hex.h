/* Bytes as docs/protocol.md writes them: "61*3 00" is 61 61 61 00. */
#ifndef HEX_H
#define HEX_H

#include <stddef.h>
#include <stdint.h>

#define HEX_MAX 8192U

/* Reads text up to its end or a ';', and returns how many bytes that are. Ends the program if it is not hexadecimal. '~' is nothing. */
size_t hex_read(const char *text, uint8_t *to);

/* Writes bytes as text, without any '*'. The text is valid until the next call but three. */
const char *hex_text(const uint8_t *bytes, size_t n);

#endif
