package mqttcore

import "time"

// keepalive decides when a PINGREQ is due and when a connection is dead.
//
// A PINGREQ goes out when for a while nothing was written, which the broker
// minds [MQTT-3.1.2-23], or nothing was read, which is how a dead peer shows
// while only we talk. The while is drawn anew each time, between 0.6 and 0.9
// of the keepalive, so that sessions which began together soon ping apart.
//
// The answer has a time limit of its own. It runs from the write of the
// PINGREQ, and again from anything else that arrives, since the answer may
// queue behind a large message, for one keepalive more at most.
type keepalive struct {
	interval time.Duration // 0: off
	timeout  time.Duration
	span     time.Duration // drawn from interval
	due      bool          // the writer shall send a PINGREQ
	paused   bool          // the reader does not read: silence proves nothing
	pings    int32         // without PINGRESP

	written time.Time // last
	heard   time.Time // last
	asked   time.Time // when the oldest ping without answer was written; zero while the writer has it
}

// start begins a connection, once CONNACK is there.
func (k *keepalive) start(now time.Time, interval, timeout time.Duration, random float64) {
	*k = keepalive{interval: interval, timeout: timeout, written: now, heard: now}
	k.draw(random)
}

func (k *keepalive) draw(random float64) {
	k.span = time.Duration((0.6 + 0.3*random) * float64(k.interval))
}

// next returns when to call tick, or zero.
func (k *keepalive) next() time.Time {
	if k.interval == 0 {
		return time.Time{}
	}
	ping := k.pingAt()
	if dead := k.deadAt(); !dead.IsZero() && dead.Before(ping) {
		return dead
	}
	return ping
}

// pingAt returns when a PINGREQ is due. While one is not answered, another is
// sent only for the broker's sake.
func (k *keepalive) pingAt() time.Time {
	if k.pings == 0 && !k.paused && k.heard.Before(k.written) {
		return k.heard.Add(k.span)
	}
	return k.written.Add(k.span)
}

// deadAt returns when the peer is given up, or zero.
func (k *keepalive) deadAt() time.Time {
	if k.pings == 0 || k.paused || k.asked.IsZero() {
		return time.Time{}
	}
	from := k.asked
	if k.heard.After(from) {
		from = k.heard
	}
	if last := k.asked.Add(k.interval); from.After(last) {
		from = last
	}
	return from.Add(k.timeout)
}

// tick sets due when a PINGREQ is, and reports whether the peer is dead.
func (k *keepalive) tick(now time.Time) (dead bool) {
	if k.interval == 0 {
		return false
	}
	if at := k.deadAt(); !at.IsZero() && !now.Before(at) {
		return true
	}
	if !now.Before(k.pingAt()) {
		k.due = true
	}
	return false
}

// taken notes that the writer has the PINGREQ. From here on an answer may
// come.
func (k *keepalive) taken(random float64) {
	k.due = false
	if k.pings == 0 {
		k.asked = time.Time{}
	}
	k.pings++
	k.draw(random)
}

// wrote notes that the socket took all the writer had.
func (k *keepalive) wrote(now time.Time) {
	k.written = now
	if k.pings > 0 && k.asked.IsZero() {
		k.asked = now
	}
}

// pong notes a PINGRESP. It reports false if none was expected. The round trip
// is 0 if it cannot be told.
func (k *keepalive) pong(now time.Time) (rtt time.Duration, expected bool) {
	if k.pings == 0 {
		return 0, false
	}
	if k.pings == 1 && !k.asked.IsZero() {
		rtt = now.Sub(k.asked)
	}
	k.pings--
	if k.pings > 0 {
		k.asked = now
	}
	return rtt, true
}

// pause tells that the reader stops reading or goes on. What was not answered
// meanwhile may lie unread, and gets its time again.
func (k *keepalive) pause(now time.Time, paused bool) {
	if k.paused && !paused {
		k.heard = now
		if k.pings > 0 {
			k.asked = now
		}
	}
	k.paused = paused
}
