package gateway

import (
	"slices"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// waiting is the kind of a request that is a pause, not a message.
const waiting = mqttsn.Type(0xFF)

// maxWaiting bounds the answers that wait for credit. A board that lets so
// many pile up asks again for what is dropped.
const maxWaiting = 256

// reply is an answer that waits for credit.
type reply struct {
	peer Peer
	body []byte
}

// output is what one turn produced. Two of them take turns, so that what was
// handed out stays valid until the next input.
type output struct {
	stream    []byte // framed bytes, or the datagrams' data
	datagrams []Datagram
	commands  []Command
	notices   []Notice
}

func (g *Gateway) command(c Command) { g.out.commands = append(g.out.commands, c) }
func (g *Gateway) notice(n Notice)   { g.out.notices = append(g.out.notices, n) }

// drop reports a message of a board that goes no further.
func (g *Gateway) drop(n *node, why Reason, p *mqttsn.Packet) {
	var id NodeID
	if n != nil {
		id = n.id
	}
	g.notice(Notice{Kind: MessageDropped, Node: id, QoS: int8(p.Flags.QoS()), Reason: why, Size: len(p.Data), Type: p.Type})
}

// refused reports a request of a board that was answered with an error.
func (g *Gateway) refused(n *node, what mqttsn.Type, why Reason) {
	g.notice(Notice{Kind: RequestRefused, Node: n.id, ClientID: n.clientID, Type: what, Reason: why})
}

// unexpected reports a good message that is not for a gateway, or not now.
func (g *Gateway) unexpected(what mqttsn.Type) {
	g.notice(Notice{Kind: Malformed, Reason: ReasonUnexpected, Type: what})
}

// wireLen returns how many bytes of a board's buffer the message takes.
func (g *Gateway) wireLen(p *mqttsn.Packet, peer Peer) int {
	n := p.Len()
	if peer.Node != "" {
		n += 3 + len(peer.Node)
	}
	return serialproto.FrameLen(n)
}

var pingLen = serialproto.FrameLen(2)

func (g *Gateway) hasRoom(p *mqttsn.Packet, peer Peer) bool {
	return g.flow.room(g.wireLen(p, peer), pingLen)
}

// write puts the message out, whatever the credit.
func (g *Gateway) write(now time.Time, peer Peer, p *mqttsn.Packet, eliciting bool) (mark uint64) {
	g.scratch = p.Append(g.scratch[:0])
	return g.writeBody(now, peer, g.scratch, eliciting)
}

func (g *Gateway) writeBody(now time.Time, peer Peer, body []byte, eliciting bool) (mark uint64) {
	if !g.open {
		return g.flow.sent
	}
	if peer.Node != "" {
		wrap := mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: []byte(peer.Node), Data: body}
		g.wrapped = wrap.Append(g.wrapped[:0])
		body = g.wrapped
	}
	start := len(g.out.stream)
	if g.cfg.Datagram {
		g.out.stream = append(g.out.stream, body...)
		g.out.datagrams = append(g.out.datagrams, Datagram{Addr: peer.Addr, start: start, end: len(g.out.stream)})
		return 0
	}
	g.out.stream = serialproto.AppendFrame(g.out.stream, body)
	g.frames++
	n := g.nodes[peer]
	if n != nil {
		g.lastPeer = peer
	}
	return g.flow.send(now, len(g.out.stream)-start, eliciting, g.creditRTO())
}

// creditRTO is how long credit stays out when the board does not answer.
func (g *Gateway) creditRTO() time.Duration {
	if n := g.nodes[g.lastPeer]; n != nil {
		return n.rtt.rto(0)
	}
	return initialRTO
}

// reply answers a board, at once or when there is credit.
func (g *Gateway) reply(now time.Time, peer Peer, p *mqttsn.Packet) {
	if n := g.nodes[peer]; n != nil && n.quiet {
		return // nothing uninvited: it connects anew, or asks again
	}
	if len(g.waiting) == 0 && g.hasRoom(p, peer) {
		g.write(now, peer, p, false)
		return
	}
	if len(g.waiting) >= maxWaiting {
		g.notice(Notice{Kind: MessageDropped, Reason: ReasonCongestion, Type: p.Type})
		return
	}
	g.waiting = append(g.waiting, reply{peer, p.Append(nil)})
}

// dropReplies forgets the answers that wait for credit: the session whose
// messages they answer is over.
func (g *Gateway) dropReplies(peer Peer) {
	g.waiting = slices.DeleteFunc(g.waiting, func(r reply) bool { return r.peer == peer })
}

// ask sends n a message that it must answer, and keeps asking.
func (g *Gateway) ask(now time.Time, n *node, p *mqttsn.Packet) {
	mark := g.write(now, n.peer, p, true)
	n.request = request{kind: p.Type, msgID: p.MsgID, sentAt: now, mark: mark, deadline: now.Add(n.rtt.rto(0))}
	g.schedule(n)
}

// answered ends the outstanding request of n.
func (g *Gateway) answered(now time.Time, n *node) {
	g.flow.acknowledge(now, n.request.mark, n.rtt.rto(0))
	if n.request.tries == 0 { // Karn: else nobody knows which copy was answered
		g.roundTrip(n, now.Sub(n.request.sentAt))
	}
	n.request = request{}
	g.makeReady(n)
}

func (g *Gateway) roundTrip(n *node, d time.Duration) {
	n.rtt.sample(d)
	g.notice(Notice{Kind: RoundTrip, Node: n.id, Latency: d, SRTT: n.rtt.srtt, RTO: n.rtt.rto(0)})
}

// retransmit sends the outstanding request of n again.
func (g *Gateway) retransmit(now time.Time, n *node) {
	r := &n.request
	r.deadline = time.Time{}
	if r.kind == waiting {
		*r = request{}
		g.makeReady(n)
		return
	}
	if !g.open || n.quiet {
		return // PortOpened, or the first message from the board, starts anew
	}
	p := g.requestPacket(n)
	if !g.hasRoom(p, n.peer) {
		r.deadline = g.flow.probe.deadline
		return
	}
	r.tries++
	r.mark = g.write(now, n.peer, p, true)
	r.deadline = now.Add(n.rtt.rto(r.tries))
	g.notice(Notice{Kind: Retransmitted, Node: n.id, Type: p.Type})
}

// requestPacket rebuilds the message of the outstanding request.
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

// pump sends what waits, as far as credit goes: answers first, then the nodes'
// messages in turn.
func (g *Gateway) pump(now time.Time) {
	g.flow.advance(now, g.creditRTO())
	g.stuck = false
	for len(g.waiting) > 0 && g.flow.room(serialproto.FrameLen(len(g.waiting[0].body)+len(g.waiting[0].peer.Node)+3), pingLen) {
		g.writeBody(now, g.waiting[0].peer, g.waiting[0].body, false)
		g.waiting = g.waiting[1:]
	}
	for len(g.ready) > 0 && len(g.waiting) == 0 {
		n := g.ready[0]
		sent, blocked := g.deliverNext(now, n)
		if blocked {
			g.stuck = true
			break
		}
		g.ready = append(g.ready[:0], g.ready[1:]...)
		n.ready = false
		if sent {
			g.makeReady(n)
		}
	}
	g.earnCredit(now)
}

// earnCredit closes a run of messages that nobody answers with a PINGREQ,
// which "is sent by either" side (MQTT-SN 1.2 section 5.4.19).
func (g *Gateway) earnCredit(now time.Time) {
	n := g.nodes[g.lastPeer]
	if n == nil || n.state != active || n.quiet || !g.flow.wantsPing(g.blocked()) {
		return
	}
	g.sending = mqttsn.Packet{Type: mqttsn.PingReq}
	n.ping.sentAt = now
	n.ping.mark = g.write(now, n.peer, &g.sending, true)
}

// blocked reports whether something waits for nothing but credit.
func (g *Gateway) blocked() bool { return g.stuck || len(g.waiting) > 0 }

// pingResp handles PINGRESP, which returns credit.
func (g *Gateway) pingResp(now time.Time, n *node) {
	if n.ping.sentAt.IsZero() {
		return
	}
	g.roundTrip(n, now.Sub(n.ping.sentAt))
	g.flow.acknowledge(now, n.ping.mark, n.rtt.rto(0))
	n.ping = ping{}
}

// Commands returns what is to be done with MQTT sessions, in order, and
// forgets it. Call it after every input.
func (g *Gateway) Commands() []Command {
	c := g.out.commands
	g.out.commands, g.spare.commands = g.spare.commands[:0], c
	return c
}

// Notices returns what there is to tell, and forgets it.
func (g *Gateway) Notices() []Notice {
	n := g.out.notices
	g.out.notices, g.spare.notices = g.spare.notices[:0], n
	return n
}

// Stream returns the framed bytes to write to the port and how many frames
// they are, and forgets them. It is for ports that are no datagram ports.
func (g *Gateway) Stream() (b []byte, frames int) {
	b, frames = g.out.stream, g.frames
	g.out.stream, g.spare.stream, g.frames = g.spare.stream[:0], b, 0
	return b, frames
}

// Datagrams returns the bare messages to send, and forgets them. It is for
// datagram ports.
func (g *Gateway) Datagrams() []Datagram {
	d := g.out.datagrams
	for i := range d {
		d[i].Data = g.out.stream[d[i].start:d[i].end]
	}
	g.out.datagrams, g.spare.datagrams = g.spare.datagrams[:0], d
	g.out.stream, g.spare.stream = g.spare.stream[:0], g.out.stream
	return d
}
