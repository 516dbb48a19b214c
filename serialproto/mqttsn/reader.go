package mqttsn

import "encoding/binary"

const (
	// longLength announces a Length of three octets (MQTT-SN 1.2 section 5.2.1).
	longLength = 0x01

	// protocolID is the only ProtocolId there is (MQTT-SN 1.2 section 5.3.8).
	protocolID = 0x01
)

// reader takes fields from a message, one after the other. The first fault
// stays in err, and everything read after it is zero.
type reader struct {
	body []byte
	off  int
	typ  Type
	node int // Encapsulated: where the header ends
	err  *Error
}

func (r *reader) fail(reason Reason, field, what string) {
	if r.err == nil {
		r.err = &Error{reason, r.typ, field, r.off, what}
	}
}

// rest returns what has not been read yet, without reading it.
func (r *reader) rest() []byte { return r.body[r.off:] }

func (r *reader) byte(field string) uint8 {
	if r.err != nil || len(r.rest()) < 1 {
		r.fail(Malformed, field, missing)
		return 0
	}
	b := r.body[r.off]
	r.off++
	return b
}

func (r *reader) uint16(field string) uint16 {
	if r.err != nil || len(r.rest()) < 2 {
		r.fail(Malformed, field, missing)
		return 0
	}
	n := binary.BigEndian.Uint16(r.rest())
	r.off += 2
	return n
}

// flags reads the Flags field of a message that uses only the bits in used.
// QoS -1 is PUBLISH's alone (MQTT-SN 1.2 section 6.8).
func (r *reader) flags(used Flags) Flags {
	at := r.off
	f := Flags(r.byte("Flags"))
	what := ""
	switch {
	case f&^used != 0:
		what = unused
	case f.TopicIDType() == reservedID, f.QoS() == -1 && r.typ != Publish:
		what = reserved
	}
	if what != "" {
		r.off = at
		r.fail(Malformed, "Flags", what)
		return 0
	}
	return f
}

// tail reads all that is left, which may be nothing.
func (r *reader) tail() []byte {
	if r.err != nil || len(r.rest()) == 0 {
		return nil
	}
	b := r.rest()
	r.off = len(r.body)
	return b[:len(b):len(b)]
}

// some reads all that is left, which must be something.
func (r *reader) some(field string) []byte {
	b := r.tail()
	if len(b) == 0 {
		r.fail(Malformed, field, empty)
	}
	return b
}
