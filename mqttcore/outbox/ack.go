package outbox

import "slices"

// Ack tells that all messages of a client up to seq are done with. Read does
// not return them any more. It is written with the next Commit that has
// something to write, or by Flush.
func (l *Log) Ack(client string, seq uint64) {
	c := l.clients[client]
	if c == nil || l.closed {
		return
	}
	// A number that nobody has been given yet must not touch the message that
	// gets it.
	l.ack(c, min(seq, l.seq))
}

func (l *Log) ack(c *client, seq uint64) {
	if seq <= c.acked {
		return
	}
	l.ackUpTo(c, seq)
	if !c.dirty {
		c.dirty = true
		l.dirty = append(l.dirty, c)
	}
}

// ackUpTo takes messages out of the counts.
func (l *Log) ackUpTo(c *client, seq uint64) {
	if seq <= c.acked {
		return
	}
	c.acked = seq
	for i := len(c.runs) - 1; i >= 0; i-- {
		if i < len(c.runs) && c.runs[i].first <= seq && c.runs[i].last > seq {
			l.trim(c, c.runs[i].seg)
		}
	}
	for i := len(c.runs) - 1; i >= 0; i-- {
		if c.runs[i].last <= seq {
			l.dropRun(c, i)
		}
	}
}

// trim takes the acknowledged messages off a run that has others too.
func (l *Log) trim(c *client, seg *segment) {
	ix, err := l.index(seg) // may find damage and change the run
	r := c.runIn(seg)
	if r == nil || r.first > c.acked || r.last <= c.acked {
		return
	}
	if err != nil {
		r.first = c.acked + 1 // their number is put right when the file can be read
		return
	}
	entries := ix.from(c, r.first)
	n, size := 0, int64(0)
	for n < len(entries) && entries[n].seq <= c.acked {
		size += int64(entries[n].size)
		n++
	}
	l.count(c, r, -n, -size)
	if n < len(entries) {
		r.first, r.oldest = entries[n].seq, entries[n].time
	}
}

// addAcks puts acknowledgements behind a batch, as many as the tail has room
// for.
func (l *Log) addAcks(b *batch) {
	for _, c := range l.dirty {
		if len(b.buf)+recordSize(len(c.name)) > l.tail().free() {
			return
		}
		b.put(item{c: c}, head{kind: kindAck, seq: c.acked}, c.name, nil, nil, nil)
	}
}

// Evicted is what DropOldest has dropped of one client.
type Evicted struct {
	Client   string
	UpTo     uint64 // all messages up to this number are gone
	Messages int
}

// Evicted returns what was dropped since it was last called.
func (l *Log) Evicted() []Evicted {
	e := l.evicted
	l.evicted = nil
	return e
}

// evict drops all messages in the oldest segment, and those of the same clients
// that are older yet.
func (l *Log) evict() {
	oldest := l.segs[0]
	for _, c := range l.sorted() {
		r := c.runIn(oldest)
		if r == nil {
			continue
		}
		before, upTo := c.n, r.last
		l.ack(c, upTo)
		l.noteEvicted(Evicted{Client: c.name, UpTo: upTo, Messages: before - c.n})
	}
}

func (l *Log) noteEvicted(e Evicted) {
	i := slices.IndexFunc(l.evicted, func(o Evicted) bool { return o.Client == e.Client })
	if i < 0 {
		l.evicted = append(l.evicted, e)
		return
	}
	l.evicted[i].UpTo = e.UpTo
	l.evicted[i].Messages += e.Messages
}
