package mqttsn

import "strconv"

// Reason sorts what is wrong with a message by what the receiver does next.
// Every reason but NotProtocol means: discard and count.
type Reason uint8

const (
	// BadLength: the Length field is not the number of bytes received.
	BadLength Reason = iota + 1
	// UnknownType: MQTT-SN 1.2 has no such message.
	UnknownType
	// Malformed: a field is missing, left over, or has a reserved value.
	Malformed
	// NotProtocol: CONNECT asks for another protocol or version. The packet is
	// filled nevertheless, and the answer is CONNACK "not supported".
	NotProtocol
)

// String returns the word used for r as the metrics' reason label.
func (r Reason) String() string {
	switch r {
	case BadLength:
		return "length"
	case UnknownType:
		return "type"
	case Malformed:
		return "malformed"
	case NotProtocol:
		return "protocol"
	}
	return "unknown"
}

// Error is what Parse returns for a message that it refuses.
type Error struct {
	Reason Reason
	Type   Type   // counts unless Field is empty
	Field  string // the standard's name of the field; empty if the message has not even a MsgType
	Offset int    // where the field begins, in bytes from the start of the body
	What   string // what is wrong with it
}

// Error names the message, the field, its offset and the fault.
func (e *Error) Error() string {
	if e.Field == "" {
		return "mqttsn: " + e.What
	}
	return "mqttsn: " + e.Type.String() + ": " + e.Field + " at offset " + strconv.Itoa(e.Offset) + ": " + e.What
}
