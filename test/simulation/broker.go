package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// broker is an MQTT broker: it reads and writes the real bytes.
type broker struct {
	w       *world
	up      bool
	since   time.Time // it has been up since then
	clients map[string]*client
	conns   []*brokerConn // that stand, in order
}

// client is what the broker knows of a client id.
type client struct {
	name    string
	known   bool // there is a session
	kept    bool // which outlives its connection
	conn    *brokerConn
	filters map[string]byte
	queue   []*letter // QoS 1, not acknowledged
	lastID  uint16
}

// letter is a message for a client.
type letter struct {
	m    *downMessage
	id   uint16 // packet identifier; 0 before it was sent
	sent bool   // on this connection
}

func (b *broker) start() {
	b.up, b.since = true, b.w.now
	if b.clients == nil {
		b.clients = map[string]*client{}
	}
}

// stop takes the broker away for a while. Forget says that it comes back without
// its sessions.
func (b *broker) stop(length time.Duration, forget bool) {
	if !b.up {
		return
	}
	b.w.tracef("broker stops for %v, forgets %v", length, forget)
	b.up, b.w.trouble = false, b.w.now
	for _, c := range slices.Clone(b.conns) {
		c.will = nil // nobody is there to publish it
		c.wire.cut()
		c.closed()
	}
	if forget {
		for _, name := range inOrder(b.clients) {
			b.clients[name].forget()
		}
	}
	b.w.after(length, func() {
		b.w.tracef("broker is back")
		b.start()
	})
}

// cut cuts a connection.
func (b *broker) cut() {
	if len(b.conns) > 0 {
		c := b.conns[b.w.r.IntN(len(b.conns))]
		b.w.tracef("connection of %s is cut", c.name())
		b.w.trouble = b.w.now
		c.wire.cut()
	}
}

// accept takes a connection whose client end is given.
func (b *broker) accept(receive func([]byte), end func()) *wire {
	c := &brokerConn{b: b, w: b.w, wire: new(wire)}
	c.wire.up = stream{w: b.w, receive: c.receive, end: c.closed}
	c.wire.down = stream{w: b.w, receive: receive, end: end}
	b.conns = append(b.conns, c)
	return c.wire
}

// forget ends a session.
func (c *client) forget() {
	for _, l := range c.queue {
		l.m.lost = true
	}
	c.known, c.filters, c.queue = false, nil, nil
}

// publish has a message published for a board. It is lost if the board's client has
// not subscribed, or has QoS 0 and is not there.
func (b *broker) publish(m *downMessage) {
	c := b.clients[m.board.name]
	qos, subscribed := c.filters["down/"+m.board.name+"/#"]
	switch {
	case !b.up, !c.known, !subscribed:
		m.lost = true
	case min(qos, m.qos) == 0:
		if c.conn != nil {
			c.conn.send((&packet.Publish{Topic: m.topic(), Payload: m.payload()}).Append(nil))
		}
	default:
		c.queue = append(c.queue, &letter{m: m})
		c.deliver()
	}
}

// ready reports whether messages for a board would reach it in the end.
func (b *broker) ready(name string) bool {
	c := b.clients[name]
	return b.up && c != nil && c.known && c.filters["down/"+name+"/#"] > 0
}

// deliver sends what fits into the broker's window, in order.
func (c *client) deliver() {
	const window = 8
	for i := 0; c.conn != nil && i < len(c.queue) && i < window; i++ {
		l := c.queue[i]
		if l.sent {
			continue
		}
		p := packet.Publish{Topic: l.m.topic(), Payload: l.m.payload(), QoS: 1, Dup: l.id != 0}
		if l.id == 0 {
			c.lastID++
			l.id = c.lastID
		}
		p.ID, l.sent = l.id, true
		c.conn.send(p.Append(nil))
	}
}

// acknowledge takes a PUBACK.
func (c *client) acknowledge(id uint16) {
	i := slices.IndexFunc(c.queue, func(l *letter) bool { return l.sent && l.id == id })
	if i < 0 {
		c.conn.w.violate("%s acknowledged identifier %d, which is not under way", c.name, id)
		return
	}
	m := c.queue[i].m
	c.conn.w.tracef("broker: %s acknowledged %d", c.name, m.i)
	if m.board.got[m.i] == 0 {
		c.conn.w.violate("downlink %d was acknowledged to the broker before %s had it", m.i, c.name)
	}
	c.queue = slices.Delete(c.queue, i, i+1)
	c.deliver()
}

func (b *broker) unfinished() string {
	for _, name := range inOrder(b.clients) {
		if n := len(b.clients[name].queue); n > 0 {
			return fmt.Sprintf("the broker has %d messages for %s", n, name)
		}
	}
	return ""
}

// subscribe grants what is asked for.
func (c *client) subscribe(filters []packet.Subscription) []byte {
	var codes []byte
	for _, f := range filters {
		if !mqttcore.ValidFilter(f.Filter) {
			c.conn.w.violate("%s subscribed to %q", c.name, f.Filter)
		}
		if c.filters == nil {
			c.filters = map[string]byte{}
		}
		c.filters[string(f.Filter)] = f.QoS
		codes = append(codes, f.QoS)
	}
	return codes
}
