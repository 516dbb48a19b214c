// Package serialproto turns the bytes of a serial line into frames and console
// text, and messages into frames.
//
//	frame = 0x00 COBS(body crc) 0x00
//
// body is one MQTT-SN message (package mqttsn), crc is CRC-32/ISO-HDLC of body,
// four bytes, little-endian. docs/protocol.md is the specification.
package serialproto
