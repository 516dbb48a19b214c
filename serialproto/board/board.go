package board

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Board is one MQTT-SN client. Make it with New; a Board is for one goroutine
// at a time.
type Board struct {
	cfg    Config
	state  state
	topics topics
	events []Event
	taken  []Event // what the last call of Events returned

	handshake handshake
	probe     probe
	nap       uint16    // how long the board said it would sleep, in seconds
	request   request   // the one that waits for an answer
	wishes    []request // those that wait for their turn
	askAgain  time.Time // congestion: no wish before
	filters   []request // SUBSCRIBE for every filter that is wanted

	queue []*outgoing // oldest first, unacknowledged
	loose []*outgoing // QoS -1, not sent
	free  []*outgoing
	msgID uint16

	answers []answer // owed to the gateway
	recent  recent   // messages of the gateway that were acknowledged

	line  rto // REGISTER, PINGREQ, DISCONNECT: the gateway answers at once
	ack   rto // PUBLISH, SUBSCRIBE: the answer waits for the broker
	sent  time.Time
	heard time.Time
	mute  int       // timeouts in a row without a word from the gateway
	hold  time.Time // congestion: nothing new before

	in  mqttsn.Packet
	out mqttsn.Packet
	buf []byte
}

// state is where the board is in its life.
type state uint8

const (
	off        state = iota
	connecting       // CONNECT is to be sent or answered
	active
	leaving // DISCONNECT is to be sent or answered
	dozing  // DISCONNECT with Duration is to be sent or answered
	asleep  // neither sends nor listens
	awake   // PINGREQ with ClientId is to be sent or answered
)

const (
	// congestionWait is how long the board waits after "congestion". The
	// standard's T_WAIT, more than 5 minutes (MQTT-SN 1.2 section 7.2), is for
	// radio.
	congestionWait = time.Second

	// maxEvents bounds what a program that never takes Events can pile up.
	maxEvents = 1024
)

// New returns a board that is switched off: it sends nothing before Start. The
// error says which field of cfg is out of range.
func New(cfg Config) (*Board, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	return &Board{cfg: cfg, topics: newTopics(cfg.Predefined, cfg.MaxTopics)}, nil
}

// Start connects, unless the board is connected or about to be. A board that
// sleeps is active again when Connected comes.
func (b *Board) Start(now time.Time) {
	if b.state != connecting && b.state != active {
		b.connect(now)
	}
}

// Disconnect ends the session orderly: the will is not published. Messages that
// are queued stay queued for the next Start.
func (b *Board) Disconnect(now time.Time) {
	if b.state != off && b.state != leaving {
		b.state = leaving
		b.probe = probe{due: true, first: now}
	}
}

// Connected reports whether there is a session in which the board is active.
func (b *Board) Connected() bool { return b.state == active }

// Idle reports whether the board is active and nothing is left to be sent or
// answered: a good moment to sleep.
func (b *Board) Idle() bool {
	return b.state == active && b.Unacknowledged() == 0 && b.request.kind == 0 && len(b.wishes) == 0 &&
		len(b.answers) == 0 && !b.probe.due && !b.probe.out
}

// Unacknowledged returns how many messages wait to be sent or acknowledged.
func (b *Board) Unacknowledged() int { return len(b.queue) + len(b.loose) }

// Room returns how many more messages Publish takes.
func (b *Board) Room() int { return b.cfg.MaxQueue - b.Unacknowledged() }

// Events returns what has happened since the last call. The slice is valid
// until the next call.
func (b *Board) Events() []Event {
	b.events, b.taken = b.taken[:0], b.events
	return b.taken
}

func (b *Board) event(e Event) {
	if len(b.events) < maxEvents {
		b.events = append(b.events, e)
	}
}

// end switches the board off.
func (b *Board) end(why Reason) {
	b.state = off
	b.event(Event{Kind: Disconnected, Reason: why})
}

// Next returns the next message for the gateway, which leaves now, or false if
// there is none at this time. The bytes are valid until the next call.
func (b *Board) Next(now time.Time) ([]byte, bool) {
	b.out = mqttsn.Packet{}
	ok := b.state != asleep && b.nextLoose()
	switch b.state {
	case connecting:
		ok = ok || b.nextHandshake(now)
	case active:
		ok = ok || b.nextHandshake(now) || b.nextAnswer() || b.nextProbe(now) || b.nextRequest(now) || b.nextPublish(now)
	case leaving, dozing, awake:
		ok = ok || b.nextAnswer() || b.nextProbe(now)
	}
	if !ok {
		return nil, false
	}
	b.buf = b.out.Append(b.buf[:0])
	b.sent = now
	return b.buf, true
}

// leaves returns when the message in b.out will have left.
func (b *Board) leaves(now time.Time) time.Time {
	return now.Add(b.cfg.wireTime(b.out.Len()))
}

// Advance tells the board that it is now. Call it at the Deadline.
func (b *Board) Advance(now time.Time) {
	if !now.Before(b.askAgain) {
		b.askAgain = time.Time{}
	}
	if !now.Before(b.hold) {
		b.hold = time.Time{}
	}
	switch b.state {
	case connecting:
		b.advanceHandshake(now)
	case active:
		b.advanceRequest(now)
		b.advanceQueue(now)
		b.advanceKeepAlive(now)
		b.advanceProbe(now)
	case leaving, dozing, awake:
		b.advanceProbe(now)
	}
}

// Deadline returns when Advance and Next must be called even if nothing else
// happens, or the zero time. It may have passed.
func (b *Board) Deadline() time.Time {
	var d deadline
	switch b.state {
	case connecting:
		d.at(b.handshakeDeadline())
	case active:
		d.at(b.requestDeadline())
		d.at(b.queueDeadline())
		d.at(b.keepAliveDeadline())
		d.at(b.probeDeadline())
	case leaving, dozing, awake:
		d.at(b.probeDeadline())
	}
	return time.Time(d)
}

// deadline is the earliest of several times; the zero time is none.
type deadline time.Time

func (d *deadline) at(t time.Time) {
	if !t.IsZero() && (time.Time(*d).IsZero() || t.Before(time.Time(*d))) {
		*d = deadline(t)
	}
}

func (b *Board) nextMsgID() uint16 {
	if b.msgID++; b.msgID == 0 {
		b.msgID = 1 // 0x0000 is for messages without an answer (MQTT-SN 1.2 section 5.3.8)
	}
	return b.msgID
}
