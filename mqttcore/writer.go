package mqttcore

import (
	"fmt"
	"time"
)

// write writes what is due, as much as fits into one buffer, in one go. An
// error has killed the connection.
//
// Whoever has the right to write does it for all: Run, and Disconnect, which
// must not wait for Run, since a hook that Run calls may have called it. For
// the same reason nobody calls a hook while it has that right.
func (c *Client) write(l *link) error {
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	c.mu.Lock()
	if l.dead {
		defer c.mu.Unlock()
		return l.err
	}
	size := smallBuffer
	if c.engine.out.bytes > smallBuffer {
		size = largeBuffer
	}
	buf := getBuffer(size)
	defer putBuffer(buf)
	out := c.engine.take(buf[:0])
	c.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	if err := c.send(l, out); err != nil {
		err = fmt.Errorf("%w: %w", ErrConnectionLost, err)
		c.kill(l, err)
		return err
	}
	c.mu.Lock()
	c.engine.wrote(time.Now())
	l.parted = c.engine.phase == closing
	c.leave()
	return nil
}

// send writes p. The socket has WriteTimeout for each 64 KiB, so that a large
// message on a slow link is no fault while it moves.
func (c *Client) send(l *link, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), largeBuffer)
		if err := l.conn.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout)); err != nil {
			return err
		}
		if _, err := l.conn.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
