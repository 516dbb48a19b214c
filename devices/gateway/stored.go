package gateway

import (
	"slices"
	"time"
)

// StoreResult is what became of a message that was to be stored.
type StoreResult uint8

const (
	// StoreOK means that the message is on disk, and synced.
	StoreOK StoreResult = iota
	// StoreFull means that the outbox has no room for it.
	StoreFull
	// StoreFailed means that the disk refused it.
	StoreFailed
)

// StoredMessage is a message from the outbox. Topic and Payload need be valid
// during Loaded and until its commands are executed.
type StoredMessage struct {
	Seq            uint64
	Topic, Payload []byte
	Retain         bool
}

// Stored says what became of the StoreMessage command that token names. From
// here on a stored message is safe: the board is told so.
func (g *Gateway) Stored(now time.Time, id NodeID, token, seq uint64, result StoreResult) {
	n := g.byID[id]
	if n == nil {
		return
	}
	o := &n.out
	if i := slices.IndexFunc(o.storing, func(m *outMessage) bool { return m.token == token }); i >= 0 {
		g.recycleOut(o.storing[i])
		o.storing = slices.Delete(o.storing, i, i+1)
		if result == StoreOK {
			o.ahead++
		}
	} else if i := slices.IndexFunc(o.handed, func(m *outMessage) bool { return m.token == token }); i >= 0 {
		g.storedHanded(now, n, o.handed[i], seq, result)
	} else {
		return
	}
	if result == StoreOK {
		o.closed = time.Time{}
		g.settle(now, n, token, Safe, true)
	} else {
		o.closed = now.Add(storeRetry)
		g.notice(Notice{Kind: StoreRefused, Node: id, Result: result})
		if !slices.ContainsFunc(o.handed, func(m *outMessage) bool { return m.token == token }) {
			g.settle(now, n, token, Refused, true)
		}
	}
	g.progress(now, n)
}

// storedHanded deals with a message that is with the MQTT session too. If it could
// not be stored, the broker may still take it.
func (g *Gateway) storedHanded(now time.Time, n *node, m *outMessage, seq uint64, result StoreResult) {
	m.storing = false
	switch {
	case result != StoreOK && m.done:
		if m.poison {
			m.poison = false
			g.reject(now, n, m)
		}
		g.trim(n)
		return
	case result != StoreOK:
		m.deadline = now.Add(storeRetry)
		return
	}
	m.seq = seq
	n.out.kept++
	n.out.lastSeq = seq
	m.buf = m.buf[:0]
	g.trim(n)
}

// Loaded brings the messages that a LoadMessages command asked for, in order; none
// means that the outbox has no more.
func (g *Gateway) Loaded(now time.Time, id NodeID, messages []StoredMessage) {
	n := g.byID[id]
	if n == nil {
		return
	}
	o := &n.out
	o.loading = false
	if len(messages) == 0 { // what was damaged is not coming
		o.ahead, o.unsure = 0, false
	}
	for i := range messages {
		s := &messages[i]
		if s.Seq <= o.lastSeq {
			continue
		}
		g.token++
		m := g.takeOutMessage()
		m.token, m.seq, m.retain = g.token, s.Seq, s.Retain
		o.handed = append(o.handed, m)
		o.lastSeq = s.Seq
		o.kept++
		o.less(1)
		g.hand(n, m, s.Topic, s.Payload)
	}
	n.mqtt.used = n.mqtt.used || len(messages) > 0
	g.progress(now, n)
}

// Evicted says that the outbox dropped the oldest n messages of a client, up to
// that sequence number, to make room. Some of them may be done with: the outbox
// had not been told yet.
func (g *Gateway) Evicted(now time.Time, clientID string, upTo uint64, count int) {
	n := g.clients[clientID]
	if n == nil {
		return
	}
	o := &n.out
	for _, m := range o.handed {
		if m.seq > 0 && m.seq <= upTo { // it is still with the MQTT session
			m.seq, m.deadline = 0, time.Time{}
			o.kept--
			count--
		}
	}
	o.unsure = true
	o.less(count)
	o.lastSeq = max(o.lastSeq, upTo)
	g.progress(now, n)
}

// progress does what may be due when something has left the queue.
func (g *Gateway) progress(now time.Time, n *node) {
	g.load(n)
	if n.out.told && !n.out.unfinished() {
		n.out.told = false
		g.changed(n)
	}
	g.drained(n)
	if g.byID[n.id] == n {
		g.schedule(n)
	}
	g.pump(now)
}
