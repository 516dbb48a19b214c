package gateway

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// connect handles CONNECT (MQTT-SN 1.2 section 5.4.4): it always starts a new
// board session, and ends the one that the peer had.
func (g *Gateway) connect(now time.Time, peer Peer, p *mqttsn.Packet) {
	clientID, why := g.clientIDFor(p)
	if n := g.nodes[peer]; n != nil && (why != NoReason || n.clientID != clientID) {
		g.leave(now, n)
	}
	var n *node
	if why == NoReason {
		n, why = g.admit(now, peer, clientID)
	}
	switch why {
	case NoReason:
	case ReasonTooManyNodes:
		g.refusePeer(now, peer, mqttsn.Congestion, why, clientID)
		return
	default:
		g.refusePeer(now, peer, mqttsn.NotSupported, why, string(p.ClientID))
		return
	}
	g.place(n, peer)
	g.begin(now, n, p)
	g.schedule(n)
}

// place notes that n is reached at peer.
func (g *Gateway) place(n *node, peer Peer) {
	if g.nodes[n.peer] == n {
		delete(g.nodes, n.peer)
	}
	n.peer = peer
	g.nodes[peer] = n
}

// leave takes n from its peer, which is somebody else now.
func (g *Gateway) leave(now time.Time, n *node) {
	g.end(now, n, AbortSession, ReasonReplaced)
	delete(g.nodes, n.peer)
}

// clientIDFor returns the MQTT client identifier for a CONNECT: the configured
// one before the board's.
func (g *Gateway) clientIDFor(p *mqttsn.Packet) (string, Reason) {
	switch {
	case g.cfg.ClientID != "":
		return g.cfg.ClientID, NoReason
	case len(p.ClientID) == 0 && g.cfg.DefaultClientID != "":
		return g.cfg.DefaultClientID, NoReason
	case len(p.ClientID) == 0, !utf8.Valid(p.ClientID), bytes.IndexByte(p.ClientID, 0) >= 0:
		return "", ReasonMalformed // [MQTT-3.1.3-4], [MQTT-1.5.3-2]
	}
	return string(p.ClientID), NoReason
}

// admit returns the node with the client id, old or new, for peer, or says why
// peer cannot have that id. A live client is taken over only where every node
// is welcome: on loopback a client that restarts has another port. One that sleeps
// may wake up anywhere.
func (g *Gateway) admit(now time.Time, peer Peer, clientID string) (*node, Reason) {
	n := g.clients[clientID]
	if n != nil && n.live() && !n.sleeps() && n.peer != peer && !g.cfg.TakeOver {
		g.challenge(now, n)
		return nil, ReasonClientIDInUse
	}
	claimed := n != nil && n.claimed
	if !claimed && g.cfg.Claim != nil {
		if why := g.cfg.Claim(clientID); why != NoReason {
			return nil, why
		}
	}
	if n != nil {
		g.comesBack(n)
	} else {
		g.lastID++
		n = &node{id: g.lastID, clientID: clientID, clean: true, timerIndex: -1, limiter: g.cfg.Limits.newLimiter()}
		// Nothing was saved of it: if the broker knows its session, nobody knows its
		// subscriptions. So it subscribes again.
		n.unheardOf = g.cfg.Outbox
		g.clients[clientID], g.byID[n.id] = n, n
	}
	n.claimed = true
	return n, NoReason
}

// challenge asks a board without keepalive whether it is still there, now that
// somebody else wants its client id. If it is silent for challengeTime, it was
// lost, and the id is free.
func (g *Gateway) challenge(now time.Time, n *node) {
	if n.keepalive > 0 || n.quiet {
		return // time, or the port, will tell
	}
	if n.challenged.IsZero() {
		n.challenged = now
		g.schedule(n)
	}
	g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.PingReq})
	n.ping.late++ // its answer gives no credit
}

// begin starts a board session for n with what its CONNECT says.
func (g *Gateway) begin(now time.Time, n *node, p *mqttsn.Packet) {
	if n.state == active {
		g.notice(Notice{Kind: BoardDisconnected, Node: n.id, ClientID: n.clientID, Reason: ReasonConnect})
	}
	if n.rested = n.sleeps(); n.state == asleep {
		g.notice(Notice{Kind: BoardAwake, Node: n.id, ClientID: n.clientID})
	}
	clean := p.Flags.Has(mqttsn.CleanSession)
	if clean || n.clean {
		n.topics.clear()
		n.dup.clear()
		n.will = nil
		n.mqtt.used = n.mqtt.used || len(n.queue) > 0
		g.discardQueue(n, true)
	}
	n.clean = clean
	n.extended = p.Flags.Has(mqttsn.WantSession)
	n.keepalive = time.Duration(p.Duration) * time.Second
	n.began, n.gone, n.quiet = now, 0, false
	n.presumed, n.claimAt, n.willUpdate = time.Time{}, time.Time{}, 0
	n.request, n.ping, n.pending = request{}, ping{}, n.pending[:0]
	n.topics.unlearn()
	g.rearm(now, n)
	n.dup.orphan()
	g.dropReplies(n.peer)
	if n.peer == (Peer{}) {
		g.flow.reset()
	}
	if p.Flags.Has(mqttsn.Will) {
		g.enter(n, askWillTopic)
		g.ask(n, mqttsn.WillTopicReq)
		return
	}
	// CleanSession=0 with Will=0 keeps the stored will (MQTT-SN 1.2 section 6.3).
	g.openSession(now, n)
}

// accept completes CONNECT. A board that may not have heard of its new session is
// told once more that it is new: else it would never subscribe.
func (g *Gateway) accept(now time.Time, n *node, sessionPresent bool) {
	sessionPresent = sessionPresent && !n.unheardOf
	g.enter(n, active)
	g.reply(now, n.peer, &mqttsn.Packet{
		Type: mqttsn.ConnAck, ReturnCode: mqttsn.Accepted,
		HasSession: n.extended, SessionPresent: sessionPresent,
	})
	g.notice(Notice{Kind: BoardConnected, Node: n.id, ClientID: n.clientID, Resumed: sessionPresent, Again: n.connected && !n.rested})
	n.connected = true
	n.trying = time.Time{}
	n.lastHeard = now // until now the board had to wait
	g.changed(n)
	g.schedule(n)
	g.makeReady(n)
}

// refuse answers the CONNECT of n with code, because of what it said there or in
// WILLTOPIC or WILLMSG, and ends its session.
func (g *Gateway) refuse(now time.Time, n *node, what mqttsn.Type, code mqttsn.ReturnCode, why Reason) {
	peer, clientID := n.peer, n.clientID
	g.end(now, n, AbortSession, why)
	g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: code})
	g.notice(Notice{Kind: BoardRefused, Type: what, Reason: why, ClientID: clientID})
}

// refusePeer answers a CONNECT that begins nothing.
func (g *Gateway) refusePeer(now time.Time, peer Peer, code mqttsn.ReturnCode, why Reason, clientID string) {
	g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: code})
	g.notice(Notice{Kind: BoardRefused, Type: mqttsn.Connect, Reason: why, ClientID: clientID})
}

// disconnect handles DISCONNECT (MQTT-SN 1.2 section 5.4.21): with a Duration the
// board falls asleep; else the MQTT session ends orderly, without its will. The
// board is told so.
func (g *Gateway) disconnect(now time.Time, n *node, p *mqttsn.Packet) {
	if p.Duration > 0 && n.state.joined() {
		g.sleep(now, n, time.Duration(p.Duration)*time.Second)
		return
	}
	g.farewell = now
	g.end(now, n, CloseSession, ReasonByBoard)
	g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.Disconnect})
}
