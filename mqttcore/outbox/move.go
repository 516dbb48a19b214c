package outbox

import (
	"cmp"
	"fmt"
)

// position is a place in the log. Positions ascend as records are written.
type position struct {
	number uint64 // of the segment
	off    int
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.number, q.number), cmp.Compare(p.off, q.off))
}

// room makes the tail one that takes n bytes more, by removing segments, by
// moving what is left in the oldest, or by a new segment. What drains the log
// may have one segment more than messages, and moves another.
func (l *Log) room(n int, messages bool) error {
	limit := l.max
	if !messages {
		limit++
	}
	for range len(l.segs) + 2 {
		if l.tail().free() >= n {
			return nil
		}
		if err := l.reap(); err != nil {
			return err
		}
		if len(l.segs) < limit {
			if err := l.grow(); err != nil {
				return err
			}
			continue
		}
		if l.crowded(n) {
			switch {
			case l.cfg.DropOldest:
				l.evict()
			case messages || !l.segs[0].sparse():
				return ErrFull
			}
		}
		if err := l.moveOldest(); err != nil {
			return err
		}
	}
	return ErrFull
}

// sparse reports whether moving what matters in the segment gains some room.
func (s *segment) sparse() bool { return s.live*8 < int64(s.size)*7 }

// valid reports whether a record, found in seg, counts. A copy does not while
// the segment that it was copied from exists, nor if it is from an attempt
// before the one that was completed.
func (l *Log) valid(h *head, seg *segment, off int) bool {
	if h.flags&flagCopy == 0 {
		return true
	}
	if l.exists(h.source) {
		return false
	}
	start, ok := l.moves[h.source]
	return !ok || position{seg.number, off}.compare(start) >= 0
}

// pruneMoves forgets moves whose incomplete attempts are gone from the disk.
func (l *Log) pruneMoves() {
	for source, start := range l.moves {
		if len(l.segs) == 0 || l.segs[0].number > start.number {
			delete(l.moves, source)
		}
	}
}

// mover copies what matters in the oldest segment behind the newest.
type mover struct {
	*Log

	victim *segment
	start  position // of the first copy
	done   []item   // copies on disk
	places []place  // of them
}

// moveOldest removes the oldest segment, after moving what matters in it. The
// copies are on disk before it goes. After a restart they count only if it is
// gone; so if there are copies of an attempt that was not completed, the end of
// one that was is noted, even if nothing matters any more.
func (l *Log) moveOldest() error {
	m := mover{Log: l, victim: l.segs[0]}
	if !m.victim.moved && (m.victim.live > 0 || l.tried[uint32(m.victim.number)]) {
		if err := m.copy(); err != nil {
			l.spare.reset()
			return err
		}
		m.relocate()
		m.victim.moved = true
	}
	return l.drop()
}

func (m *mover) copy() error {
	file, err := m.cfg.FS.Open(m.path(m.victim.number), ReadOnly)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	m.spare.reset()
	var w window
	w.reset(file)
	s := scanner{w: &w, salt: m.victim.salt, off: headerLen, end: m.victim.end, good: headerLen}
	for r, off, ok := s.next(); ok && err == nil; r, off, ok = s.next() {
		if it, live := m.pick(&r, off); live {
			err = m.put(it, &r)
		}
	}
	_ = file.Close()
	if err == nil {
		err = m.put(item{}, &record{head: head{kind: kindMoved, seq: m.start.number, time: int64(m.start.off)}})
	}
	if err == nil {
		err = m.flush()
	}
	return err
}

// pick returns what is to be noted of a record if it matters.
func (m *mover) pick(r *record, off int) (item, bool) {
	if !m.valid(&r.head, m.victim, off) {
		return item{}, false
	}
	c := m.clients[string(r.clientID())]
	switch r.kind {
	case kindMessage:
		return item{c: c}, c != nil && c.has(m.victim, r.seq)
	case kindState:
		return item{c: c}, c != nil && c.state.seg == m.victim && c.state.off == off
	case kindQuarantine:
		return item{}, m.quarantineAt(m.victim, off) >= 0
	}
	return item{}, false
}

func (l *Log) quarantineAt(seg *segment, off int) int {
	for i := range l.quarantine {
		if q := &l.quarantine[i]; q.seg == seg && q.off == off {
			return i
		}
	}
	return -1
}

// put adds a copy of a record to those to be written.
func (m *mover) put(it item, r *record) error {
	size := r.size()
	if b := len(m.spare.buf); b > 0 && (b+size > m.tail().free() || b >= maxIdleBatch) {
		if err := m.flush(); err != nil {
			return err
		}
	}
	if m.tail().free() < size {
		if len(m.segs) >= m.max+2 {
			return ErrFull
		}
		if err := m.grow(); err != nil {
			return err
		}
	}
	if m.start.number == 0 {
		m.start = position{m.tail().number, m.tail().end}
		if r.kind == kindMoved {
			r.seq, r.time = m.start.number, int64(m.start.off)
		}
	}
	h := r.head
	h.flags |= flagCopy
	h.source = uint32(m.victim.number)
	m.spare.put(it, h, string(r.clientID()), r.topicName(), r.data(), nil)
	return nil
}

func (m *mover) flush() error {
	m.tried[uint32(m.victim.number)] = true
	seg, at, err := m.write(&m.spare)
	if err != nil {
		return err
	}
	for _, it := range m.spare.items {
		m.done = append(m.done, it)
		m.places = append(m.places, place{seg: seg, off: at + it.off, size: it.size, seq: it.seq})
	}
	m.spare.reset()
	return nil
}
