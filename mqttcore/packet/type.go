package packet

import "strconv"

// Type is the control packet type, the high four bits of a packet's first
// byte. See MQTT 3.1.1 section 2.2.1.
type Type byte

// The fourteen control packet types. 0 and 15 are forbidden.
const (
	CONNECT     Type = 1
	CONNACK     Type = 2
	PUBLISH     Type = 3
	PUBACK      Type = 4
	PUBREC      Type = 5
	PUBREL      Type = 6
	PUBCOMP     Type = 7
	SUBSCRIBE   Type = 8
	SUBACK      Type = 9
	UNSUBSCRIBE Type = 10
	UNSUBACK    Type = 11
	PINGREQ     Type = 12
	PINGRESP    Type = 13
	DISCONNECT  Type = 14
)

var typeNames = [16]string{
	"reserved type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC",
	"PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK",
	"PINGREQ", "PINGRESP", "DISCONNECT", "reserved type 15",
}

// TypeOf returns the type that a packet's first byte names.
func TypeOf(first byte) Type { return Type(first >> 4) }

// String returns the name that the standard uses.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// flags returns the low four header bits that the standard fixes for t.
// PUBLISH is the one type whose bits carry something.
// [MQTT-2.2.2-1]
func (t Type) flags() byte {
	switch t {
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		return 0b0010
	default:
		return 0
	}
}

// Error tells why bytes are no MQTT 3.1.1 packet. The connection they came
// from must be closed. [MQTT-4.8.0-1]
type Error struct {
	Packet Type
	Field  string // what is wrong, in the standard's words, e.g. "topic name"
	Offset int    // of the field, in bytes from the packet's first byte
	Reason string
}

// Error returns e.g. "packet: PUBACK packet identifier at byte 2: is zero".
func (e *Error) Error() string {
	return "packet: " + e.Packet.String() + " " + e.Field + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}
