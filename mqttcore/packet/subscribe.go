package packet

import "fmt"

// SubackFailure is the return code of a filter that the server refuses. The
// others are the granted QoS, 0 to 2.
const SubackFailure = 0x80

// Subscription is a topic filter and the QoS asked for.
type Subscription struct {
	Filter []byte
	QoS    byte // 0, 1 or 2
}

// AppendSubscribe appends a SUBSCRIBE with one filter or more.
// [MQTT-3.8.3-3]
func AppendSubscribe(dst []byte, id uint16, filters ...Subscription) []byte {
	body := 2
	for _, f := range filters {
		body += 2 + len(f.Filter) + 1
	}
	dst = appendHeader(dst, byte(SUBSCRIBE)<<4|SUBSCRIBE.flags(), body)
	dst = appendUint16(dst, id)
	for _, f := range filters {
		dst = append(appendBinary(dst, f.Filter), f.QoS)
	}
	return dst
}

// ParseSubscribe decodes a SUBSCRIBE packet. The filters alias p.
func ParseSubscribe(p []byte) (id uint16, filters []Subscription, err error) {
	d := open(p, SUBSCRIBE)
	id = d.id()
	for d.err == nil && (d.left() > 0 || filters == nil) {
		s := Subscription{d.checked("topic filter", CheckFilter), d.byte("requested QoS")}
		if d.err == nil && s.QoS > 2 {
			d.fail("requested QoS", d.off-1, fmt.Sprintf("is %#x", s.QoS)) // [MQTT-3-8.3-4]
		}
		filters = append(filters, s)
	}
	if d.err != nil {
		return 0, nil, d.err
	}
	return id, filters, nil
}

// AppendSuback appends a SUBACK with one code for each filter, in their order.
// [MQTT-3.8.4-5]
func AppendSuback(dst []byte, id uint16, codes ...byte) []byte {
	dst = appendHeader(dst, byte(SUBACK)<<4, 2+len(codes))
	return append(appendUint16(dst, id), codes...)
}

// ParseSuback decodes a SUBACK packet. Codes aliases p, is not empty, and
// holds 0, 1, 2 and [SubackFailure] only. [MQTT-3.9.3-2]
func ParseSuback(p []byte) (id uint16, codes []byte, err error) {
	d := open(p, SUBACK)
	id = d.id()
	if d.err == nil && d.left() == 0 {
		d.fail("return code", d.off, "is missing")
	}
	if d.err != nil {
		return 0, nil, d.err
	}
	codes = d.p[d.off:]
	for i, c := range codes {
		if c > 2 && c != SubackFailure {
			d.fail("return code", d.off+i, fmt.Sprintf("%#x is reserved", c))
			return 0, nil, d.err
		}
	}
	return id, codes, nil
}

// AppendUnsubscribe appends an UNSUBSCRIBE with one filter or more.
// [MQTT-3.10.3-2]
func AppendUnsubscribe(dst []byte, id uint16, filters ...[]byte) []byte {
	body := 2
	for _, f := range filters {
		body += 2 + len(f)
	}
	dst = appendHeader(dst, byte(UNSUBSCRIBE)<<4|UNSUBSCRIBE.flags(), body)
	dst = appendUint16(dst, id)
	for _, f := range filters {
		dst = appendBinary(dst, f)
	}
	return dst
}

// ParseUnsubscribe decodes an UNSUBSCRIBE packet. The filters alias p.
func ParseUnsubscribe(p []byte) (id uint16, filters [][]byte, err error) {
	d := open(p, UNSUBSCRIBE)
	id = d.id()
	for d.err == nil && (d.left() > 0 || filters == nil) {
		filters = append(filters, d.checked("topic filter", CheckFilter))
	}
	if d.err != nil {
		return 0, nil, d.err
	}
	return id, filters, nil
}

// AppendUnsuback appends an UNSUBACK.
func AppendUnsuback(dst []byte, id uint16) []byte {
	return append(dst, byte(UNSUBACK)<<4, 2, byte(id>>8), byte(id))
}

// ParseUnsuback decodes an UNSUBACK and returns its packet identifier.
func ParseUnsuback(p []byte) (uint16, error) { return parseID(p, UNSUBACK) }
