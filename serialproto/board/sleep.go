package board

import (
	"math"
	"time"
)

// Sleep tells the gateway that the board will be silent for at most d, and ends
// in Asleep (MQTT-SN 1.2 section 6.14). From then on the board neither sends nor
// listens until Wake, Start or Disconnect; what is published or subscribed to
// meanwhile waits for Start. The gateway keeps the session, its will and the
// messages that come, and takes the board for lost when it has not seen a Wake
// for one and a half times d.
//
// d is rounded up to whole seconds, 1 to 65535. A board without a session has
// nothing to keep, and Sleep does nothing. In a board that sleeps it sets another
// time.
func (b *Board) Sleep(now time.Time, d time.Duration) {
	switch b.state {
	case active, dozing, asleep, awake:
		seconds := (min(d, math.MaxUint16*time.Second) + time.Second - 1) / time.Second
		b.nap = uint16(max(seconds, 1))
		b.state = dozing
		b.probe = probe{due: true, first: now}
	}
}

// Wake makes a board that sleeps ask for its messages. It is asleep again when
// it has them all; then Asleep comes, also if the gateway says nothing.
func (b *Board) Wake(now time.Time) {
	if b.state == asleep {
		b.state = awake
		b.probe = probe{due: true, first: now}
		b.event(Event{Kind: Awake})
	}
}

// Asleep reports whether the board neither sends nor listens.
func (b *Board) Asleep() bool { return b.state == asleep }

// fallAsleep shuts eyes and ears. What the board still owes the gateway asks for
// again.
func (b *Board) fallAsleep(why Reason) {
	b.state = asleep
	b.probe = probe{}
	b.answers = b.answers[:0]
	b.event(Event{Kind: Asleep, Reason: why, Sleep: time.Duration(b.nap) * time.Second})
}

// sampleWake notes how long the gateway took to say something to PINGREQ: a
// message or PINGRESP, it says it at once.
func (b *Board) sampleWake(now time.Time) {
	if b.state != awake || !b.probe.out || b.probe.heard {
		return
	}
	b.probe.heard = true
	if b.probe.tries == 1 {
		b.line.sample(now.Sub(b.probe.sent))
	}
}
