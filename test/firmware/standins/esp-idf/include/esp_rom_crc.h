/* See esp_err.h. */
#ifndef ESP_ROM_CRC_STANDIN_H
#define ESP_ROM_CRC_STANDIN_H

#include <stdint.h>

uint32_t esp_rom_crc32_le(uint32_t crc, uint8_t const *buf, uint32_t len);

#endif
