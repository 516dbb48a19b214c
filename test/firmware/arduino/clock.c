/*
 * A clock for Arduino sketches in QEMU, whose ATmega2560 has the 16-bit timers only: timer 1 has the period that the core gives timer 0, and calls its interrupt.
 * The core calls initVariant after it has set up its timers.
 */
#include <avr/interrupt.h>
#include <avr/io.h>

ISR(TIMER1_COMPA_vect, ISR_NAKED)
{
	__asm__("jmp __vector_23"); /* TIMER0_OVF_vect, which returns from the interrupt */
}

void initVariant(void)
{
	TCCR1A = 0;
	OCR1A = 255;
	TCCR1B = _BV(WGM12) | _BV(CS11) | _BV(CS10);
	TIMSK1 = _BV(OCIE1A);
}
