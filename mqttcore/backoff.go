package mqttcore

import "time"

// backoff spaces the attempts to connect: a delay drawn between nothing and a
// ceiling that doubles with each failure, so that a thousand clients of a
// restarted broker do not return as one ("full jitter").
//
// A connection that was made does not count as success by itself, since a
// broker may accept and drop, as with two clients that share an identifier. It
// does when it has outlived the ceiling.
type backoff struct {
	min, max time.Duration
	steps    int // times the ceiling was doubled, or would have been
	failed   int // attempts that failed in a row
}

// ceiling returns the longest delay that may be drawn now.
func (b *backoff) ceiling() time.Duration {
	c := b.min
	for i := 0; i < b.steps && c < b.max; i++ {
		c *= 2
	}
	return min(c, b.max)
}

// ended notes the end of a connection that had stood for up, or with 0 that an
// attempt to make one failed.
func (b *backoff) ended(up time.Duration) {
	if up == 0 {
		b.failed++
		return
	}
	b.failed = 0
	if up > b.ceiling() {
		b.steps = 0
	}
}

// next returns the delay before the next attempt, from a number of [0, 1).
func (b *backoff) next(random float64) time.Duration {
	d := time.Duration(random * float64(b.ceiling()))
	b.steps++
	return d
}

// longest returns a delay near the maximum, for a broker that has said no.
func (b *backoff) longest(random float64) time.Duration {
	b.steps++
	return time.Duration((1 + random) / 2 * float64(b.max))
}
