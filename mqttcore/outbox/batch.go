package outbox

import "fmt"

// batch is records that are written with one call and become valid together.
type batch struct {
	buf   []byte
	items []item
}

// item is what a record of a batch changes once it is on disk.
type item struct {
	kind kind
	gone bool
	c    *client
	seq  uint64
	upTo uint64 // quarantine: the message's number
	time int64
	off  int // in the batch, or in the segment
	size int

	copied bool   // it was moved here
	source uint32 // from this segment
}

func (b *batch) reset() {
	clear(b.items)
	b.items = b.items[:0]
	b.buf = b.buf[:0]
	if cap(b.buf) > maxIdleBatch {
		b.buf, b.items = nil, nil
	}
}

// maxIdleBatch is the buffer, in bytes, that stays between commits.
const maxIdleBatch = 256 << 10

// put appends a record.
func (b *batch) put(it item, h head, client string, topic, data, tail []byte) {
	it.kind, it.seq, it.time, it.off = h.kind, h.seq, h.time, len(b.buf)
	b.buf = appendRecord(b.buf, h, client, topic, data, tail)
	it.size = len(b.buf) - it.off
	b.items = append(b.items, it)
}

// write stores a batch behind the tail's last record, which has room for it.
// After an error nobody knows what of it is on disk, and a further sync would
// not tell: the tail ends before the batch, for ever.
func (l *Log) write(b *batch) (*segment, int, error) {
	seg := l.tail()
	stamp(b.buf, seg.salt)
	_, err := l.file.WriteAt(b.buf, int64(seg.end))
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		seg.sealed = true
		return nil, 0, fmt.Errorf("outbox: %s: %w", l.path(seg.number), err)
	}
	at := seg.end
	seg.end += len(b.buf)
	return seg, at, nil
}

// apply counts what write has stored at an offset of seg.
func (l *Log) apply(b *batch, seg *segment, at int) {
	for i := range b.items {
		it := &b.items[i]
		p := place{seg: seg, off: at + it.off, size: it.size, seq: it.seq}
		switch it.kind {
		case kindMessage:
			it.c.open--
			if it.seq > it.c.acked {
				l.add(it.c, seg, it.seq, it.size, it.time)
			}
		case kindAck:
			if it.c.acked == it.seq {
				it.c.dirty = false
			}
		case kindState:
			it.c.open--
			l.setState(it.c, p, it.gone)
		case kindQuarantine:
			it.c.open--
			l.addQuarantined(quarantined{place: p, client: it.c.name})
			l.trimQuarantine()
		case kindMoved:
		}
	}
	// This looks into segments, where all must be in its place by then.
	for i := range b.items {
		it := &b.items[i]
		if it.kind == kindQuarantine {
			l.ackUpTo(it.c, it.upTo)
		}
		l.forget(it.c)
	}
}
