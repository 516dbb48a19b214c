package packet

import "fmt"

// MaxRemaining is the longest body that the remaining length can name.
const MaxRemaining = 268_435_455

// maxHeader is the length of the longest fixed header.
const maxHeader = 5

// Size returns the length in bytes of the packet that p begins with, header
// included. It is 0 while p holds too little to tell, and may be larger than
// len(p): the caller then reads on, at its own pace.
//
// Size fails as soon as the bytes at hand are wrong: on a reserved type, on
// flags that the standard does not allow, on a remaining length of more than
// four bytes, and on a packet of more than max bytes, all before anybody needs
// memory for the body. Max of 0 or less is no limit.
func Size(p []byte, max int) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := checkFirst(p[0]); err != nil {
		return 0, err
	}
	body, n, err := remaining(p)
	if n == 0 || err != nil {
		return 0, err
	}
	if max > 0 && n+body > max {
		return 0, &Error{TypeOf(p[0]), "remaining length", 1, fmt.Sprintf("packet of %d bytes is over the limit of %d", n+body, max)}
	}
	return n + body, nil
}

// checkFirst refuses a first byte that no packet may have.
func checkFirst(first byte) error {
	t, flags := TypeOf(first), first&0x0f
	switch {
	case t == 0 || t == 15:
		return &Error{t, "packet type", 0, "is reserved"}
	case t == PUBLISH && flags&0b0110 == 0b0110:
		return &Error{t, "QoS", 0, "is 3"} // [MQTT-3.3.1-4]
	case t == PUBLISH && flags&0b1110 == 0b1000:
		return &Error{t, "DUP flag", 0, "is set with QoS 0"} // [MQTT-3.3.1-2]
	case t != PUBLISH && flags != t.flags():
		return &Error{t, "header flags", 0, fmt.Sprintf("are %#x instead of %#x", flags, t.flags())} // [MQTT-2.2.2-2]
	}
	return nil
}

// remaining decodes the remaining length of the packet that p begins with, and
// the length of the fixed header, which is 0 while p is too short.
// MQTT 3.1.1 section 2.2.3.
func remaining(p []byte) (body, header int, err error) {
	for i := 1; i < maxHeader; i++ {
		if i >= len(p) {
			return 0, 0, nil
		}
		body |= int(p[i]&0x7f) << (7 * (i - 1))
		if p[i] < 0x80 {
			return body, i + 1, nil
		}
	}
	return 0, 0, &Error{TypeOf(p[0]), "remaining length", 1, "has more than four bytes"}
}

// appendHeader appends the fixed header of a packet with body bytes to come.
func appendHeader(dst []byte, first byte, body int) []byte {
	dst = append(dst, first)
	for body >= 0x80 {
		dst = append(dst, byte(body)|0x80)
		body >>= 7
	}
	return append(dst, byte(body))
}

// headerLen returns the length of the fixed header before a body.
func headerLen(body int) int {
	n := 2
	for body >= 0x80 {
		body >>= 7
		n++
	}
	return n
}
