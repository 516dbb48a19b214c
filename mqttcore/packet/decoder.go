package packet

import "fmt"

// decoder walks over the body of one packet. The first fault sticks; after it
// every read returns zero.
type decoder struct {
	p   []byte // the whole packet, so that offsets count from its first byte
	off int
	typ Type
	err error
}

// open checks that p is exactly one packet of type t.
func open(p []byte, t Type) decoder {
	d := decoder{p: p, typ: t}
	if len(p) == 0 {
		d.fail("fixed header", 0, "is missing")
		return d
	}
	if got := TypeOf(p[0]); got != t {
		d.typ = got
		d.fail("packet type", 0, "is not "+t.String())
		return d
	}
	if d.err = checkFirst(p[0]); d.err != nil {
		return d
	}
	body, n, err := remaining(p)
	switch {
	case err != nil:
		d.err = err
	case n == 0:
		d.fail("remaining length", 1, "is incomplete")
	case n+body != len(p):
		d.fail("remaining length", 1, fmt.Sprintf("is %d with %d bytes at hand", body, len(p)-n))
	}
	d.off = n
	return d
}

func (d *decoder) fail(field string, off int, reason string) {
	if d.err == nil {
		d.err = &Error{d.typ, field, off, reason}
	}
}

// left returns the number of bytes not yet read.
func (d *decoder) left() int { return len(d.p) - d.off }

// end fails if bytes are left over.
func (d *decoder) end() error {
	if d.err == nil && d.left() > 0 {
		d.fail("end", d.off, fmt.Sprintf("is followed by %d more bytes", d.left()))
	}
	return d.err
}

func (d *decoder) byte(field string) byte {
	if d.err != nil {
		return 0
	}
	if d.left() < 1 {
		d.fail(field, d.off, "is missing")
		return 0
	}
	b := d.p[d.off]
	d.off++
	return b
}

func (d *decoder) uint16(field string) uint16 {
	if d.err != nil {
		return 0
	}
	if d.left() < 2 {
		d.fail(field, d.off, "is cut short")
		return 0
	}
	v := uint16(d.p[d.off])<<8 | uint16(d.p[d.off+1])
	d.off += 2
	return v
}

// id reads a packet identifier. [MQTT-2.3.1-1]
func (d *decoder) id() uint16 {
	id := d.uint16("packet identifier")
	if d.err == nil && id == 0 {
		d.fail("packet identifier", d.off-2, "is zero")
	}
	return id
}

// binary reads bytes that two bytes of length stand before.
func (d *decoder) binary(field string) []byte {
	off := d.off
	n := int(d.uint16(field))
	if d.err != nil {
		return nil
	}
	if n > d.left() {
		d.fail(field, off, fmt.Sprintf("has length %d with %d bytes left", n, d.left()))
		return nil
	}
	v := d.p[d.off : d.off+n : d.off+n]
	d.off += n
	return v
}

// checked reads a string and applies one of the Check functions to it.
func (d *decoder) checked(field string, check func([]byte) string) []byte {
	off := d.off
	v := d.binary(field)
	if d.err != nil {
		return nil
	}
	if fault := check(v); fault != "" {
		d.fail(field, off, fault)
		return nil
	}
	return v
}
