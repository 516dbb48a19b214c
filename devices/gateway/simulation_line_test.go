package gateway

import (
	"net/netip"
	"slices"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// ringSize is the board's receive buffer: MicroPython's stdin ring.
const ringSize = 259

// simLine is the port and what is on it: bytes under way, which may be damaged,
// and the buffer of the board at its end.
type simLine struct {
	w         *world
	open      bool
	calmSince time.Time // the port has been open since then

	up, down         serialproto.Decoder
	upLast, downLast time.Time // when the last bytes arrive: a line does not reorder
	ring             []byte    // arrived and not read by the board
	reading          bool      // the board will read soon

	limit   int // what the gateway must keep to; 0 is none
	watch   serialproto.Decoder
	unacked []sentBytes
}

// sentBytes are bytes that the gateway has sent.
type sentBytes struct {
	at time.Time
	n  int
}

// lose takes the port away for a while.
func (l *simLine) lose(length time.Duration) {
	if !l.open {
		return
	}
	l.open = false
	l.up, l.down, l.ring, l.unacked = serialproto.Decoder{}, serialproto.Decoder{}, nil, nil
	l.w.gw.PortLost(l.w.now)
	l.w.after(length, func() {
		l.open, l.calmSince = true, l.w.now
		l.w.gw.PortOpened(l.w.now)
	})
}

// send puts what the gateway wrote on the line.
func (l *simLine) send(b []byte) {
	l.watchCredit(b)
	l.transfer(b, &l.downLast, func(b []byte) {
		room := len(b)
		if l.limit > 0 {
			room = min(room, ringSize-len(l.ring)) // the rest is dropped in silence
		}
		l.ring = append(l.ring, b[:room]...)
		if !l.reading {
			l.reading = true
			l.w.after(time.Duration(l.w.r.IntN(8))*time.Millisecond, l.read)
		}
	})
}

// read lets the board take what has arrived.
func (l *simLine) read() {
	l.reading = false
	b := l.ring
	l.ring = nil
	l.arrive(&l.down, b)
}

// sendUp puts a message of a board on the line.
func (l *simLine) sendUp(b *simBoard, body []byte) {
	if b.wireless != nil {
		p := mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: b.wireless, Data: body}
		body = p.Append(nil)
	}
	l.transfer(serialproto.AppendFrame(nil, body), &l.upLast, func(b []byte) { l.arrive(&l.up, b) })
}

// transfer carries bytes, which may be damaged, to the other end.
func (l *simLine) transfer(b []byte, last *time.Time, arrive func([]byte)) {
	w := l.w
	if !l.open {
		return
	}
	if w.faulty() && w.r.IntN(12) == 0 {
		b = l.damage(b)
	}
	at := w.now.Add(w.delay())
	if at.Before(*last) {
		at = *last
	}
	*last = at
	w.soon = append(w.soon, happening{at, func() { arrive(b) }})
}

func (l *simLine) damage(b []byte) []byte {
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

// arrive hands bytes to the decoder of the gateway or of the board.
func (l *simLine) arrive(dec *serialproto.Decoder, b []byte) {
	if !l.open {
		return
	}
	dec.Feed(b, l.w.now)
	for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
		switch {
		case ev.Kind != serialproto.Frame:
		case dec == &l.down:
			l.receiveDown(ev.Body)
		default:
			l.receiveUp(ev.Body)
		}
	}
}

// silence tells the decoders that nothing comes.
func (l *simLine) silence() {
	for _, dec := range []*serialproto.Decoder{&l.up, &l.down} {
		if d := dec.Deadline(); !d.IsZero() && !d.After(l.w.now) {
			l.arrive(dec, nil)
		}
	}
}

// receiveDown is the end of the line: a board, or a forwarder, which passes on
// what is not for itself.
func (l *simLine) receiveDown(body []byte) {
	var p mqttsn.Packet
	if err := mqttsn.Parse(body, &p); err != nil {
		l.w.violate("the gateway wrote %s: %v", describeFrame(body), err)
		return
	}
	var wireless []byte
	if p.Type == mqttsn.Encapsulated {
		wireless, body = p.NodeID, p.Data
	}
	for _, b := range l.w.boards {
		if !b.off && slices.Equal(b.wireless, wireless) {
			b.board.Receive(l.w.now, body)
			l.w.settle()
		}
	}
}

// receiveUp hands a frame to the gateway.
func (l *simLine) receiveUp(body []byte) {
	w := l.w
	l.noteAnswer(body)
	for _, n := range w.gw.nodes {
		if w.bug.duplicatesOff {
			n.dup.clear()
		}
	}
	w.gw.Receive(w.now, netip.AddrPort{}, body)
	w.settle() // what it put out refers to the frame
}

// watchCredit checks that what was sent since the board answered anything is not
// more than its buffer holds. Credit may return after a time-out, but not before.
func (l *simLine) watchCredit(b []byte) {
	now := l.w.now
	l.unacked = slices.DeleteFunc(l.unacked, func(s sentBytes) bool { return now.Sub(s.at) >= minRTO })
	l.watch.Feed(b, now)
	for ev, ok := l.watch.Next(); ok; ev, ok = l.watch.Next() {
		l.unacked = append(l.unacked, sentBytes{now, len(serialproto.AppendFrame(nil, ev.Body))})
	}
	total := 0
	for _, s := range l.unacked {
		total += s.n
	}
	if l.limit > 0 && total > l.limit && len(l.unacked) > 1 {
		l.w.violate("%d bytes are on their way to a board that takes %d", total, l.limit)
	}
}

// noteAnswer forgets what was sent when the board says that it has read.
func (l *simLine) noteAnswer(body []byte) {
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
		l.unacked = nil
	case mqttsn.Connect:
		if !forwarded {
			l.unacked = nil
		}
	default:
	}
}
