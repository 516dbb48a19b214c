package gateway

import (
	"errors"
	"net/netip"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const (
	gatewayID    = 1                // in GWINFO
	farewellTime = 30 * time.Second // how long a lost DISCONNECT is answered again
)

// Receive handles the body of a frame, or a datagram from addr. body is not
// kept, but commands and notices refer to it until the next input.
func (g *Gateway) Receive(now time.Time, addr netip.AddrPort, body []byte) {
	g.recycle()
	p := &g.in
	err := mqttsn.Parse(body, p)
	var nodeID []byte
	if err == nil && p.Type == mqttsn.Encapsulated {
		nodeID = p.NodeID
		err = mqttsn.Parse(p.Data, p)
	}
	n := g.nodes[Peer{addr, string(nodeID)}]
	peer := Peer{Addr: addr}
	if n != nil {
		peer = n.peer
	} else if nodeID != nil {
		peer.Node = string(nodeID)
	}
	if err != nil {
		g.malformed(now, peer, p, err)
	} else {
		g.dispatch(now, n, peer, p)
	}
	g.pump(now)
}

// malformed counts a frame that is no message. Only a CONNECT for another
// protocol has an answer.
func (g *Gateway) malformed(now time.Time, peer Peer, p *mqttsn.Packet, err error) {
	why := ReasonMalformed
	var e *mqttsn.Error
	if errors.As(err, &e) {
		switch e.Reason {
		case mqttsn.BadLength:
			why = ReasonLength
		case mqttsn.UnknownType:
			why = ReasonUnknownType
		case mqttsn.NotProtocol:
			if n := g.nodes[peer]; n != nil {
				g.leave(now, n)
			}
			g.refusePeer(now, peer, mqttsn.NotSupported, ReasonUnsupported, string(p.ClientID))
			return
		}
	}
	g.notice(Notice{Kind: Malformed, Reason: why, Type: p.Type})
}

// dispatch hands a message to what answers it.
func (g *Gateway) dispatch(now time.Time, n *node, peer Peer, p *mqttsn.Packet) {
	if n != nil {
		g.hear(now, n)
	}
	switch {
	case p.Type == mqttsn.Connect:
		g.connect(now, peer, p)
		return
	case p.Type == mqttsn.SearchGW:
		g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.GWInfo, GatewayID: gatewayID})
		return
	case p.Type == mqttsn.Advertise || p.Type == mqttsn.GWInfo:
		g.unexpected(p.Type) // from another gateway
		return
	case p.Type == mqttsn.Publish && p.Flags.QoS() == -1:
		g.publishOwn(now, peer, p)
		return
	case p.Type == mqttsn.PingReq && g.wake(now, n, peer, p):
		return
	case n == nil || !n.live() || n.sleeps() && !mayComeAsleep(p.Type):
		g.stranger(now, n, peer, p)
		return
	}
	if n.unheardOf && n.state == active && provesConnack(p.Type) {
		n.unheardOf = false
		g.changed(n)
	}
	g.handle(now, n, p)
	if n.live() {
		g.schedule(n)
	}
}

// provesConnack reports whether a board sends such a message only when it has got
// CONNACK.
func provesConnack(t mqttsn.Type) bool {
	return t != mqttsn.WillTopic && t != mqttsn.WillMsg && t != mqttsn.Disconnect
}

// hear notes that n is there, whatever it says.
func (g *Gateway) hear(now time.Time, n *node) {
	n.lastHeard, n.gone, n.challenged = now, 0, time.Time{}
	if n.quiet {
		n.quiet = false
		g.makeReady(n)
	}
	if n.live() {
		g.schedule(n)
	}
}

// stranger answers a client without a session: it must connect first.
func (g *Gateway) stranger(now time.Time, n *node, peer Peer, p *mqttsn.Packet) {
	if p.Type == mqttsn.Disconnect {
		// Answered only if it may be one whose answer was lost: two ends that
		// answer each other's DISCONNECT would never stop, and a REPL echoes ours.
		if now.Sub(g.farewell) > farewellTime || now.Sub(g.goodbye) < goodbyeInterval {
			return
		}
		g.goodbye = now
	} else {
		g.notConnected(n, p)
	}
	g.reply(now, peer, &mqttsn.Packet{Type: mqttsn.Disconnect})
}

// notConnected reports a message that comes before CONNECT, or CONNACK.
func (g *Gateway) notConnected(n *node, p *mqttsn.Packet) {
	if p.Type == mqttsn.Publish {
		g.drop(n, ReasonUnknownClient, p)
	} else {
		g.unexpected(p.Type)
	}
}

// handle deals with a message of a node that has a session, or is getting one.
func (g *Gateway) handle(now time.Time, n *node, p *mqttsn.Packet) {
	switch p.Type {
	case mqttsn.WillTopic:
		g.willTopic(now, n, p)
	case mqttsn.WillMsg:
		g.willMsg(now, n, p)
	case mqttsn.PingReq:
		g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.PingResp})
	case mqttsn.PingResp:
		g.pingResp(now, n)
	case mqttsn.Disconnect:
		g.disconnect(now, n, p)
	default:
		if !n.state.joined() {
			g.notConnected(n, p)
			return
		}
		g.handleActive(now, n, p)
	}
}

// handleActive deals with what only a connected node may send.
func (g *Gateway) handleActive(now time.Time, n *node, p *mqttsn.Packet) {
	switch p.Type {
	case mqttsn.Register:
		g.register(now, n, p)
	case mqttsn.RegAck:
		g.regAck(now, n, p)
	case mqttsn.Publish:
		g.publish(now, n, p)
	case mqttsn.PubAck:
		g.pubAck(now, n, p)
	case mqttsn.Subscribe, mqttsn.Unsubscribe:
		g.subscribe(now, n, p)
	case mqttsn.WillTopicUpd:
		g.willTopicUpd(now, n, p)
	case mqttsn.WillMsgUpd:
		g.willMsgUpd(now, n, p)
	default: // QoS 2, and what only gateways send
		g.unexpected(p.Type)
	}
}
