package sim

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// host is the other end of the line: it notes what it reads and gives the
// answers of a gateway.
type host struct {
	t       testing.TB
	conn    net.Conn
	dec     serialproto.Decoder
	silent  bool // no answers
	forget  bool // keep no frames
	delay   time.Duration
	frames  []frame
	text    string
	noise   int
	retries int
	done    chan struct{}
}

// frame is a message and when its last byte came.
type frame struct {
	mqttsn.Packet
	at time.Time
}

// newHost returns a host and the line to the board.
func newHost(t testing.TB) (*host, net.Conn) {
	a, b := net.Pipe()
	h := &host{t: t, conn: a, done: make(chan struct{})}
	return h, b
}

// serve reads until the board closes the line. A test starts it on a goroutine
// and waits for done.
func (h *host) serve() {
	defer close(h.done)
	buf := make([]byte, 4096)
	for {
		n, err := h.conn.Read(buf)
		if err != nil {
			return
		}
		h.dec.Feed(buf[:n], time.Now())
		for ev, ok := h.dec.Next(); ok; ev, ok = h.dec.Next() {
			switch {
			case ev.Kind == serialproto.Text:
				h.text += string(ev.Body)
			case ev.Kind.Noise():
				h.noise++
			default:
				h.receive(bytes.Clone(ev.Body))
			}
		}
	}
}

func (h *host) receive(body []byte) {
	var p mqttsn.Packet
	if err := mqttsn.Parse(body, &p); err != nil {
		h.t.Errorf("the board wrote % x: %v", body, err)
		return
	}
	if !h.forget {
		h.frames = append(h.frames, frame{p, time.Now()})
	}
	if p.Flags.Has(mqttsn.DUP) && p.Type == mqttsn.Publish {
		h.retries++
	}
	if h.silent {
		return
	}
	switch p.Type {
	case mqttsn.Connect:
		h.send(mqttsn.Packet{Type: mqttsn.ConnAck})
	case mqttsn.Register:
		h.send(mqttsn.Packet{Type: mqttsn.RegAck, TopicID: uint16(len(p.Topic)), MsgID: p.MsgID})
	case mqttsn.Publish:
		if p.Flags.QoS() == 1 {
			h.send(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: p.TopicID, MsgID: p.MsgID})
		}
	case mqttsn.Subscribe:
		h.send(mqttsn.Packet{Type: mqttsn.SubAck, TopicID: 99, MsgID: p.MsgID, Flags: mqttsn.QoS1})
	case mqttsn.PingReq:
		h.send(mqttsn.Packet{Type: mqttsn.PingResp})
	case mqttsn.Disconnect:
		h.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	}
}

// send writes a frame; the board may have gone.
func (h *host) send(p mqttsn.Packet) {
	wire := serialproto.AppendFrame(nil, p.Append(nil))
	if h.delay == 0 {
		_, _ = h.conn.Write(wire)
		return
	}
	time.AfterFunc(h.delay, func() { _, _ = h.conn.Write(wire) })
}

// payloads returns what was published to the topic id, in order.
func (h *host) payloads(topicID uint16) []string {
	var all []string
	for _, f := range h.frames {
		if f.Type == mqttsn.Publish && f.TopicID == topicID {
			all = append(all, string(f.Data))
		}
	}
	return all
}

func (h *host) last() mqttsn.Type {
	if len(h.frames) == 0 {
		return 0
	}
	return h.frames[len(h.frames)-1].Type
}

// frameLen is the number of bytes that p takes on the line.
func frameLen(p mqttsn.Packet) int { return len(serialproto.AppendFrame(nil, p.Append(nil))) }

// run runs a board with that configuration against h until it stops.
func run(t *testing.T, ctx context.Context, cfg Config, h *host, line net.Conn) (*Sim, error) {
	t.Helper()
	s := power(t, cfg)
	go h.serve()
	err := s.Run(ctx, line)
	<-h.done
	return s, err
}

func power(t *testing.T, cfg Config) *Sim {
	t.Helper()
	if cfg.Board.ClientID == "" {
		cfg.Board.ClientID = "b1"
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onConnected makes an OnEvent that calls f once.
func onConnected(f func(now time.Time, b *board.Board)) func(time.Time, *board.Board, board.Event) {
	return func(now time.Time, b *board.Board, e board.Event) {
		if e.Kind == board.Connected && f != nil {
			f(now, b)
			f = nil
		}
	}
}
