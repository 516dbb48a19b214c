package gateway

import (
	"hash/maphash"
	"slices"
	"time"
)

// acknowledgedKept is how many acknowledged messages a node remembers. A board
// that keeps fewer than this many QoS 1 messages in flight can never have a
// retransmission published twice.
const acknowledgedKept = 64

// fingerprint tells one QoS 1 PUBLISH of a board from another. MsgId alone is
// not enough: it wraps, and starts again at 1 after every reboot.
type fingerprint struct {
	msgID   uint16
	topicID uint16
	idType  uint8
	payload uint64 // hash
}

// inflight is a QoS 1 message of the board that the broker has not
// acknowledged yet.
type inflight struct {
	fingerprint
	token    uint64    // names the message towards the MQTT session
	received time.Time // last byte of the frame read
	size     int       // of topic and payload, in bytes
	answer   bool      // the board, as it is connected now, waits for the PUBACK
}

// duplicates suppresses retransmissions over the serial hop: a QoS 1 PUBLISH
// with DUP=1 that equals one in flight is swallowed, and one that equals a
// recently acknowledged one is acknowledged again but not published again.
type duplicates struct {
	seed         maphash.Seed
	inflight     []inflight
	acknowledged []fingerprint // ring
	next         int           // where the ring is written next
}

func (d *duplicates) fingerprint(msgID, topicID uint16, idType uint8, payload []byte) fingerprint {
	return fingerprint{msgID, topicID, idType, maphash.Bytes(d.seeded(), payload)}
}

func (d *duplicates) seeded() maphash.Seed {
	if d.seed == (maphash.Seed{}) {
		d.seed = maphash.MakeSeed()
	}
	return d.seed
}

// findInflight returns the message in flight with that fingerprint, or nil. Of
// two it is the later one: a board that rebooted may have said the same before.
func (d *duplicates) findInflight(f fingerprint) *inflight {
	for i := range slices.Backward(d.inflight) {
		if d.inflight[i].fingerprint == f {
			return &d.inflight[i]
		}
	}
	return nil
}

// wasAcknowledged reports whether such a message was acknowledged recently.
func (d *duplicates) wasAcknowledged(f fingerprint) bool {
	return slices.Contains(d.acknowledged, f)
}

// settle takes the message named by token out of flight. The message is
// remembered as acknowledged if it was accepted.
func (d *duplicates) settle(token uint64, accepted bool) (inflight, bool) {
	for i := range d.inflight {
		if d.inflight[i].token != token {
			continue
		}
		m := d.inflight[i]
		d.inflight = append(d.inflight[:i], d.inflight[i+1:]...)
		if accepted {
			d.remember(m.fingerprint)
		}
		return m, true
	}
	return inflight{}, false
}

func (d *duplicates) remember(f fingerprint) {
	if len(d.acknowledged) < acknowledgedKept {
		d.acknowledged = append(d.acknowledged, f)
		return
	}
	d.acknowledged[d.next] = f
	d.next = (d.next + 1) % acknowledgedKept
}

// orphan makes sure that no PUBACK crosses a CONNECT: what is in flight stays
// so, but its acknowledgement is no longer for this board session.
func (d *duplicates) orphan() {
	for i := range d.inflight {
		d.inflight[i].answer = false
	}
}

// clear forgets everything, as CleanSession=1 asks.
func (d *duplicates) clear() {
	d.inflight, d.acknowledged, d.next = d.inflight[:0], d.acknowledged[:0], 0
}
