package gateway

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// connect handles CONNECT (MQTT-SN 1.2 section 5.4.4): it always starts a new
// board session.
func (g *Gateway) connect(now time.Time, peer Peer, p *mqttsn.Packet) {
	clientID, why := g.clientIDFor(p)
	if why != NoReason {
		g.refusePeer(now, peer, mqttsn.NotSupported, why, string(p.ClientID))
		return
	}
	if n := g.nodes[peer]; n != nil && n.clientID != clientID {
		g.end(n, AbortSession, ReasonReplaced)
		delete(g.nodes, peer)
	}
	n := g.clients[clientID]
	if n != nil && n.live() && n.peer != peer && !g.cfg.TakeOver {
		g.refusePeer(now, peer, mqttsn.NotSupported, ReasonClientIDInUse, clientID)
		return
	}
	if n == nil {
		n = g.newNode(clientID)
	}
	if !n.claimed && g.cfg.Claim != nil {
		if why := g.cfg.Claim(clientID); why != NoReason {
			g.refusePeer(now, peer, claimCode(why), why, clientID)
			if !n.live() && n.clean {
				g.forget(n)
			}
			return
		}
	}
	n.claimed = true
	if g.nodes[n.peer] == n && n.peer != peer {
		delete(g.nodes, n.peer)
	}
	n.peer = peer
	g.nodes[peer] = n
	g.begin(now, n, p)
	g.schedule(n)
}

func claimCode(why Reason) mqttsn.ReturnCode {
	if why == ReasonTooManyNodes {
		return mqttsn.Congestion
	}
	return mqttsn.NotSupported
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

func (g *Gateway) newNode(clientID string) *node {
	g.lastID++
	n := &node{id: g.lastID, clientID: clientID, clean: true, timerIndex: -1, limiter: g.cfg.Limits.newLimiter()}
	g.clients[clientID], g.byID[n.id] = n, n
	return n
}

// begin starts a board session for n with what its CONNECT says.
func (g *Gateway) begin(now time.Time, n *node, p *mqttsn.Packet) {
	if n.state == connecting && !p.Flags.Has(mqttsn.Will) && p.Flags.Has(mqttsn.CleanSession) == n.clean && n.will == nil {
		return // a retransmission; CONNACK is on its way
	}
	if n.state == active {
		g.notice(Notice{Kind: BoardDisconnected, Node: n.id, ClientID: n.clientID, Reason: ReasonReplaced})
	}
	if p.Flags.Has(mqttsn.CleanSession) || n.clean {
		n.topics.clear()
		n.dup.clear()
		n.will = nil
		g.discardQueue(n)
	}
	reopen := p.Flags.Has(mqttsn.CleanSession) || n.clean
	n.clean = p.Flags.Has(mqttsn.CleanSession)
	n.extended = p.Flags.Has(mqttsn.WantSession)
	n.keepalive = time.Duration(p.Duration) * time.Second
	n.lastHeard, n.began, n.quiet = now, now, false
	n.request, n.ping, n.pending = request{}, ping{}, n.pending[:0]
	n.topics.unlearn()
	n.dup.orphan()
	g.dropReplies(n.peer)
	if n.peer == (Peer{}) {
		g.flow.reset()
	}
	if p.Flags.Has(mqttsn.Will) {
		g.enter(n, askWillTopic)
		g.ask(now, n, &mqttsn.Packet{Type: mqttsn.WillTopicReq})
		return
	}
	// CleanSession=0 with Will=0 keeps the stored will (MQTT-SN 1.2 section 6.3).
	g.openSession(now, n, reopen)
}

// willTopic handles WILLTOPIC; an empty one deletes the stored will.
func (g *Gateway) willTopic(now time.Time, n *node, p *mqttsn.Packet) {
	if n.state != askWillTopic {
		return
	}
	g.answered(now, n)
	if len(p.Topic) == 0 {
		n.will = nil
		g.openSession(now, n, true)
		return
	}
	switch {
	case p.Flags.QoS() < 0 || p.Flags.QoS() > 1:
		g.refuse(now, n, mqttsn.NotSupported, ReasonUnsupported)
	case !mqttcore.ValidTopic(p.Topic):
		g.refuse(now, n, mqttsn.NotSupported, ReasonInvalidTopic)
	case !g.cfg.Access.mayPublish(p.Topic):
		g.refuse(now, n, mqttsn.NotSupported, ReasonForbidden)
	default:
		n.asked = Will{Topic: bytes.Clone(p.Topic), QoS: byte(p.Flags.QoS()), Retain: p.Flags.Has(mqttsn.Retain)}
		g.enter(n, askWillMsg)
		g.ask(now, n, &mqttsn.Packet{Type: mqttsn.WillMsgReq})
	}
}

// willMsg handles WILLMSG, which completes the handshake.
func (g *Gateway) willMsg(now time.Time, n *node, p *mqttsn.Packet) {
	if n.state != askWillMsg {
		return
	}
	g.answered(now, n)
	if g.cfg.Limits.MaxPayload > 0 && len(p.Data) > g.cfg.Limits.MaxPayload {
		g.refuse(now, n, mqttsn.NotSupported, ReasonTooLarge)
		return
	}
	w := n.asked
	w.Payload = bytes.Clone(p.Data)
	same := n.will != nil && n.will.QoS == w.QoS && n.will.Retain == w.Retain &&
		bytes.Equal(n.will.Topic, w.Topic) && bytes.Equal(n.will.Payload, w.Payload)
	n.will = &w
	g.openSession(now, n, !same)
}

// openSession asks for the MQTT session of n. A session with CleanSession=0
// that runs already and need not change goes on, with all that is in flight.
func (g *Gateway) openSession(now time.Time, n *node, reopen bool) {
	g.enter(n, connecting)
	n.began = now
	if n.opened && !n.clean && !reopen {
		if n.online {
			g.accept(now, n, true)
		}
		return
	}
	n.opened, n.online = true, false
	g.command(Command{Kind: OpenSession, Node: n.id, ClientID: n.clientID, Clean: n.clean, Will: n.will})
}

// SessionUp says that the broker accepted the session of the node. A board
// that is connected does not notice.
func (g *Gateway) SessionUp(now time.Time, id NodeID, sessionPresent bool) {
	n := g.byID[id]
	if n == nil || !n.opened {
		return
	}
	n.online = true
	if n.state == connecting {
		g.accept(now, n, sessionPresent)
	}
	g.schedule(n)
	g.pump(now)
}

// SessionDown says that the broker of the node is away. Only a SUBSCRIBE
// cannot wait for it.
func (g *Gateway) SessionDown(now time.Time, id NodeID) {
	n := g.byID[id]
	if n == nil || !n.opened {
		return
	}
	n.online = false
	g.failPending(now, n)
	g.pump(now)
}

// SessionRefused says that the broker refused the node's CONNECT with the MQTT
// return code, 1 to 5. "Server unavailable" may pass by itself.
func (g *Gateway) SessionRefused(now time.Time, id NodeID, code byte) {
	const serverUnavailable = 3 // MQTT 3.1.1 section 3.2.2.3
	n := g.byID[id]
	if n == nil || n.state != connecting || code == serverUnavailable {
		return
	}
	g.refuse(now, n, mqttsn.NotSupported, ReasonRejected)
	g.pump(now)
}

// accept completes CONNECT.
func (g *Gateway) accept(now time.Time, n *node, sessionPresent bool) {
	g.enter(n, active)
	g.reply(now, n.peer, &mqttsn.Packet{
		Type: mqttsn.ConnAck, ReturnCode: mqttsn.Accepted,
		HasSession: n.extended, SessionPresent: sessionPresent,
	})
	g.notice(Notice{Kind: BoardConnected, Node: n.id, ClientID: n.clientID, Resumed: sessionPresent, Again: n.connected})
	n.connected = true
	n.lastHeard = now // until now the board had to wait
	g.schedule(n)
	g.makeReady(n)
}

// refuse answers the CONNECT of n with code and ends its session.
func (g *Gateway) refuse(now time.Time, n *node, code mqttsn.ReturnCode, why Reason) {
	peer, clientID, what := n.peer, n.clientID, mqttsn.Connect
	if n.state == askWillTopic || n.state == askWillMsg {
		what = mqttsn.WillTopic
	}
	g.end(n, AbortSession, why)
	g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: code})
	g.notice(Notice{Kind: BoardRefused, Type: what, Reason: why, ClientID: clientID})
}

// refusePeer answers a CONNECT that begins nothing.
func (g *Gateway) refusePeer(now time.Time, peer Peer, code mqttsn.ReturnCode, why Reason, clientID string) {
	g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: code})
	g.notice(Notice{Kind: BoardRefused, Type: mqttsn.Connect, Reason: why, ClientID: clientID})
}

// disconnect handles DISCONNECT (MQTT-SN 1.2 section 5.4.21): the MQTT session
// ends orderly, without its will, and the board is told so.
func (g *Gateway) disconnect(now time.Time, n *node) {
	g.farewell = now
	g.end(n, CloseSession, ReasonByBoard)
	g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.Disconnect})
}
