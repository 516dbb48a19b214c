package gateway

import (
	"slices"
	"time"
)

const (
	defaultSpillAfter = 250 * time.Millisecond
	// storeRetry is how long a node's outbox is left alone after it could not
	// store something; meanwhile the board is told "congestion".
	storeRetry = time.Second
)

// outgoing is the one ordered queue of a node's QoS 1 messages on their way to
// the broker:
//
//	handed .............. ahead ............... storing
//	with the MQTT         in the outbox only,   on their way
//	session, stored       to be loaded when     into the outbox
//	or not                there is room
//
// A message goes straight to the MQTT session while nothing is ahead of it that
// does not. It is stored as well if the broker is slow (SpillAfter) or gone. It
// is safe, and the board is told so, when the broker has it or the outbox has,
// whichever comes first; it leaves the queue when the broker has it.
//
// Without an outbox everything is handed over, and only the broker makes it safe.
type outgoing struct {
	handed  []*outMessage
	storing []*outMessage
	kept    int       // messages that are handed and stored
	ahead   int       // messages in the outbox that are not handed
	unsure  bool      // ahead may be too small: only an empty Loaded says that there are no more
	lastSeq uint64    // of the stored messages that were handed, the last
	loading bool      // LoadMessages is not answered
	closed  time.Time // the outbox took nothing; it is asked again from then on

	told    bool   // the restart state says what the stored messages need
	parting uint64 // token of a will that the gateway publishes itself; 0 for none

	suspect uint64 // token of the message before which the broker last closed the connection
	strikes int    // how often it did, without progress
}

// outMessage is a message in the queue.
type outMessage struct {
	token    uint64
	seq      uint64    // in the outbox; 0: not there
	deadline time.Time // to be stored by then, if the broker has not answered; zero: never
	storing  bool      // StoreMessage is not answered
	done     bool      // the broker has it, or never will
	poison   bool      // the broker never will
	retain   bool
	topicLen int
	buf      []byte // topic and payload, until it is stored
}

func (m *outMessage) topic() []byte   { return m.buf[:m.topicLen] }
func (m *outMessage) payload() []byte { return m.buf[m.topicLen:] }

// unsaved reports whether the message is with the MQTT session only, and would
// better be stored too.
func (m *outMessage) unsaved() bool {
	return m.seq == 0 && !m.storing && !m.done && !m.deadline.IsZero()
}

// stored returns how many messages are in the outbox.
func (o *outgoing) stored() int { return o.kept + o.ahead }

// less takes count from the messages that are ahead.
func (o *outgoing) less(count int) {
	least := 0
	if o.unsure && o.ahead > 0 {
		least = 1
	}
	o.ahead = max(least, o.ahead-count)
}

// unfinished reports whether there is something that was promised to be delivered,
// or is about to be.
func (o *outgoing) unfinished() bool {
	return o.stored() > 0 || len(o.storing) > 0 || o.parting != 0 ||
		slices.ContainsFunc(o.handed, func(m *outMessage) bool { return m.storing })
}

// straight reports whether a new message may go straight to the MQTT session.
func (o *outgoing) straight(takes bool) bool {
	return takes && o.ahead == 0 && !o.loading && len(o.storing) == 0
}

// spillable returns the messages that may be stored: those that nothing stored
// is behind, so that the order on disk is that of the queue.
func (o *outgoing) spillable() []*outMessage {
	if o.ahead > 0 || len(o.storing) > 0 {
		return nil
	}
	i := len(o.handed)
	for i > 0 && o.handed[i-1].seq == 0 && !o.handed[i-1].storing {
		i--
	}
	return o.handed[i:]
}

// spillAt returns when the next message is to be stored; zero means never.
func (o *outgoing) spillAt() time.Time {
	for _, m := range o.spillable() {
		if m.unsaved() {
			if m.deadline.Before(o.closed) {
				return o.closed
			}
			return m.deadline
		}
	}
	return time.Time{}
}

// outboxFull reports whether a message of n would have to be stored, and cannot be.
func (n *node) outboxFull(now time.Time) bool {
	return n.out.full(now) && !n.out.straight(n.mqtt.takes())
}

// full reports whether the outbox is known to take nothing at present.
func (o *outgoing) full(now time.Time) bool { return now.Before(o.closed) }

// newOutMessage returns a message that is in the queue from now on.
func (g *Gateway) newOutMessage(token uint64, topic, payload []byte, retain bool) *outMessage {
	m := g.takeOutMessage()
	m.token, m.retain = token, retain
	m.buf = append(append(m.buf[:0], topic...), payload...)
	m.topicLen = len(topic)
	return m
}

func (g *Gateway) takeOutMessage() *outMessage {
	if last := len(g.spareOut) - 1; last >= 0 {
		m := g.spareOut[last]
		g.spareOut = g.spareOut[:last]
		return m
	}
	return new(outMessage)
}

// recycleOut keeps the memory of a message that has left the queue.
func (g *Gateway) recycleOut(m *outMessage) {
	const kept, largest = 64, 4096
	buf := m.buf
	if cap(buf) > largest {
		buf = nil
	}
	*m = outMessage{buf: buf[:0]}
	if len(g.spareOut) < kept {
		g.spareOut = append(g.spareOut, m)
	}
}

// send puts a QoS 1 message into the queue of n.
func (g *Gateway) send(now time.Time, n *node, token uint64, topic, payload []byte, retain bool) {
	o := &n.out
	n.mqtt.used = true
	if !g.cfg.Outbox {
		m := g.takeOutMessage() // the MQTT session keeps what is in it
		m.token, m.retain = token, retain
		o.handed = append(o.handed, m)
		g.command(Command{Kind: PublishMessage, Node: n.id, Token: token, Topic: topic, Payload: payload, QoS: 1, Retain: retain})
		return
	}
	m := g.newOutMessage(token, topic, payload, retain)
	if !o.straight(n.mqtt.takes()) {
		g.spillAll(now, n)
		o.storing = append(o.storing, m)
		g.store(n, m)
		return
	}
	m.deadline = now.Add(g.cfg.SpillAfter)
	o.handed = append(o.handed, m)
	g.hand(n, m, m.topic(), m.payload())
}

// hand gives a message to the MQTT session.
func (g *Gateway) hand(n *node, m *outMessage, topic, payload []byte) {
	g.command(Command{Kind: PublishMessage, Node: n.id, Token: m.token, Topic: topic, Payload: payload, QoS: 1, Retain: m.retain})
}

// store asks for a message to be written to the outbox. What a restart must know to
// deliver it is written with it.
func (g *Gateway) store(n *node, m *outMessage) {
	m.storing = true
	if n.unsaved || !n.out.told {
		n.out.told = true
		g.saveNode(n)
	}
	g.command(Command{
		Kind: StoreMessage, Node: n.id, ClientID: n.clientID, Token: m.token,
		Topic: m.topic(), Payload: m.payload(), QoS: 1, Retain: m.retain,
	})
}

// spill stores what the broker has not answered by now, in order.
func (g *Gateway) spill(now time.Time, n *node) {
	if n.out.full(now) {
		return
	}
	for _, m := range n.out.spillable() {
		if m.unsaved() {
			if now.Before(m.deadline) {
				return
			}
			g.store(n, m)
		}
	}
}

// spillAll stores everything at once, because the broker is gone.
func (g *Gateway) spillAll(now time.Time, n *node) {
	for _, m := range n.out.handed {
		if m.unsaved() {
			m.deadline = now
		}
	}
	g.spill(now, n)
}

// rearm lets what the MQTT session still has of an earlier board session be stored:
// the board may ask for it again.
func (g *Gateway) rearm(now time.Time, n *node) {
	if !g.cfg.Outbox {
		return
	}
	for _, m := range n.out.handed {
		if m.seq == 0 && len(m.buf) > 0 {
			m.deadline = now.Add(g.cfg.SpillAfter)
		}
	}
}

// disarm leaves what the MQTT session has, and nobody was promised, to it: the
// board is gone.
func (g *Gateway) disarm(n *node) {
	for _, m := range n.out.handed {
		m.deadline = time.Time{}
	}
}

// finished takes a message that the broker has acknowledged out of the queue. The
// outbox is told how far all is done.
func (g *Gateway) finished(n *node, token uint64) {
	o := &n.out
	for _, m := range o.handed {
		if m.token == token {
			m.done = true
			break
		}
	}
	o.suspect, o.strikes = 0, 0
	if o.parting == token {
		o.parting = 0
	}
	g.trim(n)
}

// trim drops what is done from the head of the queue. The outbox is told so, in
// order: what the broker has, and what goes into the quarantine.
func (g *Gateway) trim(n *node) {
	o := &n.out
	upTo, k := uint64(0), 0
	for k < len(o.handed) && o.handed[k].done && !o.handed[k].storing {
		m := o.handed[k]
		if m.seq > 0 {
			o.kept--
			if m.poison {
				g.settleStored(n, upTo)
				upTo = 0
				g.quarantine(n, m.seq)
			} else {
				upTo = m.seq
			}
		}
		g.recycleOut(m)
		k++
	}
	if k == 0 {
		return
	}
	left := copy(o.handed, o.handed[k:])
	clear(o.handed[left:])
	o.handed = o.handed[:left]
	g.settleStored(n, upTo)
}

// settleStored says that what is stored up to seq is done with; 0 is nothing.
func (g *Gateway) settleStored(n *node, seq uint64) {
	if seq > 0 {
		g.command(Command{Kind: SettleStored, Node: n.id, ClientID: n.clientID, Seq: seq})
	}
}

// load asks the outbox for more when the MQTT session has room for it.
func (g *Gateway) load(n *node) {
	o := &n.out
	window := 2 * g.cfg.MaxInflight
	if o.ahead == 0 || o.loading || !n.mqtt.online || len(o.handed) > window/2 {
		return
	}
	o.loading = true
	g.command(Command{Kind: LoadMessages, Node: n.id, ClientID: n.clientID, Seq: o.lastSeq, Max: window - len(o.handed)})
}
