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

// rtoEstimator turns round-trip samples of one board into a retransmission
// time-out, as RFC 6298 does for TCP. The zero value is ready for use.
type rtoEstimator struct {
	srtt, rttvar time.Duration // zero until the first sample
}

// sample feeds one round trip. Karn's rule is the caller's: a round trip of a
// message that was sent more than once must not be fed.
func (e *rtoEstimator) sample(rtt time.Duration) {
	if e.srtt == 0 {
		e.srtt, e.rttvar = max(rtt, 1), rtt/2
		return
	}
	// RFC 6298 section 2.3: alpha = 1/8, beta = 1/4.
	e.rttvar += ((e.srtt - rtt).Abs() - e.rttvar) / 4
	e.srtt += (rtt - e.srtt) / 8
}

// rto returns the time-out after the given number of retransmissions,
// doubled for each of them and kept within the bounds.
func (e *rtoEstimator) rto(retransmissions int) time.Duration {
	d := initialRTO
	if e.srtt != 0 {
		d = e.srtt + 4*e.rttvar
	}
	d = max(d, minRTO)
	for ; retransmissions > 0 && d < maxRTO; retransmissions-- {
		d *= 2
	}
	return min(d, maxRTO)
}
