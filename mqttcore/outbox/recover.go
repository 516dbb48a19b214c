package outbox

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
)

// recover reads all segments and changes nothing on disk. It goes from the
// newest to the oldest: what was acknowledged is then known before the messages
// are seen, as is the end of every segment, which its successor tells.
func (l *Log) recover() error {
	files, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	slices.SortFunc(files, func(a, b FileInfo) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range files {
		if err := l.discover(f); err != nil {
			return err
		}
	}
	ends := map[uint64]uint32{}
	for _, s := range l.segs {
		ends[s.prev] = s.prevEnd
		l.seq = max(l.seq, s.first-1)
	}
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := l.segs[i]
		end, told := ends[s.number]
		if told {
			s.end = max(headerLen, min(s.end, int(end)))
		}
		s.sealed = s.sealed || s != l.tail() || told
		if err := l.load(s, told); err != nil {
			return err
		}
	}
	slices.SortFunc(l.quarantine, func(a, b quarantined) int { return cmp.Compare(a.seq, b.seq) })
	l.trimQuarantine()
	for _, c := range l.clients {
		l.forget(c)
	}
	l.pruneMoves()
	l.found = nil
	return nil
}

// discover reads the header of a file and adds the segment.
func (l *Log) discover(f FileInfo) error {
	path := filepath.Join(l.cfg.Dir, f.Name)
	number, ok := segmentNumber(f.Name)
	if !ok {
		return refuse(path, ErrForeign, "move it elsewhere")
	}
	file, err := l.cfg.FS.Open(path, ReadOnly)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer func() { _ = file.Close() }()
	l.win.reset(file)
	h, err := parseHeader(l.win.at(0, headerLen, 0))
	if err != nil && f.Size <= maxSegment && l.unfinished(int(f.Size)) {
		l.number = max(l.number, number)
		l.blank = append(l.blank, path)
		return nil
	}
	switch {
	case l.win.unreadable:
		return fmt.Errorf("outbox: %s: header %w", path, errUnreadable)
	case err == nil && h.number != number:
		return refuse(path, fmt.Errorf("%w, but a copy of %s", ErrForeign, segmentName(h.number)), "move it elsewhere")
	case err == nil && (h.size > maxSegment || h.size < headerLen || h.first == 0 || f.Size > int64(h.size)):
		err = ErrDamaged
	}
	if err != nil {
		return refuse(path, err, adviceFor(err))
	}
	l.number = max(l.number, number)
	l.segs = append(l.segs, &segment{header: h, end: int(f.Size), sealed: f.Size < int64(h.size)})
	return nil
}

// unfinished reports whether the window's file, whose header is no good, is a
// segment whose making was not completed: zeros, but perhaps for the beginning
// of a header. Nothing was ever stored in it.
func (l *Log) unfinished(size int) bool {
	magic := bytes.TrimRight(l.win.at(0, len(segmentMagic), 0), "\x00")
	if len(magic) == 0 {
		return l.zeros(0, size)
	}
	return bytes.HasPrefix(segmentMagic[:], magic) && l.zeros(headerLen, size)
}

// zeros reports whether the bytes of the window's file are zeros.
func (l *Log) zeros(from, to int) bool {
	for off := from; off < to; off += windowBytes {
		if !allZero(l.win.at(off, min(windowBytes, to-off), 0)) {
			return false
		}
	}
	return true
}

// load adds what a segment holds. If it is told, records stand up to its end.
func (l *Log) load(s *segment, told bool) error {
	path := l.path(s.number)
	file, err := l.cfg.FS.Open(path, ReadOnly)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer func() { _ = file.Close() }()
	l.win.reset(file)
	if s == l.tail() && !told {
		s.end = l.cut(s)
		s.sealed = s.sealed || l.win.unreadable // rather waste it than zero what may be good
		l.win.reset(file)
	}
	sc := scanner{w: &l.win, salt: s.salt, off: headerLen, end: s.end, good: headerLen}
	sc.bad = func(h hole) {
		l.damage.add(Damage{File: path, Offset: int64(h.off), Bytes: int64(h.n), Seq: h.seq})
	}
	l.found = l.found[:0]
	for r, off, ok := sc.next(); ok; r, off, ok = sc.next() {
		l.find(&r, off)
	}
	if told {
		sc.report(s.end)
	} else {
		s.end = sc.good
	}
	for i := range l.found {
		l.restore(s, &l.found[i])
	}
	return nil
}

// find notes a record, and what it tells of others.
func (l *Log) find(r *record, off int) {
	it := item{kind: r.kind, seq: r.seq, time: r.time, off: off, size: r.size(), gone: r.flags&flagGone != 0}
	it.copied, it.source = r.flags&flagCopy != 0, r.source
	switch r.kind {
	case kindMoved:
		start := position{r.seq, int(r.time)}
		if start.compare(l.moves[r.source]) > 0 {
			l.moves[r.source] = start
		}
		return
	case kindMessage, kindState, kindAck, kindQuarantine:
	default:
		return
	}
	l.seq = max(l.seq, r.seq)
	it.c = l.clients[string(r.clientID())]
	if it.c == nil {
		it.c = l.client(string(r.clientID()))
	}
	upTo := r.seq
	if r.kind == kindQuarantine {
		_, _, upTo, _ = splitTail(r.data())
	}
	if r.kind == kindAck || r.kind == kindQuarantine {
		it.c.acked = max(it.c.acked, upTo)
	}
	l.found = append(l.found, it)
}

// restore makes a record count, if it does.
func (l *Log) restore(s *segment, it *item) {
	h := head{source: it.source}
	if it.copied {
		h.flags = flagCopy
	}
	if !l.valid(&h, s, it.off) {
		if l.exists(it.source) {
			l.tried[it.source] = true
		}
		return
	}
	p := place{seg: s, off: it.off, size: it.size, seq: it.seq}
	switch it.kind {
	case kindMessage:
		if it.seq > it.c.acked {
			l.add(it.c, s, it.seq, it.size, it.time)
		}
	case kindState:
		l.setState(it.c, p, it.gone)
	case kindQuarantine:
		l.addQuarantined(quarantined{place: p, client: it.c.name})
	case kindAck, kindMoved:
	}
}
