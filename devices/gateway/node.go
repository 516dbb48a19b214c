package gateway

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// state is how far the board session of a node has come.
type state uint8

const (
	away         state = iota // no board session; kept for CleanSession=0
	askWillTopic              // WILLTOPICREQ sent
	askWillMsg                // WILLMSGREQ sent
	connecting                // waiting for the broker
	active                    // connected
	asleep                    // connected, and silent until PINGREQ or CONNECT
	awake                     // asleep, but for the messages it is getting
)

// node is one MQTT-SN client and its side of an MQTT session.
type node struct {
	id        NodeID
	peer      Peer
	clientID  string
	state     state
	claimed   bool // the client id is reserved for this node
	connected bool // it had a board session before

	clean      bool          // CleanSession of the board session
	extended   bool          // the board asked for session-present in CONNACK
	keepalive  time.Duration // Duration of CONNECT; zero means none
	nap        time.Duration // Duration of the last DISCONNECT to sleep
	rested     bool          // the CONNECT under way ends a sleep
	will       *Will         // stored will, nil for none
	asked      Will          // the will being asked for
	willUpdate mqttsn.Type   // the update of the will that is answered when it is in force; 0 for none

	presumed   time.Time // restored after a restart: it is lost if it has not connected by then; zero if it has
	claimAt    time.Time // restored, but somebody else has its client id: when to try again; zero for never
	saved      uint64    // hash of what was last saved of it; 0 for nothing
	unsaved    bool      // in Gateway.unsaved
	lastHeard  time.Time
	unheardOf  bool          // the broker began its session, and it may not have got the CONNACK that said so
	gone       time.Duration // how long the port was away since the node was heard, but for the present absence
	began      time.Time     // CONNECT received
	trying     time.Time     // since then the broker is asked for the session; zero when it is not
	challenged time.Time     // since then somebody else wants the client id; zero for nobody
	quiet      bool          // nothing valid heard since the port opened: send nothing

	mqtt mqttSession

	out        outgoing
	topics     topicTable
	dup        duplicates
	queue      []*Inbound // from the broker, oldest first; the head may be on its way
	settled    []content  // orphaned messages that the board has, oldest first
	ready      bool       // in Gateway.ready
	tries      int        // how often the head was refused by the board
	msgID      uint16
	request    request
	ping       ping
	rtt        rtoEstimator
	pending    []subscription
	subscribed bool // the MQTT session may know subscriptions
	filters    filterSet
	revoked    map[string]byte // filters that the broker may still have and Access forbids since a restart
	limiter    *rate.Limiter

	deadline   time.Time
	timerIndex int
}

// enter moves n to another state of its session.
func (g *Gateway) enter(n *node, s state) {
	if n.state.joined() {
		g.connected--
	}
	if s.joined() {
		g.connected++
	}
	n.state = s
}

// joined reports whether the board has got its CONNACK.
func (s state) joined() bool { return s == active || s == asleep || s == awake }

func (n *node) live() bool { return n.state != away }

// schedule sets the timer of n to the earliest thing it waits for.
func (g *Gateway) schedule(n *node) {
	var d time.Time
	switch {
	case n.state == away:
	case n.state == connecting:
		d = n.trying.Add(g.connectTimeout())
	case n.sleeps():
		d = n.sleepDeadline()
	case n.state != active:
		d = n.began.Add(handshakeTimeout)
	case n.keepalive > 0:
		d = n.lastHeard.Add(n.keepalive + n.keepalive/2)
	}
	if n.live() {
		d = earliest(d, g.lossDeadline(n))
		if !n.challenged.IsZero() {
			d = earliest(d, n.challenged.Add(challengeTime))
		}
		d = earliest(d, n.request.deadline)
	}
	d = earliest(d, n.out.spillAt())
	d = earliest(d, n.presumed)
	d = earliest(d, n.claimAt)
	g.timers.set(n, d)
}

// connectTimeout returns how long the broker may take before CONNECT is answered
// without it.
func (g *Gateway) connectTimeout() time.Duration {
	if g.cfg.Outbox {
		return offlineAfter
	}
	return connectTimeout
}

// lossDeadline returns when n is lost with its port, zero while that is open.
// Absences add up until n is heard: a port that opens and fails at once is gone.
// A board that sleeps may switch its USB port off.
func (g *Gateway) lossDeadline(n *node) time.Time {
	if g.lostAt.IsZero() || n.sleeps() {
		return time.Time{}
	}
	return g.lostAt.Add(portGrace - n.gone)
}

// expire does what is due for n at now, and sets its timer anew.
func (g *Gateway) expire(now time.Time, n *node) {
	g.spill(now, n)
	lost := g.lossDeadline(n)
	switch {
	case n.state == away:
		g.presumeLost(now, n)
		g.claimAgain(now, n)
	case !lost.IsZero() && !now.Before(lost):
		g.end(now, n, AbortSession, ReasonPortLost)
	case !n.challenged.IsZero() && !now.Before(n.challenged.Add(challengeTime)):
		g.end(now, n, AbortSession, ReasonReplaced)
	case n.state == connecting && !now.Before(n.trying.Add(g.connectTimeout())):
		if g.cfg.Outbox {
			g.acceptOffline(now, n)
			break
		}
		g.refuse(now, n, mqttsn.Connect, mqttsn.Congestion, ReasonOffline)
	case (n.state == askWillTopic || n.state == askWillMsg) && !now.Before(n.began.Add(handshakeTimeout)):
		clientID := n.clientID
		g.end(now, n, AbortSession, ReasonKeepalive)
		g.notice(Notice{Kind: BoardRefused, Type: mqttsn.WillTopic, Reason: ReasonKeepalive, ClientID: clientID})
	case n.state == active && n.keepalive > 0 && !now.Before(n.lastHeard.Add(n.keepalive+n.keepalive/2)):
		// MQTT-SN 1.2 section 6.13 leaves the tolerance open; 1.5 is MQTT's.
		peer := n.peer
		g.end(now, n, AbortSession, ReasonKeepalive)
		g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.Disconnect})
	case n.sleeps() && !now.Before(n.sleepDeadline()):
		g.overslept(now, n)
	case !n.request.deadline.IsZero() && !now.Before(n.request.deadline):
		g.overdue(n)
	}
	g.schedule(n)
}

// end ends the board session of n, and its MQTT session with the command how.
// A node with CleanSession=0 is remembered, and one whose messages are stored until
// they are delivered.
func (g *Gateway) end(now time.Time, n *node, how CommandKind, why Reason) {
	if !n.live() {
		return
	}
	wasJoined := n.state.joined()
	if n.mqtt.opened {
		g.endSession(now, n, how, why)
	}
	g.enter(n, away)
	n.trying, n.challenged, n.quiet = time.Time{}, time.Time{}, false
	n.request, n.ping, n.pending = request{}, ping{}, n.pending[:0]
	n.dup.orphan()
	if g.nodes[n.peer] == n {
		g.dropReplies(n.peer)
	}
	g.discardQueue(n, n.clean)
	if wasJoined {
		g.notice(Notice{Kind: BoardDisconnected, Node: n.id, ClientID: n.clientID, Reason: why})
	}
	if !n.clean {
		g.remember(n)
	}
	if !n.mqtt.opened {
		g.leaveGateway(n)
	}
	if g.byID[n.id] == n {
		g.schedule(n)
	}
}

// forget removes all that is known of n.
func (g *Gateway) forget(n *node) {
	if g.nodes[n.peer] == n {
		delete(g.nodes, n.peer)
	}
	if g.clients[n.clientID] == n {
		delete(g.clients, n.clientID)
	}
	delete(g.byID, n.id)
	g.comesBack(n)
	g.timers.set(n, time.Time{})
	g.unsave(n)
	g.command(Command{Kind: ForgetSession, Node: n.id})
}
