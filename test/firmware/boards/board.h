/* What a firmware under test asks of the machine below it. One file for each machine implements it: virt.c (QEMU's rv32imc "virt") and mega2560.c (ATmega2560). */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

/* board_start sets up line, clock and report. To be called first. */
void board_start(void);

/* board_read returns the next byte that the line has received, or -1 if there is none. */
int board_read(void);

/* board_write sends n bytes by the line and returns when the UART has them all. */
void board_write(const uint8_t *bytes, size_t n);

/* board_millis returns the milliseconds since board_start; it starts anew at 2^32. */
uint32_t board_millis(void);

/* board_idle waits for a byte, or for a millisecond at most. */
void board_idle(void);

/* board_report tells the test something, not by the line. A line feed ends each line. */
void board_report(const char *text);

/* board_end reports "exit STATUS" and ends: the whole machine where that can be done, else all that the firmware does. */
void board_end(int status);

/* board_report_number reports a number in decimal digits. */
void board_report_number(uint32_t number);

#endif
