// Package packet encodes and decodes the control packets of MQTT 3.1.1
// (OASIS standard, 29 October 2014), those a client sends and those a server
// sends.
//
// Every packet is a fixed header and a body:
//
//	byte 0     type << 4 | flags
//	byte 1..4  remaining length, 7 bits a byte, least significant first
//	...        body: variable header and payload
//
// # Decoding
//
// [Size] finds where the first packet in a buffer ends, and refuses it as soon
// as its header is known to be wrong or its length is over the caller's limit:
// nothing is ever allocated from a length that a peer names. The Parse
// functions then take exactly one packet. They are strict: whatever the
// standard forbids is an [Error], which names the packet, the field and the
// offset. The one liberty is a remaining length written with more bytes than
// needed (84 00 for 4), which MQTT 3.1.1 does not forbid.
//
// Decoded slices alias the input; nothing is copied, and no Parse function
// allocates unless it returns an error or a list of filters.
//
// # Encoding
//
// Append functions and methods add one packet to a slice that the caller owns.
// They write what they are given: topics, filters and lengths are checked
// beforehand with [CheckTopic], [CheckFilter] and [MaxRemaining].
//
// QoS 2 ends at the codec: PUBLISH with QoS 2 is decoded, PUBREC, PUBREL and
// PUBCOMP are known by name only.
package packet
