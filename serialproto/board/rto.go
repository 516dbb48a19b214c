package board

import "time"

const (
	initialRTO  = time.Second           // RFC 6298 section 2.1
	minRTO      = 25 * time.Millisecond // a UART's round trip is milliseconds
	maxRTO      = 15 * time.Second      // T_RETRY of MQTT-SN 1.2 section 7.2
	granularity = time.Millisecond
)

// rto is the retransmission timer of RFC 6298. The zero value has seen no
// round trip.
type rto struct {
	srtt, rttvar time.Duration
	timeout      time.Duration // 0: initialRTO
	measured     bool
}

// value returns how long to wait for an answer.
func (r *rto) value() time.Duration {
	if r.timeout == 0 {
		return initialRTO
	}
	return r.timeout
}

// sample takes in a round trip. By Karn's rule the answer to a retransmission
// is none: nobody knows which transmission it answers.
func (r *rto) sample(rtt time.Duration) {
	rtt = max(rtt, 0)
	if !r.measured {
		r.srtt, r.rttvar, r.measured = rtt, rtt/2, true
	} else {
		r.rttvar += ((r.srtt - rtt).Abs() - r.rttvar) / 4
		r.srtt += (rtt - r.srtt) / 8
	}
	r.timeout = clamp(r.srtt + max(granularity, 4*r.rttvar))
}

// backOff doubles the timeout until the next sample (RFC 6298 section 5.5).
func (r *rto) backOff() { r.timeout = clamp(2 * r.value()) }

func clamp(d time.Duration) time.Duration { return min(max(d, minRTO), maxRTO) }
