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

// probe is a PINGREQ or, when the board is leaving or goes to sleep, a
// DISCONNECT. Both need an answer from the gateway alone.
type probe struct {
	due   bool // to be sent
	out   bool // sent and not answered
	heard bool // awake: the gateway has said something since
	tries int
	sent  time.Time
	first time.Time // the moment it was wanted
}

// nextProbe puts PINGREQ or DISCONNECT into b.out.
func (b *Board) nextProbe(now time.Time) bool {
	if !b.probe.due {
		return false
	}
	switch b.state {
	case leaving:
		b.out.Type = mqttsn.Disconnect
	case dozing:
		b.out.Type, b.out.HasDuration, b.out.Duration = mqttsn.Disconnect, true, b.nap
	case awake: // "in order to indicate its awake status" (MQTT-SN 1.2 section 6.14)
		b.out.Type = mqttsn.PingReq
		b.out.ClientID = append(b.out.ClientID, b.cfg.ClientID...)
	default:
		b.out.Type = mqttsn.PingReq
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
	case b.state != leaving && now.Sub(b.orHeard(b.probe.first)) >= probePatience:
		b.unanswered(now)
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
		d.at(b.orHeard(b.probe.sent).Add(b.line.value()))
		d.at(b.orHeard(b.probe.first).Add(probePatience))
	}
	return time.Time(d)
}

// orHeard returns t, or when the gateway was heard last if the board is awake:
// PINGRESP then comes after all that the gateway has for it.
func (b *Board) orHeard(t time.Time) time.Time {
	if b.state == awake && b.heard.After(t) {
		return b.heard
	}
	return t
}

// unanswered gives up PINGREQ, or DISCONNECT with Duration. A board that only
// looked for messages saves its battery and looks again another time.
func (b *Board) unanswered(now time.Time) {
	if b.state == awake {
		b.fallAsleep(Unanswered)
		return
	}
	b.lose(now, Unanswered)
}

// pingResp handles PINGRESP.
func (b *Board) pingResp(now time.Time) {
	switch {
	case !b.probe.out:
	case b.state == awake:
		b.fallAsleep(0)
	case b.state == active:
		if b.probe.tries == 1 {
			b.line.sample(now.Sub(b.probe.sent))
		}
		b.probe = probe{}
	}
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
