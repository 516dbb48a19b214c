package gateway

import "time"

// flow is the credit of one port: how many bytes may be on their way to a
// board that reads into a small buffer and drops the rest in silence
// (MicroPython's stdin ring holds 259 bytes).
//
// Every byte counts when it is sent. It is returned when the board
// acknowledges something that was sent after it, because a serial line does
// not reorder; and, for boards that never answer a PINGREQ, one
// retransmission time-out after it has left.
//
// All positions are counts of bytes ever sent on the port.
type flow struct {
	limit    int    // rx_buffer in bytes; 0 or less means no limit
	sent     uint64 // bytes sent so far
	returned uint64 // bytes known, or assumed, to have been read

	probe struct {
		mark      uint64    // what returns when the probe ends
		deadline  time.Time // when it ends without an answer; zero when idle
		eliciting bool      // an answer from the board is on its way
	}
}

func (f *flow) outstanding() int { return int(f.sent - f.returned) }

// room reports whether a frame of n wire bytes may be sent now. reserve bytes
// are left free, so that a PINGREQ always fits behind it. A frame that is
// larger than the whole buffer goes alone.
func (f *flow) room(n, reserve int) bool {
	if f.limit <= 0 || f.sent == f.returned {
		return true
	}
	if f.probe.eliciting {
		reserve = 0
	}
	return f.outstanding()+n+reserve <= f.limit
}

// send counts a frame of n wire bytes. eliciting says that the board answers
// it, and deadline when it is not waited for any longer. The result is the mark
// to hand to acknowledge when the answer comes.
func (f *flow) send(n int, eliciting bool, deadline time.Time) (mark uint64) {
	f.sent += uint64(n)
	if f.limit > 0 && (f.probe.deadline.IsZero() || (eliciting && !f.probe.eliciting)) {
		f.probe.mark, f.probe.deadline, f.probe.eliciting = f.sent, deadline, eliciting
	}
	return f.sent
}

// wantsPing reports whether a PINGREQ should be sent to get credit back before
// it runs out, or because something waits for it: half of the buffer is in
// doubt and no answer is on its way. Behind a frame that fills the buffer there
// is no room for it; then time returns the credit.
func (f *flow) wantsPing(blocked bool, pingLen int) bool {
	return f.limit > 0 && !f.probe.eliciting && f.outstanding()+pingLen <= f.limit &&
		(f.outstanding() > f.limit/2 || (blocked && f.outstanding() > 0))
}

// acknowledge returns the credit of everything sent up to mark. What was sent
// after the probe that this ends is in doubt from then on, until deadline.
func (f *flow) acknowledge(mark uint64, deadline time.Time) {
	f.returned = max(f.returned, min(mark, f.sent))
	if f.returned < f.probe.mark || f.probe.deadline.IsZero() {
		return
	}
	f.probe.deadline, f.probe.eliciting = time.Time{}, false
	if f.sent > f.returned {
		f.probe.mark, f.probe.deadline = f.sent, deadline
	}
}

// advance ends a probe that nobody answered: its credit returns all the same.
func (f *flow) advance(now time.Time, rto time.Duration) {
	for !f.probe.deadline.IsZero() && !now.Before(f.probe.deadline) {
		f.acknowledge(f.probe.mark, f.probe.deadline.Add(rto))
	}
}

// reset forgets what was sent: the board, or the port, is a new one.
func (f *flow) reset() {
	f.returned = f.sent
	f.probe.deadline, f.probe.eliciting = time.Time{}, false
}
