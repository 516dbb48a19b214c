package gateway

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/umqttd/umqttd/serialproto"
)

// Inbound is one message from the broker on its way to a board. Take it from
// Gateway.NewInbound, fill it, and hand it to Deliver, which owns it from then.
type Inbound struct {
	Topic, Payload []byte
	QoS            byte // 0 or 1
	Retain         bool
	Dup            bool      // the broker has sent it before
	Delivery       uint64    // what ReleaseInbound will name
	Received       time.Time // read from the broker

	msgID uint16 // towards the board, once it was sent
	sent  bool   // at least once, in this or an earlier board session
	buf   []byte
}

// Set copies topic and payload into the message.
func (m *Inbound) Set(topic, payload []byte) {
	m.buf = append(append(m.buf[:0], topic...), payload...)
	m.Topic, m.Payload = m.buf[:len(topic)], m.buf[len(topic):]
}

// NewInbound returns an empty message. Unlike the other methods it may be
// called from any goroutine.
func (g *Gateway) NewInbound() *Inbound {
	if m, ok := g.pool.Get().(*Inbound); ok {
		*m = Inbound{buf: m.buf}
		return m
	}
	return new(Inbound)
}

// Deliver hands a message from the broker to the node. It is kept, in order,
// until the board has it; then ReleaseInbound is commanded.
func (g *Gateway) Deliver(now time.Time, id NodeID, m *Inbound) {
	g.recycle()
	n := g.byID[id]
	if n == nil || !n.mqtt.opened || n.mqtt.purging {
		g.abandon(id, true, m)
		return
	}
	if n.state == away && (n.clean || m.QoS == 0) {
		g.abandon(id, true, m) // its session goes on for what it said only
		return
	}
	if g.known(n, m) {
		return
	}
	n.queue = append(n.queue, m)
	g.makeReady(n)
	g.pump(now)
}

// A session with CleanSession=0 outlives its connections: the broker sends again
// what was not acknowledged on the one that is gone, in its old order and with
// DUP. What is still here of that connection can be acknowledged no more. So,
// when a connection has gone,
//
//   - messages that the board has not seen wait until the broker is back, and are
//     dropped if it still knows the session, since they come again (resume);
//   - the one that the board has seen, or perhaps seen, takes the place of its
//     successor, or if the board acknowledges it before that comes, is remembered
//     (settled, known).
//
// What the board acknowledged just before the connection went may come twice, as
// QoS 1 allows: whether the broker got that PUBACK nobody knows.

// content tells messages apart.
type content struct {
	topicLen int
	hash     uint64
}

func (n *node) content(m *Inbound) content {
	var h maphash.Hash
	h.SetSeed(n.dup.seeded())
	h.Write(m.Topic)
	h.Write(m.Payload)
	return content{len(m.Topic), h.Sum64()}
}

// orphaned reports whether m came by a connection that is gone, and will come
// again.
func (n *node) orphaned(m *Inbound) bool {
	return m.QoS > 0 && n.mqtt.keptByBroker() && !m.Received.After(n.mqtt.lostAt)
}

// held reports whether m waits for the broker to come back.
func (n *node) held(m *Inbound) bool { return !n.mqtt.online && !m.sent && n.orphaned(m) }

// resume deals with what is left of the last connection now that there is a new one.
func (g *Gateway) resume(n *node, sessionPresent bool) {
	if !sessionPresent {
		n.mqtt.lostAt, n.settled = time.Time{}, nil // the broker sends nothing again
	}
	again := func(m *Inbound) bool { return n.orphaned(m) && !m.sent }
	if len(n.queue) > 0 && again(n.queue[0]) && n.request.forHead() {
		n.request = request{} // REGISTER
	}
	n.queue = slices.DeleteFunc(n.queue, func(m *Inbound) bool {
		if again(m) {
			g.release(n.id, m, false)
			return true
		}
		return false
	})
	g.makeReady(n)
}

// known deals with a message that the board has or is getting already, and with
// one that will come again.
func (g *Gateway) known(n *node, m *Inbound) bool {
	switch {
	case m.QoS == 0 || !n.mqtt.keptByBroker() || !n.mqtt.online:
		return false
	case n.orphaned(m): // it was under way when the connection went
		g.release(n.id, m, false)
		return true
	case !m.Dup:
		n.settled = nil // from here on all is new
		return false
	case n.takeSettled(m):
		g.release(n.id, m, true)
		return true
	case len(n.queue) > 0 && n.orphaned(n.queue[0]) && n.content(m) == n.content(n.queue[0]):
		head := n.queue[0]
		head.Delivery, m.Delivery = m.Delivery, head.Delivery
		head.Received = m.Received
		g.release(n.id, m, false)
		return true
	}
	return false
}

// takeSettled reports whether the board has m already. As the broker keeps its
// order, those that were settled before m do not come again: it has their PUBACK.
func (n *node) takeSettled(m *Inbound) bool {
	i := -1
	if len(n.settled) > 0 {
		i = slices.Index(n.settled, n.content(m))
	}
	n.settled = n.settled[i+1:]
	return i >= 0
}

// release gives m back. accepted says that the broker may forget it.
func (g *Gateway) release(id NodeID, m *Inbound, accepted bool) {
	g.command(Command{Kind: ReleaseInbound, Node: id, Delivery: m.Delivery, QoS: int8(m.QoS), Accepted: accepted})
	g.used = append(g.used, m)
}

// abandon gives back a message for a board that is gone. QoS 0, and all of a
// clean session, ends here.
func (g *Gateway) abandon(id NodeID, clean bool, m *Inbound) {
	if m.QoS == 0 || clean {
		g.notice(Notice{Kind: MessageDropped, Node: id, QoS: int8(m.QoS), Reason: ReasonBoardGone, Size: len(m.Payload), Topic: m.Topic})
	}
	g.release(id, m, false)
}

// recycle makes room for new messages, now that nobody looks at the notices of
// the last turn any more.
func (g *Gateway) recycle() {
	for i, m := range g.used {
		if cap(m.buf) <= serialproto.DefaultMaxFrame {
			g.pool.Put(m)
		}
		g.used[i] = nil
	}
	g.used = g.used[:0]
}

// discardQueue gives back what a board that is gone did not get. clean says that
// the broker forgets it too.
func (g *Gateway) discardQueue(n *node, clean bool) {
	for i, m := range n.queue {
		g.abandon(n.id, clean, m)
		n.queue[i] = nil
	}
	n.queue = n.queue[:0]
	n.tries = 0
}

// shift removes the head of the queue, which the board has or will never have.
func (g *Gateway) shift(n *node) {
	m := n.queue[0]
	if n.orphaned(m) {
		n.settled = append(n.settled, n.content(m))
	}
	copy(n.queue, n.queue[1:])
	n.queue[len(n.queue)-1] = nil
	n.queue = n.queue[:len(n.queue)-1]
	n.tries = 0
	g.release(n.id, m, true)
}
