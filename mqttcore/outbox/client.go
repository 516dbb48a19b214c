package outbox

// client is what the log keeps in memory about one client id: where its
// messages are, not which.
type client struct {
	id    uint64 // order of appearance; sorts the index of a segment
	name  string
	acked uint64 // all up to this one are done with
	dirty bool   // acked is not on disk yet; in Log.dirty
	open  int    // records in the open commit

	n    int   // messages waiting
	size int64 // bytes of their records
	runs []run // one for each segment with such messages, in no order

	state    place
	stateSeq uint64 // newest state seen, also if it is gone
}

// run is the messages of one client in one segment. Those with a number from
// first to last are waiting, all of them.
type run struct {
	seg         *segment
	first, last uint64
	n           int
	size        int64
	oldest      int64 // time of first
}

// place is where a record stands; seg is nil if there is none.
type place struct {
	seg  *segment
	off  int
	size int
	seq  uint64
}

func (c *client) runIn(seg *segment) *run {
	for i := len(c.runs) - 1; i >= 0; i-- {
		if c.runs[i].seg == seg {
			return &c.runs[i]
		}
	}
	return nil
}

// has reports whether the message with that number, found in seg, is waiting.
func (c *client) has(seg *segment, seq uint64) bool {
	r := c.runIn(seg)
	return r != nil && r.first <= seq && seq <= r.last
}

// first returns the number of the oldest message waiting and its time, or 0.
func (c *client) first() (seq uint64, oldest int64) {
	for i := range c.runs {
		if r := &c.runs[i]; seq == 0 || r.first < seq {
			seq, oldest = r.first, r.oldest
		}
	}
	return seq, oldest
}

// last returns the number of the newest message waiting, or 0.
func (c *client) last() (seq uint64) {
	for i := range c.runs {
		seq = max(seq, c.runs[i].last)
	}
	return seq
}

// client returns the entry of a client id, made if need be.
func (l *Log) client(name string) *client {
	c := l.clients[name]
	if c == nil {
		l.ids++
		c = &client{id: l.ids, name: name}
		l.clients[name] = c
	}
	return c
}

// forget drops the entry of a client that has nothing in the log: client ids
// may be random, and new ones come for ever.
func (l *Log) forget(c *client) {
	if c.n == 0 && c.open == 0 && !c.dirty && c.state.seg == nil {
		delete(l.clients, c.name)
	}
}

// add counts a message that stands in seg.
func (l *Log) add(c *client, seg *segment, seq uint64, size int, time int64) {
	r := c.runIn(seg)
	if r == nil {
		c.runs = append(c.runs, run{seg: seg, first: seq, last: seq, oldest: time})
		r = &c.runs[len(c.runs)-1]
	}
	if seq < r.first {
		r.first, r.oldest = seq, time
	}
	r.last = max(r.last, seq)
	l.count(c, r, 1, int64(size))
}

// count adjusts every sum that n messages of size bytes in all are part of.
func (l *Log) count(c *client, r *run, n int, size int64) {
	r.n += n
	r.size += size
	r.seg.msgs += n
	r.seg.live += size
	c.n += n
	c.size += size
	l.msgs += n
	l.size += size
	l.live += size
}

// dropRun forgets the run at i with all its messages.
func (l *Log) dropRun(c *client, i int) {
	r := &c.runs[i]
	l.count(c, r, -r.n, -r.size)
	last := len(c.runs) - 1
	c.runs[i] = c.runs[last]
	c.runs[last] = run{}
	c.runs = c.runs[:last]
}

// keep counts a record that is no message.
func (l *Log) keep(p place) {
	p.seg.live += int64(p.size)
	l.live += int64(p.size)
}

// release takes back keep.
func (l *Log) release(p place) {
	p.seg.live -= int64(p.size)
	l.live -= int64(p.size)
}
