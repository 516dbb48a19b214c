package simulation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore/packet"
	"github.com/umqttd/umqttd/serialproto/board"
)

// poison is in what the broker does not take.
const poison = "poison"

// upMessage is something that a program has to say.
type upMessage struct {
	board     *boardHost
	i         int
	payload   string
	qos       int
	poison    bool
	given     bool // to the board
	confirmed bool // the gateway has acknowledged it
	dropped   bool // the gateway has refused it, for good
	allowed   int  // how often it may be handed to the MQTT session
	handed    int  // and was
	arrived   bool // at the broker
	stored    bool // on disk, and synced
	closes    int  // how often the broker closed the connection while it was the oldest
	aside     bool // in the quarantine
}

// settled reports whether the program need not say it again.
func (m *upMessage) settled() bool { return m.confirmed || m.dropped }

// downMessage is a message for a board.
type downMessage struct {
	board *boardHost
	i     int
	qos   byte
	lost  bool // the broker does not have it any more
}

func (m *downMessage) topic() []byte { return fmt.Appendf(nil, "down/%s/%d", m.board.name, m.i%3) }
func (m *downMessage) payload() []byte {
	return fmt.Appendf(nil, "%d %s", m.i, strings.Repeat("x", 11*m.i%100))
}

// books are what the judge writes down.
type books struct {
	w         *world
	order     []*upMessage   // first copies with QoS 1, as a subscriber sees them
	confirmed []*upMessage   // as acknowledged to boards
	wills     map[string]int // by client id: how many came
}

// message returns what a board has said, or nil.
func (k *books) message(topic, payload string) *upMessage {
	for _, b := range k.w.boards {
		for _, m := range b.up {
			if topic == "up/"+b.name && payload == m.payload {
				return m
			}
		}
	}
	return nil
}

// arrived notes what the broker has taken.
func (k *books) arrived(clientID string, p *packet.Publish) {
	w := k.w
	topic, payload := string(p.Topic), string(p.Payload)
	w.tracef("broker has %q from %s", payload, clientID)
	if topic == "will/"+clientID && strings.HasPrefix(payload, clientID+" gone ") {
		if k.wills == nil {
			k.wills = map[string]int{}
		}
		k.wills[clientID]++
		return
	}
	m := k.message(topic, payload)
	switch {
	case m == nil || m.board.name != clientID || int(p.QoS) != m.qos || p.Retain || !m.given:
		w.violate("%s published %q on %q with QoS %d, which no board said", clientID, payload, topic, p.QoS)
	case m.arrived:
	default:
		m.arrived = true
		if m.qos == 1 {
			k.order = append(k.order, m)
		}
	}
}

// handed notes what the gateway hands to an MQTT session.
func (k *books) handed(topic, payload []byte) {
	m := k.message(string(topic), string(payload))
	if m == nil {
		return // a will, or nothing that anybody said: the broker will tell
	}
	if m.handed++; m.handed > m.allowed && k.w.kills == 0 && !m.poison { // what was refused is not remembered
		k.w.violate("%q was published %d times, want %d at most", payload, m.handed, m.allowed)
	}
}

// observe checks what a board sees.
func (b *boardHost) observe(ev *board.Event) {
	w := b.w
	switch ev.Kind {
	case board.Connected:
		w.tracef("%s is connected", b.name)
		b.promised = nil
		if b.cfg.CleanSession {
			b.sayAgain() // as new messages: the gateway has forgotten them
		}
	case board.Disconnected:
		w.tracef("%s is disconnected: %v", b.name, ev.Reason)
		b.disturbed = true
	case board.Awake:
		b.woke, b.promised = w.now, w.waiting(b)
	case board.Asleep:
		if ev.Reason != board.Unanswered && !w.trouble.After(b.woke.Add(-keepAlive)) {
			for _, m := range b.promised {
				if b.got[m.i] == 0 {
					w.violate("%s was told that there is no more, and downlink %d waits", b.name, m.i)
				}
			}
		}
		b.promised = nil
	case board.Subscribed:
		b.subscribed = w.now
	case board.Published:
		m := b.up[ev.Token]
		if m.qos == 1 {
			w.tracef("%s has %d acknowledged", b.name, m.i)
			w.books.confirm(m)
		}
	case board.Dropped:
		m := b.up[ev.Token]
		if m.dropped = true; !m.poison {
			w.violate("the gateway refused message %d: %s", ev.Token, ev.ReturnCode)
		}
	case board.Received:
		b.received(ev)
	default:
	}
}

// confirm notes what was acknowledged to a board.
func (k *books) confirm(m *upMessage) {
	if m.confirmed {
		return
	}
	m.confirmed = true
	k.confirmed = append(k.confirmed, m)
	if !m.arrived && !m.stored {
		k.w.violate("%q was acknowledged, and neither broker nor disk has it", m.payload)
	}
}

// received checks a message from the broker.
func (b *boardHost) received(ev *board.Event) {
	w := b.w
	i := -1
	if _, err := fmt.Sscan(string(ev.Data), &i); err != nil || i < 0 || i >= len(b.down) {
		w.violate("%s received %q on %q", b.name, ev.Data, ev.Topic)
		return
	}
	m := b.down[i]
	if ev.Topic != string(m.topic()) || string(ev.Data) != string(m.payload()) || ev.QoS != int(m.qos) {
		w.violate("%s received %q on %q with QoS %d", b.name, ev.Data, ev.Topic, ev.QoS)
		return
	}
	w.tracef("%s has downlink %d", b.name, i)
	b.got[i]++
	if again := b.got[i] - 1; again > 0 && !b.disturbed && w.kills == 0 && (m.qos == 0 || again > b.acks[i]) {
		w.violate("downlink %d came %d times to %s", i, b.got[i], b.name)
	}
	if m.qos == 1 && b.got[i] == 1 {
		if i < b.last {
			w.violate("downlink %d came to %s after %d", i, b.name, b.last)
		}
		b.last = i
	}
}

// verdict looks at the whole when all is quiet.
func (k *books) verdict() error {
	if err := k.w.process.verdict(); err != nil {
		return err
	}
	for _, b := range k.w.boards {
		for _, m := range b.up {
			switch {
			case m.confirmed && !m.arrived && !m.aside:
				return fmt.Errorf("%q was acknowledged and did not arrive", m.payload)
			case m.aside && !m.poison && m.closes < 5:
				return fmt.Errorf("%q is in the quarantine, and the broker closed %d times on it", m.payload, m.closes)
			}
		}
		for _, m := range b.down {
			if m.qos == 1 && !m.lost && b.got[m.i] == 0 {
				return fmt.Errorf("downlink %d never came to %s", m.i, b.name)
			}
		}
		if b.cfg.Window == 1 {
			if err := k.ordered(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// ordered compares what a board was told with what a subscriber saw.
func (k *books) ordered(b *boardHost) error {
	of := func(all []*upMessage) []*upMessage {
		var some []*upMessage
		for _, m := range all {
			if m.board == b && m.confirmed && m.arrived {
				some = append(some, m)
			}
		}
		return some
	}
	told, seen := of(k.confirmed), of(k.order)
	for i := range min(len(told), len(seen)) {
		if told[i] != seen[i] {
			return fmt.Errorf("%q came to the broker where %q should have", seen[i].payload, told[i].payload)
		}
	}
	return nil
}

// standing reports whether a board is connected to the gateway, and its session to the
// broker.
func (w *world) standing(name string) bool {
	return w.process != nil &&
		slices.ContainsFunc(w.process.gw.Nodes(), func(n gateway.NodeStatus) bool { return n.ClientID == name && n.Connected && n.Broker }) &&
		slices.ContainsFunc(w.broker.conns, func(c *brokerConn) bool { return c.name() == name })
}

// downlink returns the message that the broker sends, or nil.
func (w *world) downlink(topic, payload []byte) *downMessage {
	for _, b := range w.boards {
		for _, m := range b.down {
			if string(m.topic()) == string(topic) && string(m.payload()) == string(payload) {
				return m
			}
		}
	}
	return nil
}

// waiting returns the QoS 1 messages that the gateway holds for a board that it knows
// to be asleep, and could acknowledge.
func (w *world) waiting(b *boardHost) []*downMessage {
	var held []*downMessage
	if w.process == nil || !slices.ContainsFunc(w.process.gw.Nodes(), func(n gateway.NodeStatus) bool {
		return n.ClientID == b.name && n.Asleep && n.Broker
	}) {
		return nil
	}
	for _, id := range inOrder(w.process.sessions) {
		for _, m := range w.process.sessions[id].delivered {
			if m != nil && m.board == b && m.qos > 0 {
				held = append(held, m)
			}
		}
	}
	slices.SortFunc(held, func(a, b *downMessage) int { return a.i - b.i })
	return held
}
