// Package serialproto is the wire format of boards on a serial line: frames
// around MQTT-SN messages, on a line that also carries console text and noise.
// It does no I/O and has no clock.
//
//	frame = 0x00 COBS(body crc) 0x00
//
// body is one MQTT-SN message (package mqttsn reads and writes those), crc is
// the CRC-32/ISO-HDLC of body, four bytes, little-endian. A zero never occurs
// between the delimiters, so a receiver finds its place again at the very next
// one, whatever was lost, altered or printed before it.
//
// AppendFrame makes frames. A Decoder finds them, and tells text from noise:
//
//	chunks of bytes -> delimiter -> COBS -> CRC -> frame
//	                                  '------'--> text, line by line, or noise
//
// Invariants: damage to one frame loses that frame alone. What a Decoder finds
// does not depend on how the bytes were cut into chunks. Its memory is bounded
// by twice the longest frame, and grows with what has arrived, never with what
// a peer announces. Neither direction allocates in steady state.
//
// docs/protocol.md is the specification, with the test vectors that the tests
// of this package read.
package serialproto
