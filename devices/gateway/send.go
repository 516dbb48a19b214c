package gateway

import (
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// maxWaiting bounds the answers that wait for credit. A board that lets so
// many pile up asks again for what is dropped.
const maxWaiting = 256

// maxTurn bounds what is put out in one turn, but for its last message: what the
// port does not take must be kept by the driver of the gateway.
const maxTurn = 16 << 10

// lineBuffer is how many bytes the system and an adapter may hold that have been
// written and have not left. A line that seems to hold more is faster than said.
const lineBuffer = 8192

// reply is an answer that waits for credit.
type reply struct {
	peer   Peer
	packet mqttsn.Packet
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

// bodyLen returns the length of the frame's body that carries the message.
func bodyLen(p *mqttsn.Packet, peer Peer) int {
	n := p.Len()
	if peer.Node != "" {
		n += 3 + len(peer.Node)
	}
	return n
}

// tooLong reports whether the message is longer than what is sent on the port.
func (g *Gateway) tooLong(p *mqttsn.Packet, peer Peer) bool { return bodyLen(p, peer) > g.cfg.MaxFrame }

// pingLen returns the wire length of PINGREQ for peer.
func pingLen(peer Peer) int {
	return serialproto.FrameLen(bodyLen(&mqttsn.Packet{Type: mqttsn.PingReq}, peer))
}

// hasRoom reports whether a message may be put out now: the port takes bytes,
// the turn is not full, and there is credit.
func (g *Gateway) hasRoom(p *mqttsn.Packet, peer Peer) bool {
	return !g.busy && len(g.out.stream) < maxTurn && g.flow.room(serialproto.FrameLen(bodyLen(p, peer)), pingLen(peer))
}

// write puts the message out, whatever the credit.
func (g *Gateway) write(now time.Time, peer Peer, p *mqttsn.Packet, eliciting bool) (mark uint64) {
	if !g.open {
		return g.flow.sent
	}
	g.scratch = p.Append(g.scratch[:0])
	body := g.scratch
	if peer.Node != "" {
		g.nodeID = append(g.nodeID[:0], peer.Node...)
		wrap := mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: g.nodeID, Data: body}
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
	size := len(g.out.stream) - start
	g.flow.advance(now, g.creditRTO()) // or a probe that is over would cover this frame too
	g.idleAt = g.leaves(now).Add(g.lineTime(size))
	if last := now.Add(g.lineTime(lineBuffer)); g.idleAt.After(last) {
		g.idleAt = last
	}
	return g.flow.send(size, eliciting, g.idleAt.Add(g.creditRTO()))
}

// acknowledged notes that n has read everything up to mark: its credit returns,
// and whatever the line's speed should be, all of it has left.
func (g *Gateway) acknowledged(now time.Time, n *node, mark uint64) {
	g.flow.acknowledge(mark, now.Add(n.rtt.credit()))
	if idle := now.Add(g.lineTime(int(g.flow.sent - mark))); idle.Before(g.idleAt) {
		g.idleAt = idle
	}
}

// leaves returns when a byte written now leaves: after all others.
func (g *Gateway) leaves(now time.Time) time.Time {
	if g.idleAt.After(now) {
		return g.idleAt
	}
	return now
}

// lineTime is how long n bytes occupy the line: a start bit, eight data bits
// and a stop bit each.
func (g *Gateway) lineTime(n int) time.Duration {
	if g.cfg.Baud <= 0 {
		return 0
	}
	return time.Duration(n) * 10 * time.Second / time.Duration(g.cfg.Baud)
}

// creditRTO is how long credit stays out when the board does not answer.
func (g *Gateway) creditRTO() time.Duration {
	if n := g.nodes[g.lastPeer]; n != nil {
		return n.rtt.credit()
	}
	return initialRTO
}

// reply answers a board, at once or when there is credit.
func (g *Gateway) reply(now time.Time, peer Peer, p *mqttsn.Packet) {
	if n := g.nodes[peer]; n != nil && n.quiet {
		return // nothing uninvited: it connects anew, or asks again
	}
	if g.waiting.len() == 0 && g.hasRoom(p, peer) {
		g.write(now, peer, p, false)
		return
	}
	if g.waiting.len() >= maxWaiting {
		g.notice(Notice{Kind: MessageDropped, Reason: ReasonCongestion, Type: p.Type})
		return
	}
	g.waiting.push(reply{peer, *p})
}

// dropReplies forgets the answers that wait for credit: the session whose
// messages they answer is over.
func (g *Gateway) dropReplies(peer Peer) {
	g.waiting.removeIf(func(r reply) bool { return r.peer == peer })
}

// pump sends what waits, as far as credit goes: answers first, then the nodes'
// messages in turn.
func (g *Gateway) pump(now time.Time) {
	g.save(now)
	g.flow.advance(now, g.creditRTO())
	g.stuck = false
	for g.waiting.len() > 0 {
		r := g.waiting.first()
		if !g.hasRoom(&r.packet, r.peer) {
			break
		}
		g.write(now, r.peer, &r.packet, false)
		g.waiting.pop()
	}
	for g.ready.len() > 0 && g.waiting.len() == 0 {
		n := *g.ready.first()
		sent, blocked := g.sendNext(now, n)
		if blocked {
			g.stuck = true
			break
		}
		g.ready.pop()
		n.ready = false
		if sent {
			g.makeReady(n)
		}
	}
	g.fullAt = time.Time{}
	if g.blocked() && len(g.out.stream) >= maxTurn {
		g.fullAt = now
	}
	g.earnCredit(now)
}

// earnCredit asks for credit if much of it is out and no answer is on its way.
func (g *Gateway) earnCredit(now time.Time) {
	n := g.nodes[g.lastPeer]
	if n != nil && n.listens() && !n.quiet && !g.busy && g.flow.wantsPing(g.blocked(), pingLen(n.peer)) {
		g.sendPing(now, n)
	}
}

// blocked reports whether something waits for nothing but credit.
func (g *Gateway) blocked() bool { return g.stuck || g.waiting.len() > 0 }

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
