// Package firmware takes the C client of clients/c to real instruction sets: rv32imc, that of an ESP32-C3, and AVR, whose int has 16 bits. Its tests compile firmware with
// Debian's cross compilers, start QEMU with the machine's UART on a pty, and let it talk through a bad line to the real umqttd and a real mosquitto. There is nothing else in it.
//
//	boards/    what a firmware needs of a machine: start, UART, clock, report (board.h)
//	session/   the firmware: sessions, messages and commands until it is told to stop
//	echo/      the firmware that shows that a machine works
//	size/      an object as large as the client's RAM
//	standins/  what stands in for headers that no package brings: ESP-IDF's
//
// Tests of the size hold what the client costs on five instruction sets (budget.txt); others hold that the packages for Arduino, ESP-IDF and PlatformIO name what exists, and
// compile their examples. install-packages brings what they need.
package firmware
