package outbox

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// index is where the waiting messages of one segment stand. It is made when the
// segment is read, and only a few are kept: memory does not grow with the
// backlog.
type index struct {
	seg     *segment
	file    File
	scanned int     // up to here
	entries []entry // by client, then by number
	used    uint64
}

type entry struct {
	c    *client
	seq  uint64
	time int64
	off  int
	size int
}

// indexCache holds the indexes in use. Clients that catch up at the same time
// read the same segments.
type indexCache struct {
	slots [4]index
	clock uint64
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.c.id, b.c.id), cmp.Compare(a.seq, b.seq))
}

// from returns the messages of a client in the segment, from a number on.
func (ix *index) from(c *client, seq uint64) []entry {
	after := func(e *entry) bool { return e.c.id > c.id || e.c.id == c.id && e.seq >= seq }
	e := ix.entries[sort.Search(len(ix.entries), func(i int) bool { return after(&ix.entries[i]) }):]
	return e[:sort.Search(len(e), func(i int) bool { return e[i].c.id > c.id })]
}

// index returns the index of a segment, up to date. What it returned for others
// may be overwritten.
func (l *Log) index(seg *segment) (*index, error) {
	cache := &l.indexes
	cache.clock++
	ix := &cache.slots[0]
	for i := range cache.slots {
		s := &cache.slots[i]
		if s.seg == seg {
			ix = s
			break
		}
		if s.used < ix.used {
			ix = s
		}
	}
	if ix.seg != seg {
		ix.close()
		path := l.path(seg.number)
		file, err := l.cfg.FS.Open(path, ReadOnly)
		if err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
		ix.seg, ix.file, ix.scanned = seg, file, headerLen
	}
	ix.used = cache.clock
	if ix.scanned < seg.end {
		l.extend(ix)
		if err := l.patience(seg); err != nil {
			ix.close()
			return nil, err
		}
		if ix.waiting() != seg.msgs {
			l.reconcile(ix)
		}
	}
	return ix, nil
}

// maxUnread is how often in a row a segment may be found unreadable until what
// cannot be read is given up as damaged.
const maxUnread = 30

// patience returns an error if a segment could not be read in part just now: the
// disk may do better next time.
func (l *Log) patience(seg *segment) error {
	if !l.win.unreadable {
		seg.unread = 0
		return nil
	}
	if seg.unread++; seg.unread > maxUnread {
		return nil
	}
	return fmt.Errorf("outbox: %s: cannot be read", l.path(seg.number))
}

// extend scans what was appended since.
func (l *Log) extend(ix *index) {
	seg := ix.seg
	l.win.reset(ix.file)
	s := scanner{w: &l.win, salt: seg.salt, off: ix.scanned, end: seg.end, good: ix.scanned}
	for r, off, ok := s.next(); ok; r, off, ok = s.next() {
		if r.kind != kindMessage || !l.valid(&r.head, seg, off) {
			continue
		}
		if c := l.clients[string(r.clientID())]; c != nil && c.has(seg, r.seq) {
			ix.entries = append(ix.entries, entry{c: c, seq: r.seq, time: r.time, off: off, size: r.size()})
		}
	}
	ix.scanned = seg.end
	if !slices.IsSortedFunc(ix.entries, compareEntries) {
		slices.SortFunc(ix.entries, compareEntries)
	}
}

// waiting returns how many entries are still waiting.
func (ix *index) waiting() int {
	n := 0
	var c *client
	var r *run
	for i := range ix.entries {
		e := &ix.entries[i]
		if e.c != c {
			c, r = e.c, e.c.runIn(ix.seg)
		}
		if r != nil && r.first <= e.seq && e.seq <= r.last {
			n++
		}
	}
	return n
}

// reconcile takes messages out of the counts that have rotted since Open.
func (l *Log) reconcile(ix *index) {
	l.changes++
	for _, c := range l.sorted() {
		i := slices.IndexFunc(c.runs, func(r run) bool { return r.seg == ix.seg })
		if i < 0 {
			continue
		}
		r := &c.runs[i]
		n, size, last := 0, int64(0), uint64(0)
		entries := ix.from(c, r.first)
		for _, e := range entries {
			if e.seq > r.last {
				break
			}
			n, size, last = n+1, size+int64(e.size), e.seq
		}
		if lost := r.n - n; lost > 0 {
			l.damage.add(Damage{File: l.path(ix.seg.number), Client: c.name, Messages: lost})
		}
		l.count(c, r, n-r.n, size-r.size)
		if n == 0 {
			l.dropRun(c, i)
			l.forget(c)
			continue
		}
		r.first, r.oldest, r.last = entries[0].seq, entries[0].time, last
	}
}

// forgetIndex gives up an index, since its segment goes away or has changed.
func (l *Log) forgetIndex(seg *segment) {
	for i := range l.indexes.slots {
		if ix := &l.indexes.slots[i]; ix.seg == seg {
			ix.close()
		}
	}
}

func (ix *index) close() {
	if ix.file != nil {
		_ = ix.file.Close()
	}
	clear(ix.entries)
	*ix = index{entries: ix.entries[:0]}
}

func (c *indexCache) close() {
	for i := range c.slots {
		c.slots[i].close()
		c.slots[i].entries = nil
	}
}
