// Package firmware takes the C client of clients/c to real instruction sets: rv32imc, that of an ESP32-C3, and AVR, whose int has 16 bits. Its tests compile firmware with
// Debian's cross compilers, start QEMU with the machine's UART on a pty, and let it talk through a bad line to the real umqttd and a real mosquitto. There is nothing else in it.
//
//	boards/    what a firmware needs of a machine: start, UART, clock, report (board.h)
//	session/   the firmware: sessions, messages and commands until it is told to stop
//	echo/      the firmware that shows that a machine works
//	arduino/   what runs the class UmqttSerial and sketches on this machine, and what a sketch needs in QEMU
//	esp-idf/   what runs the UART glue for ESP-IDF on this machine
//	standins/  what stands in for what no package brings: ESP-IDF, and Arduino's core where it is not the one for AVR
//
// Tests of the size hold what the client costs on five instruction sets. Others take the part of those who use it: every example is compiled as its own build system does,
// and run whole, on this machine against the real umqttd, one of them on an ATmega2560 too; and the packages for Arduino, ESP-IDF and PlatformIO name what exists.
// install-packages brings what they need.
package firmware
