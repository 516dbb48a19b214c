/* ATmega2560 at 16 MHz, as on an Arduino Mega: USART0 is the line, USART1 the report, timer 1 the clock. QEMU has the 16-bit timers only (1, 3, 4 and 5). */
#include "board.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

/* Bytes wait here between the interrupt and board_read. 256, so that the indices need no modulo; what does not fit is lost, as on every UART. */
static volatile uint8_t ring[256];
static volatile uint8_t ring_in, ring_out;
static volatile uint32_t milliseconds;

ISR(USART0_RX_vect)
{
	uint8_t byte = UDR0;
	if ((uint8_t)(ring_in + 1u) != ring_out) {
		ring[ring_in] = byte;
		ring_in++;
	}
}

ISR(TIMER1_COMPA_vect)
{
	milliseconds++;
}

void board_start(void)
{
	UBRR0 = 16; /* 115,200 baud with U2X */
	UCSR0A = _BV(U2X0);
	UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
	UBRR1 = 16;
	UCSR1A = _BV(U2X1);
	UCSR1B = _BV(TXEN1);
	OCR1A = 249; /* 16 MHz / 64 / 250: 1 kHz */
	TCCR1A = 0;
	TCCR1B = _BV(WGM12) | _BV(CS11) | _BV(CS10);
	TIMSK1 = _BV(OCIE1A);
	sei();
}

int board_read(void)
{
	if (ring_out == ring_in) {
		return -1;
	}
	uint8_t byte = ring[ring_out];
	ring_out++;
	return byte;
}

void board_write(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while ((UCSR0A & _BV(UDRE0)) == 0) {
		}
		UDR0 = bytes[i];
	}
}

uint32_t board_millis(void)
{
	uint32_t now;
	ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
	{
		now = milliseconds;
	}
	return now;
}

/* The core does not sleep: QEMU 7.2 comes back to the instruction sleep, not to the one after it, so that nothing would ever go on. */
void board_idle(void)
{
	uint32_t began = board_millis();
	while (ring_out == ring_in && board_millis() == began) {
	}
}

void board_report(const char *text)
{
	for (; *text != '\0'; text++) {
		while ((UCSR1A & _BV(UDRE1)) == 0) {
		}
		UDR1 = (uint8_t)*text;
	}
}

void board_end(int status)
{
	board_report("exit ");
	board_report_number((uint32_t)status);
	board_report("\n");
	cli();
	for (;;) {
	}
}
