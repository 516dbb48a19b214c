package simulation

import (
	"slices"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const (
	// ringSize is the board's receive buffer: MicroPython's stdin ring.
	ringSize = 259
	// portBuffer is how many bytes the port takes that have not left.
	portBuffer = 4096
	// soonestCredit is the time after which the gateway may take for granted that
	// bytes were read which nobody has acknowledged: its shortest time-out.
	soonestCredit = 25 * time.Millisecond
)

// line is the port and what is on it: bytes under way, which may be damaged, and the
// buffer of the board at its end.
type line struct {
	w       *world
	plugged bool
	since   time.Time // it has been plugged in since then
	cable   int       // counts how often; what is on an old one arrives nowhere

	up, down way
	dec      serialproto.Decoder // of the board, or forwarder
	ring     []byte              // arrived and not read by the board
	reading  bool                // the board will read soon

	watch serialproto.Decoder
	sent  []sentBytes // and not acknowledged
}

// way is one direction.
type way struct {
	free time.Time // when the last byte leaves
	last time.Time // when the last bytes arrive: a line does not reorder
}

// sentBytes are bytes that the gateway has sent.
type sentBytes struct {
	at time.Time
	n  int
}

func (l *line) plug() {
	l.plugged, l.since = true, l.w.now
	l.cable++
	l.dec, l.watch, l.ring, l.sent, l.reading = serialproto.Decoder{}, serialproto.Decoder{}, nil, nil, false
	l.up, l.down = way{}, way{}
}

// unplug takes the port away for a while.
func (l *line) unplug(length time.Duration) {
	if !l.plugged {
		return
	}
	l.w.tracef("port is unplugged for %v", length)
	l.plugged, l.w.trouble = false, l.w.now
	l.cable++
	if p := l.w.process; p != nil {
		p.portLost()
	}
	l.w.after(length, func() {
		l.w.tracef("port is plugged in")
		l.plug()
		if p := l.w.process; p != nil {
			p.portOpened()
		}
	})
}

// sendDown puts what the gateway wrote on the line.
func (l *line) sendDown(b []byte) {
	l.watchCredit(b)
	l.transfer(b, &l.down, func(b []byte) {
		room := len(b)
		if l.w.buffer > 0 {
			room = min(room, ringSize-len(l.ring)) // the rest is dropped in silence
		}
		l.ring = append(l.ring, b[:room]...)
		if !l.reading {
			l.reading = true
			cable := l.cable
			l.w.after(l.w.within(8*time.Millisecond), func() {
				if l.cable == cable {
					l.read()
				}
			})
		}
	})
}

// backlog returns how many bytes of the gateway have not left.
func (l *line) backlog() int {
	if l.w.baud == 0 {
		return 0
	}
	return int(int64(max(0, l.down.free.Sub(l.w.now))) * int64(l.w.baud) / 10 / int64(time.Second))
}

// sendUp puts a message of a board on the line.
func (l *line) sendUp(b *boardHost, body []byte) {
	if b.wireless != nil {
		p := mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: b.wireless, Data: body}
		body = p.Append(nil)
	}
	l.transfer(serialproto.AppendFrame(nil, body), &l.up, func(b []byte) {
		if p := l.w.process; p != nil {
			p.read(b)
		}
	})
}

// transfer carries bytes, which may be damaged, to the other end.
func (l *line) transfer(b []byte, way *way, arrive func([]byte)) {
	w := l.w
	if !l.plugged {
		return
	}
	if w.faulty && w.one(12) {
		b = l.damage(b)
	}
	if way.free.Before(w.now) {
		way.free = w.now
	}
	if w.baud > 0 {
		way.free = way.free.Add(time.Duration(len(b)) * 10 * time.Second / time.Duration(w.baud))
	}
	at := way.free.Add(w.within(20 * time.Millisecond))
	if at.Before(way.last) {
		at = way.last
	}
	way.last = at
	cable := l.cable
	w.at(at, func() {
		if l.cable == cable {
			arrive(b)
		}
	})
}

func (l *line) damage(b []byte) []byte {
	r := l.w.r
	i := r.IntN(len(b) + 1)
	switch r.IntN(5) {
	case 0:
		return nil // all lost
	case 1:
		return b[:i] // cut
	case 2:
		return slices.Insert(b, i, []byte("hello from the console\n")...)
	case 3:
		return slices.Insert(b, i, byte(r.Uint32()))
	default:
		b[i%len(b)] ^= 1 << r.IntN(8)
		return b
	}
}

// read lets the board take what has arrived.
func (l *line) read() {
	l.reading = false
	b := l.ring
	l.ring = nil
	l.decode(b)
}

func (l *line) decode(b []byte) {
	l.dec.Feed(b, l.w.now)
	for ev, ok := l.dec.Next(); ok; ev, ok = l.dec.Next() {
		if ev.Kind == serialproto.Frame {
			l.receive(ev.Body)
		}
	}
}

func (l *line) deadline() time.Time { return l.dec.Deadline() }

func (l *line) advance() {
	if d := l.dec.Deadline(); !d.IsZero() && !d.After(l.w.now) {
		l.decode(nil)
	}
}

// receive is the end of the line: a board, or a forwarder, which passes on what is
// not for itself.
func (l *line) receive(body []byte) {
	var p mqttsn.Packet
	if err := mqttsn.Parse(body, &p); err != nil {
		l.w.violate("the gateway wrote % x: %v", body, err)
		return
	}
	var wireless []byte
	if p.Type == mqttsn.Encapsulated {
		wireless, body = p.NodeID, p.Data
	}
	for _, b := range l.w.boards {
		if !b.off && slices.Equal(b.wireless, wireless) {
			l.w.traceMessage("to "+b.name, body)
			b.receive(body)
		}
	}
}

// watchCredit checks that what was sent since the board answered anything is not
// more than its buffer holds. Credit may return after a time-out, but not before.
func (l *line) watchCredit(b []byte) {
	if l.w.buffer == 0 {
		return
	}
	now := l.w.now
	l.sent = slices.DeleteFunc(l.sent, func(s sentBytes) bool { return now.Sub(s.at) >= soonestCredit })
	l.watch.Feed(b, now)
	for ev, ok := l.watch.Next(); ok; ev, ok = l.watch.Next() {
		l.sent = append(l.sent, sentBytes{now, serialproto.FrameLen(len(ev.Body))})
	}
	total := 0
	for _, s := range l.sent {
		total += s.n
	}
	if total > l.w.buffer && len(l.sent) > 1 {
		l.w.violate("%d bytes are on their way to a board that takes %d", total, l.w.buffer)
	}
}

// noteAnswer forgets what was sent when the board says that it has read.
func (l *line) noteAnswer(body []byte) {
	var p mqttsn.Packet
	err := mqttsn.Parse(body, &p)
	forwarded := err == nil && p.Type == mqttsn.Encapsulated
	if forwarded {
		err = mqttsn.Parse(p.Data, &p)
	}
	if err != nil {
		return
	}
	switch p.Type {
	case mqttsn.PubAck, mqttsn.RegAck, mqttsn.PingResp, mqttsn.WillTopic, mqttsn.WillMsg:
		l.sent = nil
	case mqttsn.Connect:
		if !forwarded {
			l.sent = nil
		}
	default:
	}
}
