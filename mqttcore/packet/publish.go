package packet

// Publish is an application message on its way, in either direction.
// MQTT 3.1.1 section 3.3.
type Publish struct {
	Topic   []byte
	Payload []byte
	ID      uint16 // 1 to 65535 with QoS 1 and 2; absent with QoS 0
	QoS     byte   // 0, 1 or 2
	Retain  bool
	Dup     bool // this may be a second delivery; never with QoS 0
}

func (p *Publish) body() int {
	n := 2 + len(p.Topic) + len(p.Payload)
	if p.QoS > 0 {
		n += 2
	}
	return n
}

// Size returns the length in bytes of the encoded packet.
func (p *Publish) Size() int {
	n := p.body()
	return headerLen(n) + n
}

// Append appends the packet to dst.
func (p *Publish) Append(dst []byte) []byte {
	first := byte(PUBLISH)<<4 | p.QoS<<1
	if p.Retain {
		first |= 0b0001
	}
	if p.Dup {
		first |= 0b1000
	}
	dst = appendHeader(dst, first, p.body())
	dst = appendBinary(dst, p.Topic)
	if p.QoS > 0 {
		dst = appendUint16(dst, p.ID)
	}
	return append(dst, p.Payload...)
}

// ParsePublish decodes a PUBLISH packet. Topic and Payload alias p.
func ParsePublish(p []byte) (Publish, error) {
	d := open(p, PUBLISH)
	if d.err != nil {
		return Publish{}, d.err
	}
	m := Publish{
		Dup:    p[0]&0b1000 != 0,
		QoS:    p[0] >> 1 & 0b11,
		Retain: p[0]&0b0001 != 0,
	}
	m.Topic = d.checked("topic name", CheckTopic)
	if m.QoS > 0 {
		m.ID = d.id() // [MQTT-2.3.1-1]
	}
	if d.err != nil {
		return Publish{}, d.err
	}
	m.Payload = d.p[d.off:]
	return m, nil
}

// AppendPuback appends a PUBACK. Id is that of the PUBLISH. [MQTT-2.3.1-6]
func AppendPuback(dst []byte, id uint16) []byte {
	return append(dst, byte(PUBACK)<<4, 2, byte(id>>8), byte(id))
}

// ParsePuback decodes a PUBACK and returns its packet identifier.
func ParsePuback(p []byte) (uint16, error) { return parseID(p, PUBACK) }

// parseID decodes a packet whose body is a packet identifier and no more.
func parseID(p []byte, t Type) (uint16, error) {
	d := open(p, t)
	id := d.id()
	if err := d.end(); err != nil {
		return 0, err
	}
	return id, nil
}

func appendUint16(dst []byte, v uint16) []byte { return append(dst, byte(v>>8), byte(v)) }

func appendBinary(dst, v []byte) []byte {
	return append(appendUint16(dst, uint16(len(v))), v...)
}
