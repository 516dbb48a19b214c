package fakebroker

import (
	"slices"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Behavior says how the broker answers by itself on one connection. The zero value is a good broker, which remembers sessions, acknowledges
// every PUBLISH at once, grants every subscription and answers pings. It routes nothing: what a client is to receive, the test sends, with
// Conn.Publish or BeforeReading.
type Behavior struct {
	// Refuse is the code CONNECT is refused with. 0: it is not.
	Refuse packet.ReturnCode

	// Session is what CONNACK says of the session, the truth or not.
	Session Session

	// KickAfterConnack closes the connection right after CONNACK, as a broker does when another client has the same name.
	KickAfterConnack bool

	// Raw is sent right after CONNACK, as it stands.
	Raw []byte

	// BeforeReading is sent after CONNACK, and nothing is read until all of it is written. If it is more than Config.SendBuffer, the broker
	// does not read until it has been read from.
	BeforeReading []packet.Publish

	// CutAfterRead closes the connection when so many bytes of it, CONNECT's included, have been read. 0: never.
	CutAfterRead int

	// CutAfterWrite closes it when so many have been written, CONNACK's included. 0: never.
	CutAfterWrite int

	// HoldPubacks keeps PUBACKs back until Conn.Release.
	HoldPubacks bool

	// ReversePubacks collects so many PUBACKs and sends them last first. Fewer are sent, so too, before the answer to any other packet. 0 and 1:
	// they are sent as they come.
	ReversePubacks int

	// Grant returns the code for a subscription. Nil: the QoS asked for.
	Grant func(filter string, qos byte) byte

	// IgnorePings leaves PINGREQ unanswered.
	IgnorePings bool
}

// Session is what CONNACK says of the session.
type Session int

const (
	TrueSession  Session = iota // whether the broker served the client id before, and no CleanSession came between
	LostSession                 // never present, as after a broker lost its disk
	FalseSession                // present whenever MQTT allows it, with CleanSession=0 that is, even if the broker never saw the client
)

// serve answers one connection until it ends.
func (c *Conn) serve(behavior Behavior) {
	defer c.Close()
	if behavior.CutAfterRead > 0 {
		c.readCut = behavior.CutAfterRead
	}
	if behavior.CutAfterWrite > 0 {
		c.writeCut = behavior.CutAfterWrite
	}
	p, err := c.next()
	if err != nil {
		return
	}
	present := c.b.openSession(&p.Connect, behavior)
	if c.write(packet.Connack{SessionPresent: present, Code: behavior.Refuse}.Append(nil)) != nil {
		return
	}
	if behavior.Refuse != packet.Accepted || behavior.KickAfterConnack {
		return
	}
	if c.write(appendMessages(slices.Clone(behavior.Raw), behavior.BeforeReading)) != nil {
		return
	}
	for {
		p, err := c.next()
		if err != nil || c.write(c.answer(p, behavior)) != nil {
			return
		}
	}
}

// answer returns what is to be sent after p was received.
func (c *Conn) answer(p Packet, behavior Behavior) []byte {
	if p.Type == packet.PUBLISH {
		return c.acknowledge(p.Publish, behavior)
	}
	var raw []byte
	if !behavior.HoldPubacks {
		raw = c.takeHeld(true)
	}
	switch p.Type {
	case packet.SUBSCRIBE:
		codes := make([]byte, len(p.Filters))
		for i, s := range p.Filters {
			codes[i] = s.QoS
			if behavior.Grant != nil {
				codes[i] = behavior.Grant(string(s.Filter), s.QoS)
			}
		}
		c.free(p.ID, packet.SUBSCRIBE)
		raw = packet.AppendSuback(raw, p.ID, codes...)
	case packet.UNSUBSCRIBE:
		c.free(p.ID, packet.UNSUBSCRIBE)
		raw = packet.AppendUnsuback(raw, p.ID)
	case packet.PINGREQ:
		if !behavior.IgnorePings {
			raw = packet.AppendPingresp(raw)
		}
	}
	return raw
}

// acknowledge returns the PUBACKs that are due once m was received.
func (c *Conn) acknowledge(m packet.Publish, behavior Behavior) []byte {
	if m.QoS == 0 {
		return nil
	}
	c.b.mu.Lock()
	c.held = append(c.held, m.ID)
	held := len(c.held)
	c.b.notify()
	c.b.mu.Unlock()
	if behavior.HoldPubacks || held < behavior.ReversePubacks {
		return nil
	}
	return c.takeHeld(true)
}

// takeHeld encodes the PUBACKs held back and forgets them.
func (c *Conn) takeHeld(reverse bool) []byte {
	c.b.mu.Lock()
	held := c.held
	c.held = nil
	c.b.mu.Unlock()
	if reverse {
		slices.Reverse(held)
	}
	var raw []byte
	for _, id := range held {
		c.free(id, packet.PUBLISH)
		raw = packet.AppendPuback(raw, id)
	}
	return raw
}

// Held waits until n PUBACKs are held back, and returns the identifiers in order of arrival.
func (c *Conn) Held(n int) []uint16 {
	c.b.t.Helper()
	var held []uint16
	c.b.await("PUBLISH packets to hold", func() bool {
		held = slices.Clone(c.held)
		return len(held) >= n
	})
	return held
}

// Release sends the PUBACKs held back, in order of arrival.
func (c *Conn) Release() {
	c.b.t.Helper()
	c.SendRaw(c.takeHeld(false))
}

// openSession notes what a CONNECT does to the session, and returns what CONNACK says of it. "If the Server accepts a connection with
// CleanSession set to 1, the Server MUST set Session Present to 0" [MQTT-3.2.2-1]; a refusal has 0 too [MQTT-3.2.2-4].
func (b *Broker) openSession(connect *packet.Connect, behavior Behavior) (present bool) {
	if behavior.Refuse != packet.Accepted {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id := string(connect.ClientID)
	present = b.sessions[id]
	switch behavior.Session {
	case TrueSession:
	case LostSession:
		present = false
	case FalseSession:
		present = true
	}
	b.sessions[id] = !connect.CleanSession
	return present && !connect.CleanSession
}
