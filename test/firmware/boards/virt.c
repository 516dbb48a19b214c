/* QEMU's rv32imc machine "virt": a 16550 UART, a clock of 10 MHz, and the host itself for the report. Interrupts are pending, and so end a wfi, but are never taken. */
#include "board.h"

#define UART ((volatile uint8_t *)0x10000000u)
#define PLIC_PRIORITY ((volatile uint32_t *)0x0c000000u)
#define PLIC_ENABLE ((volatile uint32_t *)0x0c002000u)
#define PLIC_THRESHOLD ((volatile uint32_t *)0x0c200000u)
#define PLIC_CLAIM ((volatile uint32_t *)0x0c200004u)
#define MTIMECMP ((volatile uint32_t *)0x02004000u)
#define MTIME ((volatile uint32_t *)0x0200bff8u)
#define TEST ((volatile uint32_t *)0x00100000u) /* SiFive's test device: ends the machine */

#define UART_IRQ 10u
#define TICKS_PER_MS 10000u

#define SYS_WRITE0 4u

uint32_t semihosting(uint32_t operation, const void *argument);

static uint64_t ticks(void)
{
	uint32_t high, low;
	do {
		high = MTIME[1];
		low = MTIME[0];
	} while (high != MTIME[1]);
	return ((uint64_t)high << 32) | low;
}

void board_start(void)
{
	UART[2] = 0x01; /* FIFO on */
	UART[1] = 0x01; /* interrupt when there is a byte */
	PLIC_PRIORITY[UART_IRQ] = 1u;
	PLIC_ENABLE[0] = 1u << UART_IRQ;
	PLIC_THRESHOLD[0] = 0u;
}

int board_read(void)
{
	return (UART[5] & 0x01u) != 0u ? UART[0] : -1;
}

void board_write(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while ((UART[5] & 0x20u) == 0u) {
		}
		UART[0] = bytes[i];
	}
}

uint32_t board_millis(void)
{
	return (uint32_t)(ticks() / TICKS_PER_MS);
}

void board_idle(void)
{
	uint64_t wake = ticks() + TICKS_PER_MS;
	MTIMECMP[1] = 0xffffffffu;
	MTIMECMP[0] = (uint32_t)wake;
	MTIMECMP[1] = (uint32_t)(wake >> 32);
	__asm__ volatile("wfi");
	*PLIC_CLAIM = *PLIC_CLAIM;
}

void board_report(const char *text)
{
	(void)semihosting(SYS_WRITE0, text);
}

void board_end(int status)
{
	board_report("exit ");
	board_report_number((uint32_t)status);
	board_report("\n");
	*TEST = status == 0 ? 0x5555u : ((uint32_t)status << 16) | 0x3333u;
	for (;;) {
	}
}

/* The compiler calls these on its own account. */
void *memcpy(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	while (n-- > 0u) {
		*t++ = *f++;
	}
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	if (t < f) {
		return memcpy(to, from, n);
	}
	while (n-- > 0u) {
		t[n] = f[n];
	}
	return to;
}

void *memset(void *to, int value, size_t n)
{
	uint8_t *t = to;
	while (n-- > 0u) {
		*t++ = (uint8_t)value;
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a;
	const uint8_t *y = b;
	for (; n > 0u; n--, x++, y++) {
		if (*x != *y) {
			return *x < *y ? -1 : 1;
		}
	}
	return 0;
}

size_t strlen(const char *text)
{
	size_t n = 0;
	while (text[n] != '\0') {
		n++;
	}
	return n;
}
