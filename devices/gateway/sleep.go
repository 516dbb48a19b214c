package gateway

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// A board that sleeps keeps its session (MQTT-SN 1.2 section 6.14):
//
//	active --DISCONNECT with Duration--> asleep --PINGREQ with ClientId--> awake
//	asleep or awake --CONNECT--> active
//	awake --queue empty: PINGRESP--> asleep
//
// Asleep, nothing is sent to it: what comes from the broker waits in its queue.
// Neither keepalive nor port judge it, only the sleep timer.

// awakePatience is how long a board that is awake may be silent before it is
// taken to be asleep again.
const awakePatience = 10 * time.Second

// sleeps reports whether the board is asleep, or awake for its messages only.
func (n *node) sleeps() bool { return n.state == asleep || n.state == awake }

// listens reports whether messages may be sent to the board.
func (n *node) listens() bool { return n.state == active || n.state == awake }

// sleepDeadline returns when a board that sleeps has been silent for too long.
func (n *node) sleepDeadline() time.Time {
	if n.state == awake {
		return n.lastHeard.Add(awakePatience)
	}
	return n.lastHeard.Add(n.nap + n.nap/2)
}

// silence returns how long the board may be silent, or zero for any time.
func (n *node) silence() time.Duration {
	if n.sleeps() {
		return n.nap
	}
	return n.keepalive
}

// mayComeAsleep reports whether a board that sleeps may send such a message
// without CONNECT: those that end its sleep or answer what it got awake, perhaps
// too late. A late answer to a will's question means nothing.
func mayComeAsleep(t mqttsn.Type) bool {
	switch t {
	case mqttsn.Disconnect, mqttsn.RegAck, mqttsn.PubAck, mqttsn.PingResp, mqttsn.WillTopic, mqttsn.WillMsg:
		return true
	}
	return false
}

// sleep handles DISCONNECT with Duration. What the board has asked for and was
// not told it asks for again when it connects.
func (g *Gateway) sleep(now time.Time, n *node, nap time.Duration) {
	g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.Disconnect})
	n.nap = nap
	n.pending, n.willUpdate = n.pending[:0], 0
	g.changed(n)
	if n.state == asleep {
		return // it asked again
	}
	g.doze(n)
}

// doze makes n asleep. A message that it did not acknowledge comes first when it
// is awake.
func (g *Gateway) doze(n *node) {
	g.enter(n, asleep)
	n.request, n.ping = request{}, ping{}
	g.notice(Notice{Kind: BoardAsleep, Node: n.id, ClientID: n.clientID})
}

// wake handles PINGREQ if it has to do with sleep, and reports whether it had. A
// client id says who sent it, wherever it comes from; without one it is the board
// that was there.
func (g *Gateway) wake(now time.Time, n *node, peer Peer, p *mqttsn.Packet) bool {
	who := n
	if len(p.ClientID) > 0 {
		who = nil
		if clientID, why := g.clientIDFor(p); why == NoReason {
			who = g.clients[clientID]
		}
	}
	switch {
	case who == nil || !who.live() || who.peer != peer && !who.sleeps():
		g.stranger(now, nil, peer, p)
		return true
	case !who.sleeps():
		return false // an active board that is talkative
	}
	if who != n {
		if n != nil {
			g.leave(now, n) // another board is there now
		}
		g.place(who, peer)
	}
	if who.state == asleep {
		g.enter(who, awake)
		g.notice(Notice{Kind: BoardAwake, Node: who.id, ClientID: who.clientID})
	}
	g.hear(now, who)
	g.makeReady(who)
	return true
}

// sendToSleep says with PINGRESP that there are no more messages for n.
func (g *Gateway) sendToSleep(now time.Time, n *node) (sent, blocked bool) {
	p := &g.sending
	*p = mqttsn.Packet{Type: mqttsn.PingResp}
	if !g.hasRoom(p, n.peer) {
		return false, true
	}
	g.write(now, n.peer, p, false)
	g.doze(n)
	g.schedule(n)
	return true, false
}

// overslept deals with the end of the sleep timer. A board that is awake and does
// not answer is left in peace; one that did not wake up is lost.
func (g *Gateway) overslept(now time.Time, n *node) {
	if n.state == awake {
		g.doze(n)
		return
	}
	g.end(now, n, AbortSession, ReasonKeepalive)
}
