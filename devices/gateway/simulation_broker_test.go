package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// simBroker is the broker, and the MQTT sessions that a device would run for
// the gateway's nodes.
type simBroker struct {
	w        *world
	up       bool
	upSince  time.Time
	sessions map[NodeID]*simSession
	clients  map[string]*simClient

	published map[string]int  // how often the gateway published a payload
	safe      map[string]bool // payloads that the broker has
	arrived   []string        // first copies, in order
	delivery  uint64
	handed    int // messages given to the gateway
	released  int // and taken back
}

// simSession is one MQTT session, as a device runs it.
type simSession struct {
	node        NodeID
	clientID    string
	clean       bool
	will        *Will
	opened      bool
	online      bool
	onlineSince time.Time
	run         int       // counts connections
	held        []Command // PUBLISH that the broker has not acknowledged
	asked       []Command // SUBSCRIBE that it has not answered
}

// simClient is what the broker knows of a client id.
type simClient struct {
	broker     *simBroker
	name       string
	known      bool // there is a session
	subscribed bool
	queue      []*downMessage // QoS 1, not acknowledged
	nextOut    int            // of the messages for this client
	wills      []string       // published
}

// downMessage is a message for a board.
type downMessage struct {
	i        int
	sent     bool   // on an earlier connection
	delivery uint64 // on this one; 0: not sent
}

// fail takes the broker away for a while.
func (k *simBroker) fail(length time.Duration) {
	if !k.up {
		return
	}
	k.up = false
	for _, s := range k.inOrder() {
		k.offline(s, true)
	}
	k.w.after(length, func() {
		k.up, k.upSince = true, k.w.now
		for _, s := range k.inOrder() {
			k.connect(s)
		}
	})
}

// inOrder returns the sessions in the order of their nodes.
func (k *simBroker) inOrder() []*simSession {
	var all []*simSession
	for _, s := range k.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *simSession) int { return int(a.node) - int(b.node) })
	return all
}

func (k *simBroker) sessionOf(clientID string) *simSession {
	for _, s := range k.sessions {
		if s.clientID == clientID && s.online {
			return s
		}
	}
	return nil
}

// offline ends the connection of s.
func (k *simBroker) offline(s *simSession, tell bool) {
	if !s.online {
		return
	}
	s.online = false
	s.run++
	client := k.clients[s.clientID]
	for _, m := range client.queue {
		m.sent, m.delivery = m.sent || m.delivery != 0, 0
	}
	if s.clean {
		client.known, client.queue = false, nil
	}
	if tell {
		k.w.gw.SessionDown(k.w.now, s.node, k.w.now, false)
	}
}

// connect brings s online, and both ends send again what was not acknowledged.
func (k *simBroker) connect(s *simSession) {
	if !s.opened || s.online || !k.up {
		return
	}
	client := k.clients[s.clientID]
	if client == nil {
		client = &simClient{broker: k, name: s.clientID}
		k.clients[s.clientID] = client
	}
	present := client.known && !s.clean
	s.online, s.onlineSince, client.known = true, k.w.now, true
	s.run++
	k.w.now = k.w.now.Add(1) // a connection takes time
	k.w.gw.SessionUp(k.w.now, s.node, present)
	for _, c := range s.held {
		k.acknowledge(s, c)
	}
	for _, c := range s.asked {
		k.subscribe(s, c)
	}
	client.deliver(s)
}

// execute does what the gateway asks of an MQTT session.
func (k *simBroker) execute(c Command) {
	s := k.sessions[c.Node]
	switch c.Kind {
	case OpenSession:
		k.open(c)
	case AbortSession, CloseSession:
		if s.online && c.Kind == AbortSession && s.will != nil && !k.w.bug.noWill {
			client := k.clients[s.clientID]
			client.wills = append(client.wills, string(s.will.Payload))
		}
		k.offline(s, false)
		s.opened = false
		k.w.sessionLost(s.clientID)
	case ForgetSession:
		delete(k.sessions, c.Node)
	case PublishMessage:
		k.take(s, c)
	case SubscribeFilter:
		s.asked = append(s.asked, c)
		k.subscribe(s, c)
	case ReleaseInbound:
		k.released++
		k.release(s, c)
	default:
		k.w.violate("command %+v", c)
	}
}

func (k *simBroker) open(c Command) {
	s := k.sessions[c.Node]
	if s == nil {
		s = &simSession{node: c.Node, clientID: c.ClientID}
		k.sessions[c.Node] = s
	}
	k.offline(s, false)
	s.opened, s.clean, s.will = true, c.Clean, c.Will
	if c.Clean {
		s.asked = nil
		if client := k.clients[c.ClientID]; client != nil {
			client.known, client.subscribed, client.queue = false, false, nil
		}
	}
	k.w.after(k.w.delay(), func() { k.connect(s) })
}

// take accepts a message from the gateway, as an MQTT session does.
func (k *simBroker) take(s *simSession, c Command) {
	payload := string(c.Payload)
	if k.published == nil {
		k.published, k.safe = map[string]int{}, map[string]bool{}
	}
	if c.QoS == 0 {
		result := Refused
		if s.online {
			k.published[payload]++
			result = Safe
		}
		k.w.gw.Published(k.w.now, c.Node, c.Token, 0, result)
		return
	}
	k.published[payload]++
	s.held = append(s.held, c)
	if k.w.bug.eager {
		k.w.gw.Published(k.w.now, c.Node, c.Token, 1, Safe)
	}
	if s.online {
		k.acknowledge(s, c)
	}
}

// acknowledge lets the broker take a message, if the connection holds.
func (k *simBroker) acknowledge(s *simSession, c Command) {
	run := s.run
	k.w.after(k.w.delay(), func() {
		at := slices.IndexFunc(s.held, func(h Command) bool { return h.Token == c.Token })
		if at < 0 || !s.online || s.run != run {
			return
		}
		s.held = slices.Delete(s.held, at, at+1)
		if payload := string(c.Payload); !k.safe[payload] {
			k.safe[payload] = true
			k.arrived = append(k.arrived, payload)
		}
		k.w.gw.Published(k.w.now, c.Node, c.Token, 1, Safe)
	})
}

func (k *simBroker) subscribe(s *simSession, c Command) {
	run := s.run
	k.w.after(k.w.delay(), func() {
		at := slices.IndexFunc(s.asked, func(h Command) bool { return h.Token == c.Token })
		if at < 0 || !s.online || s.run != run {
			return
		}
		s.asked = slices.Delete(s.asked, at, at+1)
		k.clients[s.clientID].subscribed = true
		k.w.gw.Subscribed(k.w.now, c.Node, c.Token, Granted, 1)
	})
}

// release takes an acknowledgement, if it is one of this connection.
func (k *simBroker) release(s *simSession, c Command) {
	if s == nil || !c.Accepted || c.QoS == 0 || !s.online {
		return
	}
	client := k.clients[s.clientID]
	at := slices.IndexFunc(client.queue, func(m *downMessage) bool { return m.delivery == c.Delivery })
	if at < 0 {
		return
	}
	i := client.queue[at].i
	for _, b := range k.w.boards {
		if b.name == s.clientID && b.got[i] == 0 {
			k.w.violate("downlink %d was acknowledged to the broker before %s had it", i, b.name)
		}
	}
	client.queue = slices.Delete(client.queue, at, at+1)
	client.deliver(s)
}

// publish has message i published for the client. It is lost if the client has
// not subscribed, or has QoS 0 and is not there.
func (c *simClient) publish(i int) {
	s := c.broker.sessionOf(c.name)
	if !c.subscribed || !c.known {
		return // not yet
	}
	c.nextOut = i + 1
	switch {
	case downQoS(i) == 1:
		c.queue = append(c.queue, &downMessage{i: i})
		if s != nil {
			c.deliver(s)
		}
	case s != nil:
		c.hand(s, i, 0, false)
	}
}

// deliver hands over what fits into the broker's window.
func (c *simClient) deliver(s *simSession) {
	const window = 8
	for n, m := range c.queue {
		if n < window && m.delivery == 0 {
			m.delivery = c.hand(s, m.i, 1, m.sent && !c.broker.w.bug.sendTwice)
		}
	}
}

// hand gives one message to the gateway.
func (c *simClient) hand(s *simSession, i int, qos byte, dup bool) uint64 {
	k := c.broker
	k.delivery++
	k.handed++
	delivery := k.delivery
	m := k.w.gw.NewInbound()
	m.Set([]byte(downTopic(c.name, i)), fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 11*i%100)))
	m.QoS, m.Dup, m.Delivery, m.Received = qos, dup, delivery, k.w.now
	if k.w.bug.releaseEarly && qos == 1 {
		k.w.gw.command(Command{Kind: ReleaseInbound, Node: s.node, QoS: 1, Delivery: delivery, Accepted: true})
		k.handed++
	}
	k.w.gw.Deliver(k.w.now, s.node, m)
	return delivery
}
