package gateway

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// mqttSession is what the gateway knows of the MQTT session of a node. It
// outlives board sessions: a board that connects again does not disturb it,
// unless it wants another; and when its board is gone it goes on until the
// messages that were promised to be delivered are.
type mqttSession struct {
	opened bool      // and not closed since
	online bool      // the broker is connected
	lostAt time.Time // messages received until then are of an earlier connection
	used   bool      // something was asked of it

	clean bool // as it was opened
	will  *Will

	temporary bool // for CleanSession=1, but kept by the broker between two connections: see wantsSession
	fresh     bool // temporary, and not connected yet
	purging   bool // an earlier one is being forgotten by the broker first
	draining  bool // the board is gone; it ends when the queue is empty
	purge     bool // and the broker has forgotten it
	changing  bool // it is connected anew with another will, and was connected before
}

// keptByBroker reports whether the broker sends again, on a new connection, what
// was not acknowledged on the old one.
func (m *mqttSession) keptByBroker() bool { return !m.clean }

// takes reports whether what is handed over is sent soon.
func (m *mqttSession) takes() bool { return m.online || m.changing }

// serves reports whether the session is what a board wants that says clean and
// will. Nothing that was done with a clean session may be found again.
func (m *mqttSession) serves(clean bool, will *Will) bool {
	want := wantsSession(clean, will)
	return m.opened && !m.purging && m.clean == want.clean && m.temporary == want.temporary && m.will.equal(will) && !(clean && m.used)
}

// wantsSession returns the MQTT session for a board that says clean and will.
//
// A will is part of MQTT's CONNECT, so that changing one needs another connection.
// Meanwhile the broker must keep what comes for the board. So a board with
// CleanSession=1 that has a will gets a temporary session: one that the broker
// keeps, but that is forgotten, by a connection with CleanSession=1, before it
// begins if there was one, and when it ends.
func wantsSession(clean bool, will *Will) mqttSession {
	temporary := clean && will != nil
	return mqttSession{opened: true, clean: clean && !temporary, will: will, temporary: temporary, fresh: temporary}
}

// openSession asks for the MQTT session of n, and connects the board when it
// is there.
func (g *Gateway) openSession(now time.Time, n *node) {
	g.enter(n, connecting)
	if n.trying.IsZero() {
		n.trying = now
	}
	m := &n.mqtt
	if m.serves(n.clean, n.will) {
		m.draining, m.purge = false, false
		if m.online {
			g.accept(now, n, !n.clean)
		}
		return
	}
	if n.clean {
		n.filters, n.revoked = filterSet{}, nil
		g.discardQueue(n, true) // the old session went on during the handshake
	}
	g.reopen(now, n)
}

// reopen starts the MQTT session that n wants, after ending the one it has.
func (g *Gateway) reopen(now time.Time, n *node) {
	n.mqtt = wantsSession(n.clean, n.will)
	n.mqtt.lostAt = now
	g.commandOpen(n, n.mqtt.clean, n.mqtt.will)
}

func (g *Gateway) commandOpen(n *node, clean bool, will *Will) {
	c := Command{Kind: OpenSession, Node: n.id, ClientID: n.clientID, Clean: clean, Will: will}
	if clean {
		n.subscribed = false
	} else {
		c.Filters = n.filters.set
	}
	g.command(c)
}

// SessionUp says that the broker accepted the session of the node. A board
// that is connected does not notice.
func (g *Gateway) SessionUp(now time.Time, id NodeID, sessionPresent bool) {
	n := g.byID[id]
	if n == nil || !n.mqtt.opened {
		return
	}
	m := &n.mqtt
	switch {
	case m.purging: // and now it is
		m.purging = false
		g.commandOpen(n, m.clean, m.will)
		return
	case m.fresh && (sessionPresent || n.subscribed):
		m.purging = true // also from the MQTT session, which would subscribe again
		g.commandOpen(n, true, nil)
		return
	}
	m.online, m.fresh = true, false
	g.willChanged(now, n)
	n.unheardOf = n.unheardOf || !sessionPresent
	g.revokeAll(n, sessionPresent)
	g.resume(n, sessionPresent)
	if n.state == connecting {
		g.accept(now, n, sessionPresent && !n.clean)
	}
	g.progress(now, n)
}

// SessionDown says that the broker of the node is away since lostAt: messages of
// the old connection were received by then. byPeer says that a connection stood,
// and that the broker ended it. What the board publishes goes into the outbox, or
// waits for the broker in the MQTT session; a SUBSCRIBE, which only the broker
// can answer, does not.
func (g *Gateway) SessionDown(now time.Time, id NodeID, lostAt time.Time, byPeer bool) {
	n := g.byID[id]
	if n == nil || !n.mqtt.opened {
		return
	}
	n.mqtt.online, n.mqtt.lostAt = false, lostAt
	g.brokerAway(now, n)
	if byPeer {
		g.strike(n)
	}
	if n.state == connecting && g.cfg.Outbox {
		g.acceptOffline(now, n)
	}
	g.schedule(n)
	g.pump(now)
}

// brokerAway deals with what waits for a broker that is not there.
func (g *Gateway) brokerAway(now time.Time, n *node) {
	if n.state.joined() && n.clean && !n.mqtt.temporary && !n.mqtt.will.equal(n.will) {
		g.changeWill(now, n) // there is no session left that could lose a message
	}
	g.willChanged(now, n)
	g.tellPending(now, n)
	g.spillAll(now, n)
}

// acceptOffline completes CONNECT without the broker: what the board says is
// safe in the outbox.
func (g *Gateway) acceptOffline(now time.Time, n *node) {
	g.accept(now, n, !n.clean && n.connected)
}

// SessionRefused says that the broker refused the node's CONNECT with the MQTT
// return code, 1 to 5. "Server unavailable" may pass by itself, and a board
// that is connected already is not disturbed.
func (g *Gateway) SessionRefused(now time.Time, id NodeID, code byte) {
	const serverUnavailable = 3 // MQTT 3.1.1 section 3.2.2.3
	n := g.byID[id]
	if n == nil || !n.mqtt.opened {
		return
	}
	if n.live() && !n.state.joined() && code != serverUnavailable {
		g.refuse(now, n, mqttsn.Connect, mqttsn.NotSupported, ReasonRejected)
	} else {
		g.brokerAway(now, n)
	}
	g.pump(now)
}
