package outbox

import (
	"encoding/binary"
	"slices"
	"strings"
)

const (
	maxWhy         = 1024 // bytes
	quarantineTail = 10   // number of the message, length of the reason
)

// quarantined is where a message stands that the broker would not take.
type quarantined struct {
	place

	client string
}

// Quarantine moves the oldest waiting message of a client to the quarantine,
// with a reason of at most 1024 bytes. It is part of the open commit: until
// then Read returns the message. The quarantine keeps the newest 100 messages,
// and at most 1 MiB or an eighth of MaxBytes; but always the newest one.
//
// Errors are [ErrNotOldest], also if there is no such message; [ErrFull] if the
// open commit is full; [ErrClosed], and what reading the message meets with.
func (l *Log) Quarantine(client string, seq uint64, why string) error {
	if l.closed {
		return ErrClosed
	}
	c := l.clients[client]
	if c == nil {
		return ErrNotOldest
	}
	if first, _ := c.first(); first != seq || seq == 0 {
		return ErrNotOldest
	}
	m, err := l.Read(client, seq-1, nil, 1)
	if err != nil {
		return err
	}
	if len(m) == 0 || m[0].Seq != seq {
		return ErrNotOldest // it has rotted, and is gone
	}
	if len(why) > maxWhy {
		why = strings.ToValidUTF8(why[:maxWhy], "")
	}
	tail := append(make([]byte, 0, maxWhy+quarantineTail), why...)
	tail = binary.LittleEndian.AppendUint64(tail, seq)
	tail = binary.LittleEndian.AppendUint16(tail, uint16(len(why)))
	if l.overfull(recordSize(len(client) + len(m[0].Topic) + len(m[0].Payload) + len(tail))) {
		return ErrFull
	}
	h := head{kind: kindQuarantine, flags: flags(m[0].QoS), seq: l.nextSeq(), time: nanoseconds(m[0].Accepted)}
	if m[0].Retain {
		h.flags |= flagRetain
	}
	c.open++
	l.open.put(item{c: c, upTo: seq}, h, client, m[0].Topic, m[0].Payload, tail)
	return nil
}

// splitTail returns what Quarantine has put behind the payload.
func splitTail(data []byte) (payload []byte, why string, seq uint64, ok bool) {
	n := len(data) - quarantineTail
	if n < 0 {
		return nil, "", 0, false
	}
	whyLen := int(binary.LittleEndian.Uint16(data[n+8:]))
	if whyLen > n {
		return nil, "", 0, false
	}
	return data[:n-whyLen], string(data[n-whyLen : n]), binary.LittleEndian.Uint64(data[n:]), true
}

func (l *Log) addQuarantined(q quarantined) {
	l.quarantine = append(l.quarantine, q)
	l.quarantineBytes += int64(q.size)
	l.keep(q.place)
}

// trimQuarantine lets the oldest go.
func (l *Log) trimQuarantine() {
	limit := min(maxQuarantineBytes, l.cfg.MaxBytes/8)
	drop := 0
	for n := len(l.quarantine); n-drop > 1 && (n-drop > maxQuarantined || l.quarantineBytes > limit); drop++ {
		l.quarantineBytes -= int64(l.quarantine[drop].size)
		l.release(l.quarantine[drop].place)
	}
	l.quarantine = slices.Delete(l.quarantine, 0, drop)
}

// Quarantined is a message that the broker would not take.
type Quarantined struct {
	Message // with the number it had

	Why string
}

// Quarantined reads the messages in the quarantine, oldest first. Damaged ones
// are left out and reported by [Log.Damage].
func (l *Log) Quarantined() ([]Quarantined, error) {
	if l.closed {
		return nil, ErrClosed
	}
	var list []Quarantined
	for _, q := range l.quarantine {
		r, ok, err := l.recordIn(q.place)
		if err != nil {
			return list, err
		}
		payload, why, seq, whole := []byte(nil), "", uint64(0), false
		if ok {
			payload, why, seq, whole = splitTail(r.data())
		}
		if !whole {
			l.damage.add(l.damageAt(q.place, q.client))
			continue
		}
		m := appendMessage(nil, q.client, &r)[0]
		m.Seq, m.Payload = seq, payload
		list = append(list, Quarantined{Message: m, Why: why})
	}
	return list, nil
}
