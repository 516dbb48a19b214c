package fakebroker

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Pipe returns the two ends of a connection in memory. Unlike net.Pipe's it is buffered, like a socket's: a Write returns when its bytes are in the
// buffer, toB bytes in one direction and toA in the other, and blocks while that is full. Sizes below 1 count as 1.
//
// After Close of one end, the other reads what is in the buffer and then io.EOF, and its writes fail with EPIPE. Deadlines end a Read or Write
// and no more: the connection stays good.
func Pipe(toA, toB int) (a, b *PipeConn) {
	p := &pipe{}
	p.changed.L = &p.mu
	forward, back := &buffer{size: max(toB, 1)}, &buffer{size: max(toA, 1)}
	a = &PipeConn{pipe: p, in: back, out: forward, name: "a"}
	b = &PipeConn{pipe: p, in: forward, out: back, name: "b"}
	return a, b
}

// PipeConn is one end of a Pipe. It implements net.Conn.
type PipeConn struct {
	pipe *pipe
	name string

	// Shared: pipe.mu.
	in, out         *buffer
	closed          bool
	readDL, writeDL deadline
}

// pipe is what both ends share. One lock and one condition do for both: a test has two parties, not two thousand.
type pipe struct {
	mu      sync.Mutex
	changed sync.Cond
}

// buffer holds what is under way in one direction.
type buffer struct {
	data  []byte
	size  int
	ended bool // its writer has closed
	torn  bool // its reader has closed
	reset bool // either has reset
}

// deadline is a point in time that wakes whoever waits.
type deadline struct {
	at    time.Time // zero: none
	timer *time.Timer
}

func (d *deadline) expired() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// Read implements net.Conn.
func (c *PipeConn) Read(p []byte) (int, error) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.in.reset:
			return 0, syscall.ECONNRESET
		case c.readDL.expired():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(c.in.data) > 0:
			n := copy(p, c.in.data)
			c.in.data = append(c.in.data[:0], c.in.data[n:]...)
			c.pipe.changed.Broadcast()
			return n, nil
		case c.in.ended:
			return 0, io.EOF
		}
		c.pipe.changed.Wait()
	}
}

// Write implements net.Conn.
func (c *PipeConn) Write(p []byte) (int, error) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	for n := 0; ; {
		switch {
		case c.closed:
			return n, net.ErrClosed
		case c.out.reset:
			return n, syscall.ECONNRESET
		case c.out.torn:
			return n, syscall.EPIPE
		case c.writeDL.expired():
			return n, os.ErrDeadlineExceeded
		case len(p) == 0:
			return n, nil
		}
		if room := min(c.out.size-len(c.out.data), len(p)); room > 0 {
			c.out.data = append(c.out.data, p[:room]...)
			p, n = p[room:], n+room
			c.pipe.changed.Broadcast()
			continue
		}
		c.pipe.changed.Wait()
	}
}

// Close implements net.Conn. It frees a Read and a Write of this end at once.
func (c *PipeConn) Close() error { return c.close(false) }

// Reset closes like a host that crashed: the other end loses what is in the buffer and sees ECONNRESET.
func (c *PipeConn) Reset() error { return c.close(true) }

func (c *PipeConn) close(reset bool) error {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed, c.out.ended, c.in.torn = true, true, true
	c.in.reset, c.out.reset = c.in.reset || reset, c.out.reset || reset
	c.readDL.stop()
	c.writeDL.stop()
	c.pipe.changed.Broadcast()
	return nil
}

// Buffered returns how many bytes wait to be read from this end, and whether the other end has closed.
func (c *PipeConn) Buffered() (n int, ended bool) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	return len(c.in.data), c.in.ended
}

// SetDeadline implements net.Conn.
func (c *PipeConn) SetDeadline(t time.Time) error {
	c.setDeadline(&c.readDL, t)
	c.setDeadline(&c.writeDL, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *PipeConn) SetReadDeadline(t time.Time) error {
	c.setDeadline(&c.readDL, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *PipeConn) SetWriteDeadline(t time.Time) error {
	c.setDeadline(&c.writeDL, t)
	return nil
}

func (c *PipeConn) setDeadline(d *deadline, t time.Time) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	d.stop()
	if c.closed {
		return
	}
	d.at = t
	if !t.IsZero() {
		// Under the lock, so that a waiter cannot look at the clock before the time and go to sleep after the wake-up.
		d.timer = time.AfterFunc(time.Until(t), func() {
			c.pipe.mu.Lock()
			defer c.pipe.mu.Unlock()
			c.pipe.changed.Broadcast()
		})
	}
	c.pipe.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at, d.timer = time.Time{}, nil
}

// LocalAddr implements net.Conn.
func (c *PipeConn) LocalAddr() net.Addr { return pipeAddr(c.name) }

// RemoteAddr implements net.Conn.
func (c *PipeConn) RemoteAddr() net.Addr {
	return pipeAddr(map[string]string{"a": "b", "b": "a"}[c.name])
}

// pipeAddr names one end.
type pipeAddr string

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

// String implements net.Addr.
func (a pipeAddr) String() string { return "pipe:" + string(a) }
