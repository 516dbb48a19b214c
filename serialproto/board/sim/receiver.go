package sim

import "time"

// hostBuffer is how many bytes may wait at the other end of the line for their
// turn: what a host's driver holds. More is not read from it.
const hostBuffer = 4096

// receiver is the receiving half of a UART: the line, then a ring that the
// program empties every now and then. Time is counted in arrivals and looks,
// not in wake-ups, so that a busy machine loses no bytes that a board would
// not lose.
type receiver struct {
	perByte  time.Duration
	size     int // of the ring
	poll     time.Duration
	wire     []byte    // sent and not arrived
	start    time.Time // when the first byte of wire began
	ring     []byte
	look     time.Time // the program's next look at the ring, if there is a byte under way
	overruns int
}

// clear forgets what is under way: the cable was pulled.
func (r *receiver) clear() { r.wire, r.ring = r.wire[:0], r.ring[:0] }

// full reports whether the other end must wait.
func (r *receiver) full() bool { return len(r.wire) >= hostBuffer }

// send puts what fill appends on the line, behind what is there.
func (r *receiver) send(now time.Time, fill func(dst []byte) []byte) {
	if len(r.wire) == 0 {
		r.start = now
		if r.look.Before(now) {
			r.look = now.Add(r.poll)
		}
	}
	r.wire = fill(r.wire)
}

// read appends to dst what the program reads up to now.
func (r *receiver) read(dst []byte, now time.Time) []byte {
	if r.perByte == 0 || r.poll == 0 {
		n := r.arrived(now)
		dst = append(dst, r.wire[:n]...)
		r.take(n)
		return dst
	}
	for !r.look.After(now) && len(r.wire)+len(r.ring) > 0 {
		r.arrive(r.look)
		dst = append(dst, r.ring...)
		r.ring = r.ring[:0]
		r.look = r.look.Add(r.poll)
	}
	r.arrive(now)
	return dst
}

// arrive moves what arrives by now from the line to the ring. What the ring
// cannot hold is lost.
func (r *receiver) arrive(now time.Time) {
	n := r.arrived(now)
	room := min(n, r.size-len(r.ring))
	r.ring = append(r.ring, r.wire[:room]...)
	r.overruns += n - room
	r.take(n)
}

// arrived returns how many bytes have come over the line by now.
func (r *receiver) arrived(now time.Time) int {
	if r.perByte == 0 {
		return len(r.wire)
	}
	return max(0, min(len(r.wire), int(now.Sub(r.start)/r.perByte)))
}

// take takes n bytes off the line.
func (r *receiver) take(n int) {
	r.wire = r.wire[:copy(r.wire, r.wire[n:])]
	r.start = r.start.Add(time.Duration(n) * r.perByte)
}

// next returns when read has something to do, or the zero time.
func (r *receiver) next() time.Time {
	switch {
	case len(r.wire)+len(r.ring) == 0:
		return time.Time{}
	case r.perByte > 0 && r.poll > 0:
		return r.look
	}
	n := min(len(r.wire), max(1, int(quantum/max(r.perByte, 1))))
	return r.start.Add(time.Duration(n) * r.perByte)
}
