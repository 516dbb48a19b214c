package simulation

import (
	"slices"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore"
)

// events hands on what the engine says. The gateway is told as package devices
// tells it: in its own turn, in this order.
func (s *session) events() {
	for ev, ok := s.engine.Next(); ok; ev, ok = s.engine.Next() {
		switch {
		case ev.State != nil:
			st := *ev.State
			s.struck(&st)
			s.p.post(func() { s.changed(&st) })
		case ev.Published != nil:
			c := *ev.Published
			s.completed(c.Token)
			s.p.post(func() { s.published(&c) })
		case ev.Subscribed != nil:
			c := *ev.Subscribed
			s.p.post(func() { s.subscribed(&c) })
		case ev.Delivery != nil:
			s.deliver(ev.Delivery)
		}
	}
}

// changed deals with a change of the connection to the broker.
func (s *session) changed(st *mqttcore.State) {
	if !s.turn.Live() {
		return
	}
	w, gw := s.p.w, s.p.gw
	w.tracef("%s is %v, session present %v, by peer %v", s.clientID, st.Kind, st.SessionPresent, st.ByPeer)
	switch st.Kind {
	case mqttcore.Connected:
		gw.SessionUp(w.now, s.node, st.SessionPresent)
	case mqttcore.Refused:
		gw.SessionRefused(w.now, s.node, byte(st.Code))
	default:
		clear(s.delivered)
		gw.SessionDown(w.now, s.node, w.now, st.ByPeer)
	}
}

// published tells the gateway what became of a message.
func (s *session) published(c *mqttcore.Completion) {
	result := gateway.Safe
	if c.Err != nil {
		result = gateway.Refused
	}
	s.p.gw.Published(s.p.w.now, s.node, c.Token, int8(c.QoS), result)
}

func (s *session) subscribed(c *mqttcore.SubCompletion) {
	if c.Again {
		return
	}
	result := gateway.Granted
	if c.Err != nil {
		result = gateway.Unanswered
	}
	s.p.gw.Subscribed(s.p.w.now, s.node, c.Token, result, c.Granted)
}

// deliver hands a broker's message to its board, unless it is of a session that ends.
func (s *session) deliver(d *mqttcore.Delivery) {
	p := s.p
	in := p.gw.NewInbound()
	in.Set(d.Topic, d.Payload)
	in.QoS, in.Retain, in.Dup, in.Delivery, in.Received = d.QoS, d.Retain, d.Dup, d.ID, p.w.now
	if p.w.bug == CopiesTakenForNew {
		in.Dup = false
	}
	m := p.w.downlink(d.Topic, d.Payload)
	if p.w.bug == BrokerBeforeBoard {
		s.engine.Ack(d.ID)
	}
	p.post(func() {
		if s.turn.Leaving() {
			return // QoS 1 comes again
		}
		p.handed++
		s.delivered[in.Delivery] = m
		p.w.tracef("%s is handed %q as %d, dup %v", s.clientID, in.Payload, in.Delivery, in.Dup)
		p.gw.Deliver(p.w.now, s.node, in)
	})
}

// release acknowledges a message to the broker. As long as the gateway believes in
// the connection, that counts: it cannot know whether the broker gets it.
func (s *session) release(c *gateway.Command) {
	s.p.w.tracef("%s releases %d, accepted %v", s.clientID, c.Delivery, c.Accepted)
	m := s.delivered[c.Delivery]
	delete(s.delivered, c.Delivery)
	if !c.Accepted || c.QoS == 0 {
		return
	}
	if m != nil {
		m.board.acks[m.i]++
	}
	s.engine.Ack(c.Delivery)
	s.later(0, s.pump)
}

// struck counts how often the broker closed a connection while a message was the
// oldest.
func (s *session) struck(st *mqttcore.State) {
	if st.ByPeer && len(s.asked) > 0 {
		s.asked[0].m.closes++
	}
}

// completed takes a message off the books of those that are under way.
func (s *session) completed(token uint64) {
	if i := slices.IndexFunc(s.asked, func(a asked) bool { return a.token == token }); i >= 0 {
		s.asked = slices.Delete(s.asked, i, i+1)
	}
}
