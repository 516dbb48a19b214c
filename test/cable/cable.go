// Package cable is the serial line of a test: a pty whose one end umqttd opens by a path that stays the same, and whose other end the test has.
//
//	line := cable.New(t)                      // plugged in; line.Path() goes into the configuration
//	b := cable.NewBoard(t, line, board.Config{ClientID: "m5"})
//	line.Disturb(cable.Noise{Drop: 1e-3}, cable.Noise{Flip: 1e-3})
//	line.Unplug()
//	line.Plug()                               // another pty, the same path
//
// A board that is a program of its own, on an emulated machine or in another language, opens a pty too. A Splice is the wire between the two:
//
//	s := cable.NewSplice(t, line)             // s.BoardPath() is for the board
//	s.Disturb(cable.Noise{Frame: 0.05}, cable.Noise{Frame: 0.05})
//	s.Pace(115200)
//	s.Buffer(256)                             // what a board does not read in time is lost
//
// As on a UART nobody waits: what the board sends while nobody reads is lost.
package cable

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
)

// lost is how long a byte may wait for the gateway before it is lost.
const lost = 100 * time.Millisecond

// Cable is a line between umqttd and a board. Path, Plug, Unplug and Disturb belong to the test's goroutine; one goroutine at a time may Write.
type Cable struct {
	t    testing.TB
	path string
	in   chan []byte   // from the gateway
	done chan struct{} // closed when the test is over

	mu       sync.Mutex
	master   *os.File // nil: unplugged
	slave    *os.File // kept open: a master without a slave reads EIO
	reader   chan struct{}
	stalled  bool
	up, down disturbance
}

// New returns a cable that is plugged in.
func New(t testing.TB) *Cable {
	t.Helper()
	c := &Cable{t: t, path: filepath.Join(t.TempDir(), "board"), in: make(chan []byte), done: make(chan struct{})}
	c.Plug()
	t.Cleanup(func() {
		close(c.done)
		if c.master != nil {
			c.Unplug()
		}
	})
	return c
}

// Path returns where umqttd finds the line.
func (c *Cable) Path() string { return c.path }

// Plug makes a new pty and the link to it.
func (c *Cable) Plug() {
	c.t.Helper()
	master, slave, err := OpenPTY()
	if err != nil {
		c.t.Fatalf("cable: %v", err)
	}
	reader := make(chan struct{})
	c.mu.Lock()
	c.master, c.slave, c.reader, c.stalled = master, slave, reader, false
	c.mu.Unlock()
	go func() {
		defer close(reader)
		c.read(master)
	}()
	if err := os.Symlink(slave.Name(), c.path); err != nil {
		c.t.Fatalf("cable: %v", err)
	}
}

// Unplug takes the pty and the link to it away.
func (c *Cable) Unplug() {
	c.t.Helper()
	if err := os.Remove(c.path); err != nil {
		c.t.Errorf("cable: %v", err)
	}
	c.mu.Lock()
	master, slave := c.master, c.slave
	c.master, c.slave = nil, nil
	c.mu.Unlock()
	_ = master.Close()
	_ = slave.Close()
	<-c.reader
}

// read hands on what the gateway writes, until the cable is unplugged.
func (c *Cable) read(master *os.File) {
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		chunk := c.down.pass(buf[:n])
		stop := c.master != master || c.stalled
		c.mu.Unlock()
		if stop {
			return
		}
		select {
		case c.in <- chunk:
		case <-c.done:
			return
		}
	}
}

// In is what arrives from the gateway, faults included.
func (c *Cable) In() <-chan []byte { return c.in }

func (c *Cable) datagram() bool { return false }

// Send sends a frame.
func (c *Cable) Send(body []byte) { c.Write(serialproto.AppendFrame(nil, body)) }

// Write sends bytes to the gateway. They are lost if the cable is unplugged or nobody reads.
func (c *Cable) Write(p []byte) {
	c.mu.Lock()
	master := c.master
	p = c.up.pass(p)
	c.mu.Unlock()
	if master == nil || len(p) == 0 {
		return
	}
	_ = master.SetWriteDeadline(time.Now().Add(lost))
	_, err := master.Write(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
		c.t.Errorf("cable: %v", err)
	}
}

// Stall makes the board stop reading until the cable is plugged in anew: what the gateway writes fills the pty, and then stays with the gateway.
func (c *Cable) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// Disturb says what happens to bytes from now on, towards the gateway and towards the board.
func (c *Cable) Disturb(up, down Noise) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up.Noise, c.down.Noise = up, down
}

// Faults returns how many bytes were dropped, altered or invented so far, in both directions.
func (c *Cable) Faults() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up.faults + c.down.faults
}
