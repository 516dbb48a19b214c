package gateway

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
)

// saved is what is kept of a board for a restart of the gateway: all of one that
// connected with CleanSession=0, and of any what its stored messages need.
type saved struct {
	Clean     bool              `json:"clean,omitempty"`
	Topics    map[uint16]string `json:"topics,omitempty"`
	Filters   map[string]byte   `json:"filters,omitempty"` // to the QoS granted
	Unheard   bool              `json:"unheard,omitempty"` // it may not have got the CONNACK that said that its session is new
	Will      *savedWill        `json:"will,omitempty"`
	Connected bool              `json:"connected,omitempty"` // it was there; said only while it has stored messages, which its will stands behind
	Sleep     int               `json:"sleep,omitempty"`     // seconds, of a board that was asleep
	KeepAlive int               `json:"keepalive,omitempty"` // seconds, or those of its sleep; said with Connected
}

// savedWill is a Will that can be read by people.
type savedWill struct {
	Topic   string `json:"topic"`
	Payload []byte `json:"payload"`
	QoS     byte   `json:"qos,omitempty"`
	Retain  bool   `json:"retain,omitempty"`
}

const (
	// topicGap is left between the topic ids that were saved and new ones: the last
	// that were given before a crash may not have been saved, and must not come to
	// mean something else.
	topicGap = 256
	// presumedAfter is when a board without keepalive that was connected before a
	// restart, and has not connected since, is lost.
	presumedAfter = 60 * time.Second
	// claimRetry is how often a client id is asked for that somebody else has.
	claimRetry = 10 * time.Second
)

// changed notes that something of n has changed that is kept for a restart.
func (g *Gateway) changed(n *node) {
	if g.cfg.Outbox && !n.unsaved {
		n.unsaved = true
		g.unsaved = append(g.unsaved, n)
	}
}

// save keeps what has changed, a little later, so that what changes together is
// saved together.
func (g *Gateway) save(now time.Time) {
	if len(g.unsaved) == 0 {
		return
	}
	if g.saveAt.IsZero() {
		g.saveAt = now.Add(saveAfter)
	}
	if !now.Before(g.saveAt) {
		g.saveAll()
	}
}

// saveAll keeps what has changed, at once.
func (g *Gateway) saveAll() {
	for i, n := range g.unsaved {
		g.unsaved[i] = nil
		if n.unsaved {
			g.saveNode(n)
		}
	}
	g.unsaved, g.saveAt = g.unsaved[:0], time.Time{}
}

// saveNode keeps what a restart needs of n, if that has changed.
func (g *Gateway) saveNode(n *node) {
	n.unsaved = false
	state := n.restartState()
	hash := uint64(0)
	if state != nil {
		hash = maphash.Bytes(n.dup.seeded(), state)
	}
	if hash != n.saved {
		n.saved = hash
		g.command(Command{Kind: SaveNode, Node: n.id, ClientID: n.clientID, State: state})
	}
}

// unsave forgets what was kept of n, unless it has stored messages, which the
// gateway leaves to its successor.
func (g *Gateway) unsave(n *node) {
	if n.out.told {
		g.saveNode(n)
		return
	}
	n.unsaved = false
	if n.saved != 0 {
		n.saved = 0
		g.command(Command{Kind: SaveNode, Node: n.id, ClientID: n.clientID})
	}
}

// restartState returns what is kept of n, or nil for nothing.
func (n *node) restartState() []byte {
	s := saved{Clean: n.clean}
	if !n.clean {
		s.Filters, s.Unheard = n.subscriptions(), n.unheardOf
		s.Topics = make(map[uint16]string, len(n.topics.order))
		for _, t := range n.topics.order {
			s.Topics[t.id] = string(t.name)
		}
	}
	if n.sleeps() && !n.clean {
		s.Sleep = int(n.nap / time.Second)
	}
	if !n.clean || n.out.told {
		s.Will = n.will.saved()
	}
	here := n.live() || !n.presumed.IsZero()
	if s.Will != nil && here && n.out.told {
		s.Connected, s.KeepAlive = true, int(n.silence()/time.Second)
	}
	if n.clean && !n.out.told {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // maps of integers and strings, and bytes
	}
	return b
}

func (w *Will) saved() *savedWill {
	if w == nil {
		return nil
	}
	return &savedWill{string(w.Topic), w.Payload, w.QoS, w.Retain}
}

// Restore tells, before the port is opened, what was kept of a client before the
// gateway was restarted: the State of its last SaveNode command, nil for none, and
// the number of its messages in the outbox. These are delivered at once, in its
// MQTT session, without waiting for the board. What nothing is known of has a
// session that the broker keeps, lest it throws something away. An error means that the state is
// damaged; the messages are delivered all the same.
func (g *Gateway) Restore(now time.Time, clientID string, state []byte, stored int) error {
	var s saved
	var err error
	if state != nil {
		if err = json.Unmarshal(state, &s); err != nil {
			s, err = saved{}, fmt.Errorf("gateway: restart state of %q: %w", clientID, err)
		}
	}
	g.lastID++
	n := &node{id: g.lastID, clientID: clientID, clean: s.Clean, timerIndex: -1, limiter: g.cfg.Limits.newLimiter()}
	if state != nil {
		n.saved = maphash.Bytes(n.dup.seeded(), state)
	}
	g.clients[clientID], g.byID[n.id] = n, n
	n.restore(&s)
	g.judgeRestored(n)
	n.out.ahead, n.out.told = stored, stored > 0
	n.connected = !n.clean
	if s.Sleep > 0 && !n.clean && g.claim(n) {
		g.restoreAsleep(now, n, time.Duration(s.Sleep)*time.Second)
		return err
	}
	if stored > 0 {
		g.deliverRestored(now, n, &s)
	}
	switch {
	case !n.clean:
		g.remember(n)
	case stored == 0:
		g.forget(n)
	}
	return err
}

// restoreAsleep lets a board sleep on that was asleep: it will not notice that the
// gateway was away.
func (g *Gateway) restoreAsleep(now time.Time, n *node, nap time.Duration) {
	n.nap, n.lastHeard, n.began = nap, now, now
	g.enter(n, asleep)
	g.notice(Notice{Kind: BoardAsleep, Node: n.id, ClientID: n.clientID})
	g.reopen(now, n)
	g.schedule(n)
}

// deliverRestored opens the session that delivers what n had in the outbox.
func (g *Gateway) deliverRestored(now time.Time, n *node, s *saved) {
	if s.Connected && n.will != nil {
		n.presumed = now.Add(presumedAfter)
		if n.keepalive = time.Duration(s.KeepAlive) * time.Second; n.keepalive > 0 {
			n.presumed = now.Add(n.keepalive * 3 / 2)
		}
	}
	if g.claim(n) {
		g.drain(now, n, false)
	} else {
		n.claimAt = now.Add(claimRetry)
	}
	g.schedule(n)
}

// claim reserves the client id of a restored board, unless it is on another port
// now: two sessions with one id would push each other out.
func (g *Gateway) claim(n *node) bool {
	n.claimed = g.cfg.Claim == nil || g.cfg.Claim(n.clientID) == NoReason
	return n.claimed
}

// claimAgain delivers what a restored board had in the outbox as soon as nobody
// else has its client id.
func (g *Gateway) claimAgain(now time.Time, n *node) {
	if n.claimAt.IsZero() || now.Before(n.claimAt) {
		return
	}
	n.claimAt = time.Time{}
	if g.claim(n) {
		g.drain(now, n, false)
	} else {
		n.claimAt = now.Add(claimRetry)
	}
}

// restore takes over what was kept.
func (n *node) restore(s *saved) {
	n.unheardOf = s.Unheard
	if w := s.Will; w != nil {
		n.will = &Will{Topic: []byte(w.Topic), Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
	}
	for filter, qos := range s.Filters {
		if mqttcore.ValidFilter([]byte(filter)) {
			n.filters.add([]byte(filter), min(qos, 1))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Topics)) {
		n.topics.restore(id, []byte(s.Topics[id]))
	}
	n.topics.skip(topicGap)
}

// presumeLost gives up on a board that was connected before the gateway was
// restarted and has not come back: its will stands behind its messages.
func (g *Gateway) presumeLost(now time.Time, n *node) {
	if n.presumed.IsZero() || now.Before(n.presumed) {
		return
	}
	n.presumed = time.Time{}
	g.sendWill(now, n)
	if n.clean {
		n.will = nil
	}
	g.changed(n)
}
