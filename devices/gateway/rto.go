package gateway

import "time"

// Bounds of the retransmission timer. A UART answers within milliseconds, so
// the floor is far below the 10 s that MQTT-SN 1.2 section 7.2 suggests for
// radios; the ceiling keeps a silent but powered board from being forgotten.
const (
	minRTO     = 25 * time.Millisecond
	maxRTO     = 15 * time.Second
	initialRTO = time.Second // RFC 6298 section 2.1
)

// maxCreditDoubling bounds the back-off for credit: a board that answers nothing
// but sends a lot must get its own answers.
const maxCreditDoubling = 4

// rtoEstimator turns round-trip samples of one board into a retransmission
// time-out, as RFC 6298 does for TCP. The zero value is ready for use.
type rtoEstimator struct {
	srtt, rttvar time.Duration // zero until the first sample
	doubled      int           // back-off
}

// sample feeds one round trip. Karn's rule is the caller's: a round trip of a
// message that was sent more than once must not be fed.
func (e *rtoEstimator) sample(rtt time.Duration) {
	e.doubled = 0
	if e.srtt == 0 {
		e.srtt, e.rttvar = max(rtt, 1), rtt/2
		return
	}
	// RFC 6298 section 2.3: alpha = 1/8, beta = 1/4.
	e.rttvar += ((e.srtt - rtt).Abs() - e.rttvar) / 4
	e.srtt = max(e.srtt+(rtt-e.srtt)/8, 1)
}

// expired backs off. It holds until the next sample: on a line that has become
// slower than the time-out everything is sent twice, and with Karn's rule
// nothing would ever tell (RFC 6298 section 5).
func (e *rtoEstimator) expired() { e.doubled++ }

// rto returns the time-out of a message that is sent now.
func (e *rtoEstimator) rto() time.Duration { return e.backedOff(e.doubled) }

// credit returns how long credit stays out if nothing is answered.
func (e *rtoEstimator) credit() time.Duration {
	if e.srtt == 0 {
		return initialRTO // perhaps it never answers
	}
	return e.backedOff(min(e.doubled, maxCreditDoubling))
}

func (e *rtoEstimator) backedOff(times int) time.Duration {
	d := initialRTO
	if e.srtt != 0 {
		d = e.srtt + 4*e.rttvar
	}
	d = max(d, minRTO)
	for ; times > 0 && d < maxRTO; times-- {
		d *= 2
	}
	return min(d, maxRTO)
}
