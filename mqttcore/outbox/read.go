package outbox

import (
	"fmt"
	"math"
)

// Read appends to dst the next messages of a client behind the number after, in
// ascending order, until their topics and payloads have maxBytes; at least one,
// if there is one. Topic and Payload are copies, in the buffers of elements
// that dst has room for behind its length: a caller who passes dst[:0] again
// and again causes no allocation.
//
// Messages of the open commit are not among them. Damaged messages are skipped
// and reported by [Log.Damage]. After an error, dst has what could be read.
func (l *Log) Read(client string, after uint64, dst []Message, maxBytes int) ([]Message, error) {
	if l.closed {
		return dst, ErrClosed
	}
	c := l.clients[client]
	if c == nil {
		return dst, nil
	}
	for n, failed := 0, 0; failed < maxRetries; {
		ix, entries, err := l.streak(c, after)
		if err != nil || len(entries) == 0 {
			return dst, err
		}
		l.reader.reset(ix.file)
		for i := range entries {
			r, ok := l.recordAt(ix.seg, entries[i:])
			if !ok {
				l.forgetIndex(ix.seg) // finds the damage when it is made again
				failed++
				break
			}
			size := len(r.topicName()) + len(r.data())
			if n > 0 && n+size > maxBytes {
				return dst, nil
			}
			dst = appendMessage(dst, c.name, &r)
			after = r.seq
			n = max(n+size, 1)
		}
	}
	return dst, fmt.Errorf("outbox: %s: what is read changes every time", l.cfg.Dir)
}

// maxRetries bounds how often Read starts again after damage.
const maxRetries = 10

// streak returns the next messages of a client that stand in one segment.
// Mostly there is only one that comes into question: a client's messages lie in
// one segment after the other, unless some of them were moved.
func (l *Log) streak(c *client, after uint64) (*index, []entry, error) {
	for {
		changes := l.changes
		var seg *segment
		best, limit := uint64(math.MaxUint64), uint64(math.MaxUint64)
		for i := 0; i < len(c.runs) && l.changes == changes; i++ {
			r := c.runs[i]
			if r.last <= after {
				continue
			}
			first := r.first
			if first <= after {
				ix, err := l.index(r.seg)
				if err != nil {
					return nil, nil, err
				}
				e := ix.from(c, after+1)
				if len(e) == 0 {
					continue
				}
				first = e[0].seq
			}
			if first < best {
				seg, best, limit = r.seg, first, best
			} else {
				limit = min(limit, first)
			}
		}
		if l.changes != changes {
			continue // damage was found, and the runs are not what they were
		}
		if seg == nil {
			return nil, nil, nil
		}
		ix, err := l.index(seg)
		if err != nil {
			return nil, nil, err
		}
		if l.changes != changes {
			continue
		}
		e := ix.from(c, best)
		n := 0
		for n < len(e) && e[n].seq < limit {
			n++
		}
		return ix, e[:n], nil
	}
}

// recordAt reads the first of some messages in a segment, and with it those
// that stand close behind.
func (l *Log) recordAt(seg *segment, e []entry) (record, bool) {
	end := e[0].off + e[0].size
	ahead := end
	for _, next := range e[1:] {
		if next.off < ahead || next.off-ahead > maxGap || next.off+next.size-end > windowBytes {
			break
		}
		ahead = next.off + next.size
	}
	p := l.reader.at(e[0].off, e[0].size, ahead-end)
	h, ok := parseHead(p, seg.salt)
	if !ok || h.size() != e[0].size || h.seq != e[0].seq || !h.bodyFits(p, seg.salt) {
		return record{}, false
	}
	return record{head: h, body: p[headLen : headLen+int(h.length)]}, true
}

// maxGap is how many bytes of others are read rather than skipped.
const maxGap = 4096

// appendMessage appends a copy of a message in the buffers of the element that
// becomes part of dst.
func appendMessage(dst []Message, client string, r *record) []Message {
	if len(dst) < cap(dst) {
		dst = dst[:len(dst)+1]
	} else {
		dst = append(dst, Message{})
	}
	m := &dst[len(dst)-1]
	*m = Message{
		Seq:      r.seq,
		Client:   client,
		Topic:    append(m.Topic[:0], r.topicName()...),
		Payload:  append(m.Payload[:0], r.data()...),
		QoS:      byte(r.flags & flagQoS),
		Retain:   r.flags&flagRetain != 0,
		Accepted: moment(r.time),
	}
	return dst
}
