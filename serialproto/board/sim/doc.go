// Package sim makes a board out of package board and a line: it adds the clock,
// the goroutines and everything that goes wrong on a serial cable. The command
// `umqttd sim`, the demo, tests and benchmarks run the same one.
//
//	program -> board -> transmitter --faults--> line
//	program <- board <- decoder <- receiver <--faults-- line
//
// Bytes take the time that they take at the line's speed, in both directions.
// What the gateway sends waits in a receive ring of a few hundred bytes until
// the program looks, and is lost in silence if the ring is full, as on a board.
// Between frames the board prints, and before its first frame it shows the
// banner of its boot ROM.
//
// One goroutine owns all state; a second one reads from the line.
package sim
