package simulation

import (
	"bytes"
	"slices"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// brokerConn is the broker's end of a connection.
type brokerConn struct {
	b      *broker
	w      *world
	wire   *wire
	in     []byte
	client *client // nil before CONNECT
	will   *packet.Connect
	gone   bool
	owed   []uint16  // PUBACKs
	next   time.Time // when the last of them leaves
}

func (c *brokerConn) name() string {
	if c.client == nil {
		return "nobody yet"
	}
	return c.client.name
}

func (c *brokerConn) send(p []byte) { c.wire.down.send(p) }

// receive takes bytes, and from them packets.
func (c *brokerConn) receive(p []byte) {
	c.in = append(c.in, p...)
	for !c.gone {
		n, err := packet.Size(c.in, 1<<20)
		if err != nil {
			c.w.violate("the broker received % x: %v", c.in, err)
			return
		}
		if n == 0 || n > len(c.in) {
			return
		}
		p := c.in[:n:n]
		c.in = c.in[n:]
		c.handle(p)
	}
}

func (c *brokerConn) handle(p []byte) {
	t := packet.TypeOf(p[0])
	var err error
	switch {
	case (t == packet.CONNECT) != (c.client == nil):
		c.w.violate("%v from %s", t, c.name())
		return
	case t == packet.CONNECT:
		err = c.connect(p)
	case t == packet.PUBLISH:
		err = c.publish(p)
	case t == packet.PUBACK:
		var id uint16
		if id, err = packet.ParsePuback(p); err == nil {
			c.client.acknowledge(id)
		}
	case t == packet.SUBSCRIBE:
		var id uint16
		var filters []packet.Subscription
		if id, filters, err = packet.ParseSubscribe(p); err == nil {
			c.w.tracef("broker: %s subscribes", c.name())
			c.send(packet.AppendSuback(nil, id, c.client.subscribe(filters)...))
		}
	case t == packet.UNSUBSCRIBE:
		var id uint16
		if id, _, err = packet.ParseUnsubscribe(p); err == nil {
			c.send(packet.AppendUnsuback(nil, id))
		}
	case t == packet.PINGREQ:
		c.send(packet.AppendPingresp(nil))
	case t == packet.DISCONNECT:
		c.w.tracef("broker: %s disconnects", c.name())
		c.will = nil
		c.close()
	default:
		c.w.violate("%v from %s", t, c.name())
	}
	if err != nil {
		c.w.violate("the broker received % x: %v", p, err)
	}
}

// connect begins a session, or goes on with one.
func (c *brokerConn) connect(p []byte) error {
	connect, err := packet.ParseConnect(bytes.Clone(p))
	if err != nil {
		return err
	}
	name := string(connect.ClientID)
	k := c.b.clients[name]
	if k == nil {
		k = &client{name: name}
		c.b.clients[name] = k
	}
	if k.conn != nil {
		k.conn.close() // [MQTT-3.1.4-2]
	}
	if connect.CleanSession {
		k.forget()
	}
	c.w.tracef("broker: %s connects, clean %v, will %v, known %v", name, connect.CleanSession, connect.HasWill, k.known)
	c.send(packet.Connack{SessionPresent: k.known}.Append(nil))
	k.known, k.kept, k.conn, c.client = true, !connect.CleanSession, c, k
	if connect.HasWill {
		c.will = &connect
	}
	for _, l := range k.queue {
		l.sent = false
	}
	k.deliver()
	return nil
}

// publish takes a message. What nobody should take closes the connection.
func (c *brokerConn) publish(p []byte) error {
	m, err := packet.ParsePublish(p)
	if err != nil {
		return err
	}
	if bytes.Contains(m.Payload, []byte(poison)) {
		c.w.tracef("broker: %q from %s is not taken", m.Payload, c.name())
		c.w.trouble = c.w.now
		c.close() // acknowledgements that are owed are lost, as with a socket that is reset
		return nil
	}
	c.w.books.arrived(c.name(), &m)
	if m.QoS == 0 {
		return nil
	}
	if c.owed = append(c.owed, m.ID); len(c.owed) > maxInflight {
		c.w.violate("%d messages of %s are in flight, %d are allowed", len(c.owed), c.name(), maxInflight)
	}
	delay := c.w.delay()
	if c.w.one(8) {
		delay *= 30 // long enough for the outbox
	}
	if at := c.w.now.Add(delay); at.After(c.next) {
		c.next = at
	}
	c.w.at(c.next, func() {
		if !c.gone {
			c.send(packet.AppendPuback(nil, c.owed[0]))
			c.owed = c.owed[1:]
		}
	})
	return nil
}

// close ends the connection from the broker's side.
func (c *brokerConn) close() {
	c.wire.down.close()
	c.wire.up.dead = true
	c.closed()
}

// closed is what the broker does when a connection has ended.
func (c *brokerConn) closed() {
	if c.gone {
		return
	}
	c.gone = true
	c.wire.up.dead = true
	c.wire.down.close()
	c.b.conns = slices.DeleteFunc(c.b.conns, func(o *brokerConn) bool { return o == c })
	if c.client != nil && c.client.conn == c {
		c.client.conn = nil
		if !c.client.kept {
			c.client.forget()
		}
	}
	if w := c.will; w != nil {
		c.w.books.arrived(c.name(), &packet.Publish{Topic: w.WillTopic, Payload: w.Will, QoS: w.WillQoS})
	}
}
