#include "board.h"

void board_report_number(uint32_t number)
{
	char text[11];
	char *digit = &text[10];
	*digit = '\0';
	do {
		*--digit = (char)('0' + (char)(number % 10u));
		number /= 10u;
	} while (number != 0u);
	board_report(digit);
}
