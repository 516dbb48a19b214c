package board

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const (
	// mutePatience is how many timeouts in a row may pass without a word from
	// the gateway before it is asked whether it is there. A PUBACK may take as
	// long as the broker is away; PINGRESP may not.
	mutePatience = 3

	// probePatience is how long PINGREQ is sent again before the gateway counts
	// as gone, and leavePatience how long DISCONNECT is.
	probePatience = 5 * time.Second
	leavePatience = time.Second
)

// probe is a PINGREQ or, when the board is leaving, a DISCONNECT. Both need an
// answer from the gateway alone.
type probe struct {
	due   bool // to be sent
	out   bool // sent and not answered
	tries int
	sent  time.Time
	first time.Time // the moment it was wanted
}

// nextProbe puts PINGREQ or DISCONNECT into b.out.
func (b *Board) nextProbe(now time.Time) bool {
	if !b.probe.due {
		return false
	}
	b.out.Type = mqttsn.PingReq
	if b.state == leaving {
		b.out.Type = mqttsn.Disconnect
	}
	b.probe.due, b.probe.out = false, true
	b.probe.sent = b.leaves(now)
	b.probe.tries++
	return true
}

func (b *Board) advanceProbe(now time.Time) {
	switch {
	case now.Before(b.probeDeadline()):
	case b.state == leaving && now.Sub(b.probe.first) >= leavePatience:
		b.end(ByBoard) // even if the line took nothing
	case !b.probe.out:
	case b.state == active && now.Sub(b.probe.first) >= probePatience:
		b.lose(now, Unanswered)
	default:
		b.line.backOff()
		b.probe.due, b.probe.out = true, false
	}
}

func (b *Board) probeDeadline() time.Time {
	var d deadline
	if b.state == leaving {
		d.at(b.probe.first.Add(leavePatience))
	}
	if b.probe.out {
		d.at(b.probe.sent.Add(b.line.value()))
		d.at(b.probe.first.Add(probePatience))
	}
	return time.Time(d)
}

// pingResp handles PINGRESP.
func (b *Board) pingResp(now time.Time) {
	if !b.probe.out || b.state != active {
		return
	}
	if b.probe.tries == 1 {
		b.line.sample(now.Sub(b.probe.sent))
	}
	b.probe = probe{}
}

// ping asks whether the gateway is there.
func (b *Board) ping(now time.Time) {
	if !b.probe.due && !b.probe.out {
		b.probe = probe{due: true, first: now}
	}
}

// timedOut notes that an answer did not come in time.
func (b *Board) timedOut(now time.Time) {
	if b.mute++; b.mute >= mutePatience {
		b.ping(now)
	}
}

// keepAliveDeadline is when either end will have been silent for three quarters
// of KeepAlive: the gateway wants to hear the board in time (MQTT-SN 1.2
// section 6.11), and the board the gateway.
func (b *Board) keepAliveDeadline() time.Time {
	if b.cfg.KeepAlive == 0 || b.probe.due || b.probe.out {
		return time.Time{}
	}
	var d deadline
	d.at(b.sent)
	d.at(b.heard)
	return time.Time(d).Add(b.cfg.KeepAlive / 4 * 3)
}

func (b *Board) advanceKeepAlive(now time.Time) {
	if t := b.keepAliveDeadline(); !t.IsZero() && !now.Before(t) {
		b.ping(now)
	}
}
