package gateway

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// request is the one message that a node must answer before it is sent another
// of its kind: WILLTOPICREQ, WILLMSGREQ, REGISTER or PUBLISH QoS 1.
type request struct {
	kind     mqttsn.Type // zero: none
	msgID    uint16
	due      bool      // to be sent, again or for the first time
	sends    int       // transmissions
	sentAt   time.Time // of the first
	mark     uint64    // of the last, in the flow of the port
	deadline time.Time // of the next
}

// holding is the kind of a request that is a pause, not a message.
const holding = mqttsn.Type(0xFF)

// forHead reports whether the request is about the head of the queue.
func (r *request) forHead() bool {
	return r.kind == mqttsn.Publish || r.kind == mqttsn.Register || r.kind == holding
}

// answeredBy reports whether an answer with that MsgId is one to the request.
func (r *request) answeredBy(kind mqttsn.Type, msgID uint16) bool {
	return r.kind == kind && r.msgID == msgID && r.sends > 0
}

// ask makes n answer a message of that kind. It is sent when there is credit.
func (g *Gateway) ask(n *node, kind mqttsn.Type) {
	n.request = request{kind: kind, due: true}
	g.makeReady(n)
}

// sendRequest sends the request of n. Without credit it says that it is blocked.
func (g *Gateway) sendRequest(now time.Time, n *node) (sent, blocked bool) {
	r := &n.request
	p := g.requestPacket(n)
	if !g.hasRoom(p, n.peer) {
		return false, true
	}
	if r.sends == 0 {
		r.sentAt = now
	} else {
		n.rtt.expired()
		g.notice(Notice{Kind: Retransmitted, Node: n.id, Type: p.Type})
	}
	r.due = false
	r.sends++
	r.mark = g.write(now, n.peer, p, true)
	r.deadline = g.leaves(now).Add(n.rtt.rto())
	if p.Type == mqttsn.Publish {
		n.queue[0].sent = true
	}
	g.schedule(n)
	return true, false
}

// requestPacket builds the message of the request of n.
func (g *Gateway) requestPacket(n *node) *mqttsn.Packet {
	p := &g.sending
	switch n.request.kind {
	case mqttsn.Publish:
		g.publishPacket(n, n.queue[0])
	case mqttsn.Register:
		t := n.topics.name(n.queue[0].Topic)
		*p = mqttsn.Packet{Type: mqttsn.Register, TopicID: t.id, Topic: t.name}
	default:
		*p = mqttsn.Packet{Type: n.request.kind}
	}
	p.MsgID = n.request.msgID
	return p
}

// unasked reports an answer to no request. Two answers to a message that was
// sent twice are as they should be.
func (g *Gateway) unasked(n *node, p *mqttsn.Packet) {
	const recent = 64
	if p.MsgID == 0 || n.msgID-p.MsgID >= recent {
		g.unexpected(p.Type)
	}
}

// answered ends the request of n.
func (g *Gateway) answered(now time.Time, n *node) {
	if n.request.sends > 0 {
		g.acknowledged(now, n, n.request.mark)
	}
	if n.request.sends == 1 { // Karn: else nobody knows which copy was answered
		g.roundTrip(n, now.Sub(n.request.sentAt))
	}
	n.request = request{}
	g.makeReady(n)
}

func (g *Gateway) roundTrip(n *node, d time.Duration) {
	n.rtt.sample(d)
	g.notice(Notice{Kind: RoundTrip, Node: n.id, Latency: d, SRTT: n.rtt.srtt, RTO: n.rtt.rto()})
}

// overdue makes the request of n due again, in its turn, or ends its pause.
func (g *Gateway) overdue(n *node) {
	if n.request.kind == holding {
		n.request = request{}
	} else {
		n.request.deadline, n.request.due = time.Time{}, true
	}
	g.makeReady(n)
}

// ping is the PINGREQs of ours that n has not answered. They are sent to get
// credit back.
type ping struct {
	open   int       // not answered
	sentAt time.Time // the first of them
	mark   uint64    // of the first, in the flow of the port
	late   int       // answers to come to others, which say nothing
	heard  bool      // n answers PINGREQ
}

// sendPing closes a run of messages that nobody answers with a PINGREQ, which
// "is sent by either" side (MQTT-SN 1.2 section 5.4.19). A PINGRESP does not say
// which PINGREQ it answers. So while one is open it may be that one, and no
// credit is given for those sent after it.
func (g *Gateway) sendPing(now time.Time, n *node) {
	g.sending = mqttsn.Packet{Type: mqttsn.PingReq}
	mark := g.write(now, n.peer, &g.sending, true)
	if n.ping.open == 0 {
		n.ping.sentAt, n.ping.mark = now, mark
	} else if n.ping.heard {
		n.rtt.expired()
	}
	n.ping.open++
}

// pingResp handles PINGRESP, which returns credit.
func (g *Gateway) pingResp(now time.Time, n *node) {
	switch {
	case n.ping.late > 0:
		n.ping.late--
		return
	case n.ping.open == 0:
		g.unexpected(mqttsn.PingResp)
		return
	case n.ping.open == 1: // Karn
		g.roundTrip(n, now.Sub(n.ping.sentAt))
	}
	g.acknowledged(now, n, n.ping.mark)
	n.ping.late, n.ping.open, n.ping.heard = n.ping.open-1, 0, true
}
