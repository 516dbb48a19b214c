package packet

// AppendPingreq appends a PINGREQ.
func AppendPingreq(dst []byte) []byte { return append(dst, byte(PINGREQ)<<4, 0) }

// AppendPingresp appends a PINGRESP. [MQTT-3.12.4-1]
func AppendPingresp(dst []byte) []byte { return append(dst, byte(PINGRESP)<<4, 0) }

// AppendDisconnect appends a DISCONNECT, after which a client sends nothing.
// [MQTT-3.14.4-2]
func AppendDisconnect(dst []byte) []byte { return append(dst, byte(DISCONNECT)<<4, 0) }

// ParseEmpty checks a packet of type t that has no body: PINGREQ, PINGRESP or
// DISCONNECT.
func ParseEmpty(p []byte, t Type) error {
	d := open(p, t)
	return d.end()
}
