package gateway

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// mqttSession is what the gateway knows of the MQTT session of a node. It
// outlives board sessions: a board that connects again does not disturb it,
// unless it wants another.
type mqttSession struct {
	opened bool      // and not closed since
	online bool      // the broker is connected
	lostAt time.Time // messages received until then are of an earlier connection
	used   bool      // something was asked of it

	clean bool // as it was opened
	will  *Will
}

// serves reports whether the session is what a board wants that says clean and
// will. Nothing that was done with a clean session may be found again.
func (m *mqttSession) serves(clean bool, will *Will) bool {
	return m.opened && m.clean == clean && m.will.equal(will) && !(clean && m.used)
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
		if m.online {
			g.accept(now, n, !n.clean)
		}
		return
	}
	if n.clean {
		n.filters = filterSet{}
		g.discardQueue(n, true) // the old session went on during the handshake
	}
	*m = mqttSession{opened: true, clean: n.clean, will: n.will, lostAt: now}
	g.command(Command{Kind: OpenSession, Node: n.id, ClientID: n.clientID, Clean: n.clean, Will: n.will})
}

// SessionUp says that the broker accepted the session of the node. A board
// that is connected does not notice.
func (g *Gateway) SessionUp(now time.Time, id NodeID, sessionPresent bool) {
	n := g.byID[id]
	if n == nil || !n.mqtt.opened {
		return
	}
	n.mqtt.online = true
	n.unheardOf = n.unheardOf || !sessionPresent
	g.resume(n, sessionPresent)
	if n.state == connecting {
		g.accept(now, n, sessionPresent)
	}
	g.pump(now)
}

// SessionDown says that the broker of the node is away since lostAt: messages of
// the old connection were received by then. What the board publishes waits for
// the broker in the MQTT session; a SUBSCRIBE, which only the broker can answer,
// does not.
func (g *Gateway) SessionDown(now time.Time, id NodeID, lostAt time.Time) {
	n := g.byID[id]
	if n == nil || !n.mqtt.opened {
		return
	}
	n.mqtt.online, n.mqtt.lostAt = false, lostAt
	g.tellPending(now, n)
	g.pump(now)
}

// SessionRefused says that the broker refused the node's CONNECT with the MQTT
// return code, 1 to 5. "Server unavailable" may pass by itself, and a board
// that is connected already is not disturbed.
func (g *Gateway) SessionRefused(now time.Time, id NodeID, code byte) {
	const serverUnavailable = 3 // MQTT 3.1.1 section 3.2.2.3
	n := g.byID[id]
	if n == nil || !n.live() || n.state == active || code == serverUnavailable {
		return
	}
	g.refuse(now, n, mqttsn.Connect, mqttsn.NotSupported, ReasonRejected)
	g.pump(now)
}
