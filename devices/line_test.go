package devices

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// stalledPort is a port that takes room bytes at once and no more until it is
// closed or freed.
type stalledPort struct {
	mu      sync.Mutex
	room    int
	taken   []byte
	free    chan struct{} // closed: Write goes on
	closed  chan struct{}
	writing chan struct{} // a Write has begun
}

func newStalledPort(room int) *stalledPort {
	return &stalledPort{room: room, free: make(chan struct{}), closed: make(chan struct{}), writing: make(chan struct{}, 1)}
}

var errPortClosed = errors.New("port is closed")

func (p *stalledPort) Read([]byte) (int, error) { <-p.closed; return 0, errPortClosed }

func (p *stalledPort) TryWrite(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(p.room, len(b))
	p.room -= n
	p.taken = append(p.taken, b[:n]...)
	return n, nil
}

func (p *stalledPort) Write(b []byte) (int, error) {
	select {
	case p.writing <- struct{}{}:
	default:
	}
	select {
	case <-p.closed:
		return 0, errPortClosed
	case <-p.free:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = append(p.taken, b...)
	return len(b), nil
}

func (p *stalledPort) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

// frames returns what the board would have read, and fails if a frame is damaged.
func (p *stalledPort) frames(t *testing.T) []mqttsn.Packet {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	dec := serialproto.Decoder{MaxFrame: serialproto.MaxFrame}
	var all []mqttsn.Packet
	dec.Feed(p.taken, time.Now())
	for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
		var m mqttsn.Packet
		if ev.Kind != serialproto.Frame {
			t.Fatalf("the board read %s %q", ev.Kind, ev.Body)
		}
		if err := mqttsn.Parse(slices.Clone(ev.Body), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// desk is a device whose loop is turned by hand, event by event.
type desk struct {
	t      *testing.T
	d      *Device
	broker *fakebroker.Broker
	link   uint32
}

func newDesk(t *testing.T, change func(*Config)) *desk {
	k := &desk{t: t, broker: fakebroker.NewTCP(t, fakebroker.Config{})}
	cfg := Config{Name: "greenhouse", Port: port.Spec{Path: "/dev/none"}, Session: mqttcore.Config{Dial: k.broker.Dial}}
	if change != nil {
		change(&cfg)
	}
	k.d = New(cfg, Shared{Clients: NewClients(100, nil), Metrics: metrics.New(metrics.Build{}), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	k.d.inner = ctx
	k.d.timer = time.NewTimer(time.Hour)
	t.Cleanup(func() {
		k.d.timer.Stop()
		cancel()
		k.d.drain()
	})
	return k
}

// turn hands one event to the device.
func (k *desk) turn(ev event) {
	k.d.handle(&ev)
	k.d.advance(k.d.now())
	k.d.settle()
	k.d.transmit()
}

// next waits for an event of that kind, turning the device until it has come.
func (k *desk) next(kind eventKind) {
	k.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case ev := <-k.d.events:
			k.turn(ev)
			if ev.kind == kind {
				return
			}
		case <-timeout:
			k.t.Fatalf("no event %d", kind)
		}
	}
}

func (k *desk) open(p port.Port) {
	k.link++
	k.t.Cleanup(func() { _ = p.Close() })
	k.turn(event{kind: portOpened, link: k.link, stream: p, at: time.Now()})
}

func (k *desk) send(ps ...mqttsn.Packet) {
	for _, p := range ps {
		k.turn(event{kind: bytesRead, link: k.link, data: frame(p), at: time.Now()})
	}
}

// connect brings a board up.
func (k *desk) connect() *fakebroker.Conn {
	k.send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1")})
	conn := k.broker.Welcome(false)
	k.next(sessionState)
	return conn
}

// TestNewPortHearsNothingOld: what is put out in the turn in which the port is
// replaced is not for the new one.
func TestNewPortHearsNothingOld(t *testing.T) {
	k := newDesk(t, nil)
	k.open(newStalledPort(1000))
	k.connect()
	next := newStalledPort(1000)
	for _, ev := range []event{
		{kind: bytesRead, link: k.link, data: frame(mqttsn.Packet{Type: mqttsn.PingReq})},
		{kind: portLost, link: k.link, err: port.ErrGone},
		{kind: portOpened, link: k.link + 1, stream: next},
	} {
		k.d.handle(&ev)
	}
	k.turn(event{kind: watchEnded})
	if got := next.frames(t); len(got) != 1 || got[0].Type != mqttsn.Disconnect {
		t.Errorf("the new port was told %v", got)
	}
}

// TestPortLostDuringASlowWrite: the cable is pulled while the port takes its
// time. The write fails after the port is known to be gone.
func TestPortLostDuringASlowWrite(t *testing.T) {
	k := newDesk(t, nil)
	p := newStalledPort(5)
	k.open(p)
	<-p.writing
	k.turn(event{kind: portLost, link: k.link, err: port.ErrGone})
	_ = p.Close()
	k.next(bytesWritten)

	k.open(newStalledPort(1000))
	k.connect()
}

// loudness counts what is logged as more than a matter for debugging.
type loudness struct {
	slog.Handler
	count *int
}

func (l loudness) Enabled(_ context.Context, level slog.Level) bool { return level > slog.LevelDebug }
func (l loudness) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l loudness) Handle(context.Context, slog.Record) error        { *l.count++; return nil }

// TestFlappingPortIsQuiet: a port that opens and is gone at once, for hours.
func TestFlappingPortIsQuiet(t *testing.T) {
	said := 0
	k := newDesk(t, nil)
	k.d.log = slog.New(loudness{count: &said})
	gone := &port.Error{Op: "read", Port: "/dev/none", Class: port.ErrGone}
	for range 1000 {
		k.open(newStalledPort(1000))
		k.turn(event{kind: portLost, link: k.link, err: gone})
		k.turn(event{kind: portFailed, link: k.link, err: gone})
	}
	if said > 5 {
		t.Errorf("%d lines", said)
	}
	k.open(newStalledPort(1000))
	k.d.line.since = k.d.line.since.Add(-steadyAfter)
	said = 0
	k.turn(event{kind: portLost, link: k.link, err: gone})
	k.turn(event{kind: portFailed, link: k.link, err: gone})
	k.open(newStalledPort(1000))
	if said != 2 {
		t.Errorf("%d lines after it was steady, want its going and its coming", said)
	}
}

// TestWriteFails: the reader notices a port whose writer has failed.
func TestWriteFails(t *testing.T) {
	k := newDesk(t, nil)
	p := newStalledPort(5)
	k.open(p)
	<-p.writing
	k.turn(event{kind: bytesWritten, link: k.link, err: port.ErrGone})
	<-p.closed
}

// TestStalledPort: what a port does not take stays where it can be bounded, and
// everything arrives, in whole frames, when it takes bytes again.
func TestStalledPort(t *testing.T) {
	k := newDesk(t, func(c *Config) { c.MaxFrame = 65535 })
	p := newStalledPort(1000)
	k.open(p)
	conn := k.connect()
	long := strings.Repeat("x", 20_000)
	for range 20 {
		conn.SendRaw(append([]byte{0x30, 0xA4, 0x9C, 0x01, 0, 2, 'a', 'b'}, long...))
		k.next(delivered)
	}
	for range 300 {
		k.send(mqttsn.Packet{Type: mqttsn.PingReq})
	}
	if n := len(k.d.line.unsent); n > 40_000 {
		t.Errorf("%d bytes are kept for the port", n)
	}
	close(p.free)
	k.next(bytesWritten)
	for deadline := time.Now().Add(patience); ; {
		count := 0
		for _, m := range p.frames(t) {
			if m.Type == mqttsn.Publish {
				count++
			}
		}
		if count == 20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 20 messages arrived", count)
		}
		k.next(bytesWritten)
	}
}
