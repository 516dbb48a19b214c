package outbox

import "slices"

// Commit stores the open commit: one write, one sync. After nil all that was
// appended, put and quarantined since the last Commit is safe. Without any of
// that it does nothing.
//
// After an error nothing of it counts as stored: the numbers of its messages
// are not used again, states and the quarantine are as they were before. A
// power cut or a restart that follows at once may still bring such a message
// up. The segment is not written again, since a sync that failed tells nothing
// about the next; the next Commit starts another one, and succeeds as soon as
// the disk has space and works. A caller that tries again should wait a second
// or so, as every attempt may fill the disk with zeros.
func (l *Log) Commit() error {
	if l.closed {
		return ErrClosed
	}
	if len(l.open.items) == 0 {
		return nil
	}
	err := l.room(len(l.open.buf), l.openMessages > 0)
	if err == nil {
		l.addAcks(&l.open)
		err = l.store(&l.open)
	}
	if err != nil {
		l.discard()
		return err
	}
	l.openMessages = 0
	return nil
}

// Flush is Commit if anything was appended, put or quarantined since the last
// one. Otherwise it writes the acknowledgements, though nothing else has
// happened, and removes segments in which nothing matters any more. Callers do
// that once a second, say: what is lost of it in a power cut, or after an
// error, only makes messages go out once more.
func (l *Log) Flush() error {
	if l.closed || len(l.open.items) > 0 {
		return l.Commit()
	}
	if l.live == 0 {
		if err := l.reap(); err != nil {
			return err
		}
	}
	if len(l.segs) == 0 {
		l.settle() // nothing is left that an acknowledgement could be about
	}
	for len(l.dirty) > 0 {
		if err := l.room(recordSize(len(l.dirty[0].name)), false); err != nil {
			return err
		}
		l.spare.reset()
		l.addAcks(&l.spare)
		if err := l.store(&l.spare); err != nil {
			l.spare.reset()
			return err
		}
	}
	return l.reap()
}

// store writes a batch and makes it count.
func (l *Log) store(b *batch) error {
	seg, at, err := l.write(b)
	if err != nil {
		return err
	}
	l.apply(b, seg, at)
	b.reset()
	l.dirty = slices.DeleteFunc(l.dirty, func(c *client) bool { return !c.dirty })
	return nil
}

// discard makes the open commit void.
func (l *Log) discard() {
	for i := range l.open.items {
		if it := &l.open.items[i]; it.kind != kindAck {
			it.c.open--
			l.forget(it.c)
		}
	}
	l.open.reset()
	l.openMessages = 0
}

// settle forgets acknowledgements that no message needs.
func (l *Log) settle() {
	for _, c := range l.dirty {
		c.dirty = false
		l.forget(c)
	}
	l.dirty = l.dirty[:0]
}
