package outbox

import "fmt"

// Append adds a message to the open commit, in memory, and gives it a number,
// whatever m.Seq is. It copies what it needs. It does no I/O.
//
// The message is stored when [Log.Commit] has returned nil, and never otherwise.
// Errors are [ErrFull], [ErrTooLarge] and [ErrClosed].
func (l *Log) Append(m *Message) (seq uint64, err error) {
	if l.closed {
		return 0, ErrClosed
	}
	body := len(m.Client) + len(m.Topic) + len(m.Payload)
	if len(m.Client) > maxName || len(m.Topic) > maxName || body > maxMessage {
		return 0, fmt.Errorf("%w: message of %d bytes", ErrTooLarge, body)
	}
	if m.QoS > byte(flagQoS) {
		return 0, fmt.Errorf("outbox: message has QoS %d", m.QoS)
	}
	size := recordSize(body)
	if l.overfull(size) || l.full(size) {
		return 0, ErrFull
	}
	h := head{kind: kindMessage, flags: flags(m.QoS), seq: l.nextSeq(), time: nanoseconds(m.Accepted)}
	if m.Retain {
		h.flags |= flagRetain
	}
	c := l.client(m.Client)
	c.open++
	l.openMessages++
	l.open.put(item{c: c}, h, m.Client, m.Topic, m.Payload, nil)
	return h.seq, nil
}

// maxName is the most that a length field of 16 bits counts.
const maxName = 1<<16 - 1

func (l *Log) nextSeq() uint64 {
	l.seq++
	return l.seq
}

// usable is how many bytes of records fit into a new segment.
func (l *Log) usable() int { return l.cfg.SegmentBytes - headerLen }

// overfull reports whether the open commit has no place for size bytes more,
// since a commit is in one segment.
func (l *Log) overfull(size int) bool { return len(l.open.buf)+size > l.usable() }

// full reports whether a message of size bytes more could not be stored.
func (l *Log) full(size int) bool {
	need := len(l.open.buf) + size
	if l.cfg.DropOldest || l.tail().free() >= need {
		return false
	}
	dead := 0
	for dead < len(l.segs) && l.segs[dead].live == 0 {
		dead++
	}
	return len(l.segs)-dead >= l.max && l.crowded(need)
}

// crowded reports whether so much of the disk space is in use that making room
// would mean to move the same records over and over. At three quarters a
// message costs at most three others' moving.
func (l *Log) crowded(need int) bool {
	return (l.live+int64(need))*4 > int64(l.max)*int64(l.usable())*3
}
