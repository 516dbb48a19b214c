package fakebroker

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// maxPacket bounds what a client may send in one packet, in bytes.
const maxPacket = 4 << 20

// errCut ends a connection that a cut has ended.
var errCut = errors.New("fakebroker: connection cut as the test wants it")

// errViolation ends a connection whose client has broken MQTT. The test has been told.
var errViolation = errors.New("fakebroker: protocol violation")

// Conn is one connection, seen from the broker. Its methods but Close, Reset, Release and the sending ones belong to the test's goroutine.
type Conn struct {
	// Immutable.
	b      *Broker
	index  int
	raw    net.Conn
	served bool // a Behavior reads, not a script

	// Owned by the reader: the test's goroutine, or serve's.
	unread   []byte
	readCut  int // bytes that may still be read; negative: no cut
	greeted  bool
	goodbye  bool // DISCONNECT was received
	readFail error

	// Owned by whoever holds the token. Not a mutex: in a synctest bubble the clock stands still while somebody waits for one.
	token    chan struct{}
	writeCut int // bytes that may still be written; negative: no cut

	// Shared: b.mu.
	inUse map[uint16]packet.Type // identifiers the client waits for an answer to
	held  []uint16               // PUBACKs a Behavior holds back
}

func newConn(b *Broker, index int, raw net.Conn) *Conn {
	return &Conn{b: b, index: index, raw: raw, token: make(chan struct{}, 1), readCut: -1, writeCut: -1, inUse: map[uint16]packet.Type{}}
}

// Index returns the connection's number; the first is 0.
func (c *Conn) Index() int { return c.index }

// CutAfterRead reads n more bytes, counted from the last packet that was wanted, and closes the connection, be it in the middle of a packet. It
// returns the packets that were complete by then. For a script; a Behavior has a field for it.
func (c *Conn) CutAfterRead(n int) []Packet {
	c.b.t.Helper()
	c.scripted()
	c.unread = c.unread[:min(n, len(c.unread))] // what was read ahead goes with the cut
	c.readCut = n - len(c.unread)
	var packets []Packet
	for {
		p, err := c.receive()
		if errors.Is(err, errCut) {
			return packets
		}
		if err != nil {
			c.b.t.Fatalf("fakebroker: connection %d: %v; want %d bytes of which to cut it", c.index, err, n)
		}
		packets = append(packets, p)
	}
}

// CutAfterWrite lets the broker write n more bytes and close then. The client reads all n. (On TCP only if the broker has read all that the client
// sent: a socket closed with bytes unread is reset.)
func (c *Conn) CutAfterWrite(n int) {
	c.token <- struct{}{}
	defer func() { <-c.token }()
	c.writeCut = n
	if n == 0 {
		_ = c.raw.Close()
	}
}

// next reads a packet, checks and records it. An error is final.
func (c *Conn) next() (Packet, error) {
	if c.readFail != nil {
		return Packet{}, c.readFail
	}
	raw, err := c.fetch()
	if err != nil {
		c.readFail = err
		return Packet{}, err
	}
	p, err := parsePacket(c.index, raw)
	if err == nil {
		err = c.check(p)
	}
	if err != nil {
		c.b.t.Errorf("fakebroker: client broke MQTT on connection %d: %v", c.index, err)
		_ = c.raw.Close()
		c.readFail = fmt.Errorf("%w: %w", errViolation, err)
		return Packet{}, c.readFail
	}
	c.b.record(p)
	return p, nil
}

// fetch reads until unread begins with a whole packet, and takes it off. The packet's bytes stay as they are: unread only ever moves on.
func (c *Conn) fetch() ([]byte, error) {
	chunk := make([]byte, 4096)
	for {
		size, err := packet.Size(c.unread, maxPacket)
		if err != nil {
			c.b.t.Errorf("fakebroker: client broke MQTT on connection %d: %v", c.index, err)
			_ = c.raw.Close()
			return nil, fmt.Errorf("%w: %w", errViolation, err)
		}
		if size > 0 && len(c.unread) >= size {
			raw := c.unread[:size]
			c.unread = c.unread[size:]
			return raw, nil
		}
		if c.readCut == 0 {
			_ = c.raw.Close()
			return nil, errCut
		}
		room := chunk
		if c.readCut > 0 {
			room = chunk[:min(len(chunk), c.readCut)]
		}
		n, err := c.raw.Read(room)
		c.unread = append(c.unread, room[:n]...)
		if c.readCut > 0 {
			c.readCut -= n
		}
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// check applies the rules that hold for every client.
func (c *Conn) check(p Packet) error {
	switch {
	case c.goodbye:
		return fmt.Errorf("%v after DISCONNECT [MQTT-3.14.4-2]", p)
	case p.Type == packet.CONNECT && c.greeted:
		return errors.New("a second CONNECT [MQTT-3.1.0-2]")
	case p.Type != packet.CONNECT && !c.greeted:
		return fmt.Errorf("%v before CONNECT [MQTT-3.1.0-1]", p)
	}
	c.greeted = true
	c.goodbye = p.Type == packet.DISCONNECT
	if p.ID == 0 || p.Type == packet.PUBACK {
		return nil
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if by, ok := c.inUse[p.ID]; ok && (by != packet.PUBLISH || !p.Publish.Dup) {
		return fmt.Errorf("%v while a %v waits under this identifier [MQTT-2.3.1-2]", p, by)
	}
	c.inUse[p.ID] = p.Type
	return nil
}

// free notes that the client may use an identifier again: the answer to a packet of type typ is about to be sent. An answer that fits nothing
// frees nothing.
func (c *Conn) free(id uint16, typ packet.Type) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.inUse[id] == typ {
		delete(c.inUse, id)
	}
}

// receive is next for a script, which does not wait for ever.
func (c *Conn) receive() (Packet, error) {
	_ = c.raw.SetReadDeadline(time.Now().Add(c.b.config.Patience))
	return c.next()
}

// write sends bytes, up to a cut, and does not wait for ever either.
func (c *Conn) write(p []byte) error {
	c.token <- struct{}{}
	defer func() { <-c.token }()
	if len(p) == 0 {
		return nil
	}
	cut := c.writeCut >= 0 && len(p) >= c.writeCut
	if cut {
		p = p[:c.writeCut]
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.b.config.Patience))
	n, err := c.raw.Write(p)
	if c.writeCut > 0 {
		c.writeCut -= n
	}
	if cut && err == nil {
		_ = c.raw.Close()
		return errCut
	}
	return err
}

// Close closes the connection. In memory the client reads what was sent, and then io.EOF.
func (c *Conn) Close() { _ = c.raw.Close() }

// Reset ends the connection like a host that crashed: the client sees ECONNRESET, and loses what it has not read.
func (c *Conn) Reset() {
	switch raw := c.raw.(type) {
	case *net.TCPConn:
		_ = raw.SetLinger(0)
		_ = raw.Close()
	case *PipeConn:
		_ = raw.Reset()
	}
}
