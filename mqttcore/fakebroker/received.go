package fakebroker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Packet is one packet a client has sent. Nobody writes to its slices again.
type Packet struct {
	Conn    int // on which connection, counted from 0
	Type    packet.Type
	ID      uint16                // of PUBLISH, PUBACK, SUBSCRIBE and UNSUBSCRIBE; else 0
	Connect packet.Connect        // of a CONNECT
	Publish packet.Publish        // of a PUBLISH
	Filters []packet.Subscription // of SUBSCRIBE and UNSUBSCRIBE; the latter's have no QoS
}

// longPayload is the length from which a payload is named, not printed.
const longPayload = 64

// parsePacket decodes exactly one packet, of the types a QoS 0 and 1 client may send. Its slices alias raw.
func parsePacket(conn int, raw []byte) (Packet, error) {
	p := Packet{Conn: conn, Type: packet.TypeOf(raw[0])}
	var err error
	switch p.Type {
	case packet.CONNECT:
		p.Connect, err = packet.ParseConnect(raw)
	case packet.PUBLISH:
		p.Publish, err = packet.ParsePublish(raw)
		p.ID = p.Publish.ID
		if err == nil && p.Publish.QoS > 1 {
			err = fmt.Errorf("PUBLISH with QoS %d", p.Publish.QoS)
		}
	case packet.PUBACK:
		p.ID, err = packet.ParsePuback(raw)
	case packet.SUBSCRIBE:
		p.ID, p.Filters, err = packet.ParseSubscribe(raw)
	case packet.UNSUBSCRIBE:
		var filters [][]byte
		p.ID, filters, err = packet.ParseUnsubscribe(raw)
		for _, filter := range filters {
			p.Filters = append(p.Filters, packet.Subscription{Filter: filter})
		}
	case packet.PINGREQ, packet.DISCONNECT:
		err = packet.ParseEmpty(raw, p.Type)
	default:
		err = fmt.Errorf("%v is not a client's to send", p.Type)
	}
	return p, err
}

// String returns the packet as one line, which is what Want compares:
//
//	CONNECT "board-1" clean keepalive=30 user="u" password="p" will=(q1 retain status "offline")
//	PUBLISH q0 a/b "text"
//	PUBLISH q1 id=7 dup retain a/b <2048 bytes>
//	PUBACK id=7
//	SUBSCRIBE id=8 commands/#:1 time:0
//	UNSUBSCRIBE id=9 time
//	PINGREQ
//	DISCONNECT
//
// Payloads of 64 bytes or more are named by their length.
func (p Packet) String() string {
	words := []string{p.Type.String()}
	add := func(when bool, format string, args ...any) {
		if when {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	switch p.Type {
	case packet.CONNECT:
		c := &p.Connect
		add(true, "%q", c.ClientID)
		add(c.CleanSession, "clean")
		add(true, "keepalive=%d", c.KeepAlive)
		add(c.HasUsername, "user=%q", c.Username)
		add(c.HasPassword, "password=%q", c.Password)
		add(c.HasWill, "will=(%s)", message(c.WillQoS, 0, false, c.WillRetain, c.WillTopic, c.Will))
	case packet.PUBLISH:
		m := &p.Publish
		add(true, "%s", message(m.QoS, m.ID, m.Dup, m.Retain, m.Topic, m.Payload))
	case packet.SUBSCRIBE:
		add(true, "id=%d", p.ID)
		for _, s := range p.Filters {
			add(true, "%s:%d", s.Filter, s.QoS)
		}
	case packet.UNSUBSCRIBE:
		add(true, "id=%d", p.ID)
		for _, s := range p.Filters {
			add(true, "%s", s.Filter)
		}
	case packet.PUBACK:
		add(true, "id=%d", p.ID)
	}
	return strings.Join(words, " ")
}

// message is the part of the line that PUBLISH and a will have in common.
func message(qos byte, id uint16, dup, retain bool, topic, payload []byte) string {
	words := []string{"q" + strconv.Itoa(int(qos))}
	if id != 0 {
		words = append(words, "id="+strconv.Itoa(int(id)))
	}
	if dup {
		words = append(words, "dup")
	}
	if retain {
		words = append(words, "retain")
	}
	text := strconv.Quote(string(payload))
	if len(payload) >= longPayload {
		text = fmt.Sprintf("<%d bytes>", len(payload))
	}
	return strings.Join(append(words, string(topic), text), " ")
}
