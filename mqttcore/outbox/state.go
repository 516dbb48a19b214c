package outbox

import (
	"bytes"
	"fmt"
)

// PutState stores what a client needs after a restart, in place of what was
// stored before. Nil deletes it. It is part of the open commit, like a message,
// but has room in a full log too. Errors are [ErrFull] if the open commit is
// full, [ErrTooLarge], and [ErrClosed].
func (l *Log) PutState(client string, state []byte) error {
	if l.closed {
		return ErrClosed
	}
	if len(client) > maxName || len(client)+len(state) > maxMessage {
		return fmt.Errorf("%w: state of %d bytes", ErrTooLarge, len(state))
	}
	if l.overfull(recordSize(len(client) + len(state))) {
		return ErrFull
	}
	gone := state == nil
	c := l.clients[client]
	if gone && (c == nil || c.state.seg == nil && c.open == 0) {
		return nil
	}
	h := head{kind: kindState, seq: l.nextSeq()}
	if gone {
		h.flags = flagGone
	}
	c = l.client(client)
	c.open++
	l.open.put(item{c: c, gone: gone}, h, client, nil, state, nil)
	return nil
}

// setState makes a stored state the client's, unless a newer one is known.
func (l *Log) setState(c *client, p place, gone bool) {
	if p.seq <= c.stateSeq {
		return
	}
	c.stateSeq = p.seq
	if c.state.seg != nil {
		l.release(c.state)
		c.state = place{}
	}
	if !gone {
		c.state = p
		l.keep(p)
	}
}

// State is the restart state of a client.
type State struct {
	Client string
	Data   []byte // not nil
}

// States reads the stored states, by client. Damaged ones are left out and
// reported by [Log.Damage].
func (l *Log) States() ([]State, error) {
	if l.closed {
		return nil, ErrClosed
	}
	var states []State
	for _, c := range l.sorted() {
		if c.state.seg == nil {
			continue
		}
		r, ok, err := l.recordIn(c.state)
		if err != nil {
			return states, err
		}
		if !ok {
			l.damage.add(l.damageAt(c.state, c.name))
			continue
		}
		states = append(states, State{Client: c.name, Data: append([]byte{}, r.data()...)})
	}
	return states, nil
}

// recordIn reads a single record. It is valid until the next read.
func (l *Log) recordIn(p place) (record, bool, error) {
	file, err := l.cfg.FS.Open(l.path(p.seg.number), ReadOnly)
	if err != nil {
		return record{}, false, fmt.Errorf("outbox: %w", err)
	}
	l.reader.reset(file)
	r, ok := l.recordAt(p.seg, []entry{{seq: p.seq, off: p.off, size: p.size}})
	_ = file.Close()
	return record{head: r.head, body: bytes.Clone(r.body)}, ok, nil
}
