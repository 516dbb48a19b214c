/* A firmware that sends back what it receives, until the byte 4 comes. It shows that a machine works. */
#include "board.h"

int main(void)
{
	board_start();
	board_report("ready\n");
	for (;;) {
		int byte = board_read();
		if (byte < 0) {
			board_idle();
		} else if (byte == 4) {
			board_report("ms ");
			board_report_number(board_millis());
			board_report("\n");
			board_end(7);
		} else {
			uint8_t back = (uint8_t)byte;
			board_write(&back, 1);
		}
	}
}
