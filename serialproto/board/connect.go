package board

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const (
	// connectPause is the least time between two CONNECTs, however often the
	// gateway says DISCONNECT.
	connectPause = 250 * time.Millisecond

	// firstWait is how long the first CONNECT waits for its answer; every
	// further one waits twice as long, up to maxRTO.
	firstWait = time.Second
)

// handshake is the way from CONNECT to CONNACK (MQTT-SN 1.2 section 6.2).
type handshake struct {
	next  mqttsn.Type // CONNECT, WILLTOPIC or WILLMSG; 0 if the gateway's turn
	sent  time.Time   // the last CONNECT
	retry time.Time   // the next CONNECT
	wait  time.Duration
}

// connect begins a session. A board that was just thrown out does not insist
// more often than every connectPause.
func (b *Board) connect(now time.Time) {
	b.state = connecting
	b.mute, b.hold, b.askAgain = 0, time.Time{}, time.Time{}
	b.answers = b.answers[:0]
	b.handshake.wait = firstWait
	b.handshake.next = 0
	b.handshake.retry = b.handshake.soonest(now)
	b.advanceHandshake(now)
}

func (h *handshake) soonest(now time.Time) time.Time {
	if t := h.sent.Add(connectPause); !h.sent.IsZero() && t.After(now) {
		return t
	}
	return now
}

func (b *Board) advanceHandshake(now time.Time) {
	if !now.Before(b.handshake.retry) {
		b.handshake.next = mqttsn.Connect
	}
}

func (b *Board) handshakeDeadline() time.Time {
	if b.handshake.next == mqttsn.Connect {
		return time.Time{} // it waits for the line alone
	}
	return b.handshake.retry
}

// nextHandshake puts the message that the handshake needs into b.out.
func (b *Board) nextHandshake(now time.Time) bool {
	h, p := &b.handshake, &b.out
	p.Type = h.next
	switch h.next {
	case mqttsn.Connect:
		p.Flags = b.cfg.connectFlags()
		p.Duration = b.cfg.duration()
		p.ClientID = append(p.ClientID, b.cfg.ClientID...)
		h.sent = now
		h.retry = b.leaves(now).Add(h.wait)
		h.wait = min(2*h.wait, maxRTO)
	case mqttsn.WillTopic, mqttsn.WillMsg:
		b.cfg.Will.fill(p)
	default:
		return false
	}
	h.next = 0
	return true
}

// willRequested handles WILLTOPICREQ and WILLMSGREQ. The gateway may ask again
// if an answer was lost; and in a session if CONNECT was sent again while CONNACK
// was on its way.
func (b *Board) willRequested(answer mqttsn.Type) {
	if (b.state == connecting || b.state == active) && b.cfg.Will != nil {
		b.handshake.next = answer
	}
}

// connAck handles CONNACK (MQTT-SN 1.2 section 5.4.5). One that comes late, for
// a CONNECT that was sent twice, changes nothing.
func (b *Board) connAck(now time.Time, p *mqttsn.Packet) {
	if b.state != connecting {
		return
	}
	b.handshake.next = 0
	switch p.ReturnCode {
	case mqttsn.Accepted:
		b.connected(now, p)
	case mqttsn.Congestion:
		b.handshake.retry = now.Add(congestionWait)
		b.event(Event{Kind: Congested})
	default:
		b.handshake.retry = now.Add(b.handshake.wait)
		b.event(Event{Kind: Refused, ReturnCode: p.ReturnCode})
	}
}

// connected starts a session. No topic id is taken over from the last one: the
// gateway may have lost its memory meanwhile and have given the same ids to
// other topics. REGISTER costs a round trip a topic and brings the old id back
// if the gateway still has it, so that it knows retransmissions again.
func (b *Board) connected(now time.Time, p *mqttsn.Packet) {
	b.state = active
	b.sent, b.heard = now, now
	b.probe = probe{}
	b.topics.forgetAll()
	if b.cfg.CleanSession {
		b.recent = recent{}
	}
	// If it was not asked for, it is the answer to a CONNECT before a reset.
	has := p.HasSession && b.cfg.AskSession
	present := has && p.SessionPresent
	b.event(Event{Kind: Connected, HasSession: has, SessionPresent: present})
	b.resumeRequests(present && !b.cfg.CleanSession)
	b.resumeQueue()
}

// lose gives up the session and connects again.
func (b *Board) lose(now time.Time, why Reason) {
	b.event(Event{Kind: Disconnected, Reason: why})
	b.connect(now)
}

// disconnected handles DISCONNECT: the answer to ours, or the gateway does not
// know the board (any more) and wants a CONNECT.
func (b *Board) disconnected(now time.Time) {
	switch b.state {
	case leaving:
		b.end(ByBoard)
	case dozing:
		b.fallAsleep(0)
	case active, awake:
		b.lose(now, ByGateway)
	case connecting:
		// One of several answers to what was under way when the session ended,
		// or a gateway that has just come up.
		if h := &b.handshake; h.soonest(now).Before(h.retry) {
			h.retry, h.wait = h.soonest(now), firstWait
			b.advanceHandshake(now)
		}
	}
}
