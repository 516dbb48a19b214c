package sim

import "time"

// quantum is how much of a long frame is written at once. It is not finer
// because every piece costs a wake-up; the receiver waits for the last byte
// anyway.
const quantum = 2 * time.Millisecond

// perByte is how long a byte occupies the line: ten bits.
func perByte(baud int) time.Duration {
	if baud == 0 {
		return 0
	}
	return 10 * time.Second / time.Duration(baud)
}

// transmitter sends one thing after the other at the speed of the line.
type transmitter struct {
	perByte time.Duration
	buf     []byte // what is being sent
	written int    // bytes of buf that have left
	start   time.Time
	mute    bool // it takes its time and never arrives
}

// busy reports whether the line is taken.
func (t *transmitter) busy() bool { return len(t.buf) > 0 }

// load begins to send at now what fill appends, which may be nothing.
func (t *transmitter) load(now time.Time, fill func(dst []byte) []byte) {
	t.buf, t.written, t.start, t.mute = fill(t.buf[:0]), 0, now, false
}

// due returns the bytes that have left by now, arrive and were not returned
// before.
func (t *transmitter) due(now time.Time) []byte {
	n := len(t.buf)
	if t.perByte > 0 {
		n = min(n, int(now.Sub(t.start)/t.perByte))
	}
	p := t.buf[t.written:n]
	t.written = n
	if t.written == len(t.buf) {
		t.buf, t.written = t.buf[:0], 0
	}
	if t.mute {
		return nil
	}
	return p
}

// next returns when more bytes will have left, or the zero time.
func (t *transmitter) next() time.Time {
	if !t.busy() {
		return time.Time{}
	}
	n := min(len(t.buf), t.written+max(1, int(quantum/max(t.perByte, 1))))
	return t.start.Add(time.Duration(n) * t.perByte)
}
