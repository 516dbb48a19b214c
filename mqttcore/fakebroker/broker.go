package fakebroker

import (
	"context"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Config says what a Broker's connections are like. The zero value is usual.
type Config struct {
	// ReceiveBuffer is how many bytes of the client's wait, unread, before its writes block. 0: 64 KiB. On TCP it is the listening
	// socket's SO_RCVBUF, which the kernel doubles and rounds up, and to which the client's own send buffer comes.
	ReceiveBuffer int

	// SendBuffer is the same for what the broker sends. 0: 64 KiB. Not for TCP.
	SendBuffer int

	// Patience is how long a Want or an Accept waits before the test fails. 0: in memory a day, which in a synctest bubble is soon over,
	// and on TCP 20 s.
	Patience time.Duration
}

// Broker is a fake broker. It is closed, and its goroutines waited for, when its test ends.
type Broker struct {
	// Immutable.
	t        testing.TB
	config   Config
	listener net.Listener // nil: in memory
	running  sync.WaitGroup

	// Shared: mu.
	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, whenever something below changes
	closed   bool
	reach    Reach
	behave   func(n int) Behavior // nil: connections wait for a script
	dials    int
	conns    []*Conn
	accepted int // conns that Accept has returned
	received []Packet
	sessions map[string]bool // client ids whose state a Behavior keeps
}

// Reach says what becomes of a dial.
type Reach int

const (
	Reachable Reach = iota // a dial succeeds
	Refusing               // a dial fails at once: the broker is not running
	Silent                 // a dial hangs until its context ends: packets vanish on their way
)

// New returns a broker in memory.
func New(t testing.TB, config Config) *Broker {
	t.Helper()
	if config.Patience == 0 {
		config.Patience = 24 * time.Hour
	}
	return start(t, config, nil)
}

// NewTCP returns a broker on a free port of loopback.
func NewTCP(t testing.TB, config Config) *Broker {
	t.Helper()
	if config.Patience == 0 {
		config.Patience = 20 * time.Second
	}
	control := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlErr := raw.Control(func(fd uintptr) {
			if config.ReceiveBuffer > 0 {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, config.ReceiveBuffer)
			}
		})
		if controlErr != nil {
			return controlErr
		}
		return err
	}}
	listener, err := control.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("fakebroker: %v", err)
	}
	b := start(t, config, listener)
	b.running.Go(b.acceptTCP)
	return b
}

func start(t testing.TB, config Config, listener net.Listener) *Broker {
	if config.ReceiveBuffer == 0 {
		config.ReceiveBuffer = 64 << 10
	}
	if config.SendBuffer == 0 {
		config.SendBuffer = 64 << 10
	}
	b := &Broker{t: t, config: config, listener: listener, changed: make(chan struct{}), sessions: map[string]bool{}}
	t.Cleanup(b.close)
	return b
}

func (b *Broker) close() {
	b.mu.Lock()
	b.closed = true
	conns := b.conns
	b.notify()
	b.mu.Unlock()
	if b.listener != nil {
		_ = b.listener.Close()
	}
	for _, c := range conns {
		_ = c.raw.Close()
	}
	b.running.Wait()
}

// Addr returns host:port of a broker on TCP.
func (b *Broker) Addr() string {
	b.t.Helper()
	if b.listener == nil {
		b.t.Fatal("fakebroker: a broker in memory has no address; use Dial")
	}
	return b.listener.Addr().String()
}

// Dial connects to the broker, as a client's dial function.
func (b *Broker) Dial(ctx context.Context) (net.Conn, error) {
	b.mu.Lock()
	b.dials++
	reach, closed := b.reach, b.closed
	b.notify()
	b.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case closed || reach == Refusing:
		return nil, syscall.ECONNREFUSED
	case reach == Silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case b.listener != nil:
		return (&net.Dialer{}).DialContext(ctx, "tcp", b.Addr())
	}
	client, server := Pipe(b.config.SendBuffer, b.config.ReceiveBuffer)
	if !b.add(server) {
		return nil, syscall.ECONNREFUSED
	}
	return client, nil
}

// acceptTCP takes connections until the listener is closed.
func (b *Broker) acceptTCP() {
	for {
		raw, err := b.listener.Accept()
		if err != nil {
			return
		}
		if !b.add(raw) {
			_ = raw.Close()
		}
	}
}

// add takes a connection in, and lets it be served if that is how the broker behaves. It reports false after close.
func (b *Broker) add(raw net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	c := newConn(b, len(b.conns), raw)
	b.conns = append(b.conns, c)
	if b.behave != nil {
		behavior := b.behave(c.index)
		c.served = true
		b.running.Go(func() { c.serve(behavior) })
	}
	b.notify()
	return true
}

// notify wakes everybody who waits for a change. The caller holds mu.
func (b *Broker) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// SetReach says what becomes of dials from now on. Connections that stand are not touched. On TCP only Dial obeys, not the port.
func (b *Broker) SetReach(r Reach) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reach = r
}

// Serve lets the broker answer by itself on every connection made from now on. Behave is called with the number of the connection, the
// first ever made being 0; it must not call the broker. Nil: connections wait for a script again.
func (b *Broker) Serve(behave func(n int) Behavior) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behave = behave
}

// Accept returns the next connection a client has made, in the order they were made; it waits for one.
func (b *Broker) Accept() *Conn {
	b.t.Helper()
	var c *Conn
	b.await("a connection", func() bool {
		if b.accepted == len(b.conns) {
			return false
		}
		c = b.conns[b.accepted]
		b.accepted++
		return true
	})
	return c
}

// Welcome accepts a connection, reads its CONNECT and answers that it is accepted.
func (b *Broker) Welcome(sessionPresent bool) *Conn {
	b.t.Helper()
	c := b.Accept()
	c.WantConnect()
	c.Connack(sessionPresent, packet.Accepted)
	return c
}

// Dials returns how many dials were tried, those that failed included.
func (b *Broker) Dials() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials
}

// WaitDials waits until n dials have been tried.
func (b *Broker) WaitDials(n int) {
	b.t.Helper()
	b.await("dials", func() bool { return b.dials >= n })
}

// Received returns every packet received so far, on all connections, in order of arrival.
func (b *Broker) Received() []Packet {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

// ReceivedType is Received for packets of one type.
func (b *Broker) ReceivedType(typ packet.Type) []Packet {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ofType(typ)
}

// Wait waits until n packets of a type have been received, and returns those received so far.
func (b *Broker) Wait(typ packet.Type, n int) []Packet {
	b.t.Helper()
	var packets []Packet
	b.await(typ.String(), func() bool {
		packets = b.ofType(typ)
		return len(packets) >= n
	})
	return packets
}

// ofType filters received. The caller holds mu.
func (b *Broker) ofType(typ packet.Type) []Packet {
	var packets []Packet
	for _, p := range b.received {
		if p.Type == typ {
			packets = append(packets, p)
		}
	}
	return packets
}

// record notes a packet.
func (b *Broker) record(p Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received = append(b.received, p)
	b.notify()
}

// await waits until ready, which is called with mu held, says so.
func (b *Broker) await(what string, ready func() bool) {
	b.t.Helper()
	patience := time.NewTimer(b.config.Patience)
	defer patience.Stop()
	for {
		b.mu.Lock()
		done, changed := ready(), b.changed
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-patience.C:
			b.t.Fatalf("fakebroker: waited %v for %s", b.config.Patience, what)
		}
	}
}
