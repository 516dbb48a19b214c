package mqttcore

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// linger is how long a writer without work stays. It saves a busy session from
// making a goroutine for each message, and an idle one from having it.
const linger = 100 * time.Millisecond

// stir makes a writer look at the engine, and makes one if there is none. The
// caller holds mu.
func (c *Client) stir() {
	switch {
	case c.asleep:
		c.asleep = false
		c.change.Broadcast()
	case !c.serving && c.link != nil && !c.link.dead:
		c.serving = true
		go c.serve()
	}
}

// serve is the writer. It writes what is due and watches the deadlines, until
// the link is dead or there was nothing to write for a while.
func (c *Client) serve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.link
	var worked time.Time // when it last wrote; zero if it was called for nothing
	for !l.dead {
		now := time.Now()
		if err := c.engine.tick(now); err != nil {
			c.mu.Unlock()
			c.kill(l, err)
			c.mu.Lock()
			break
		}
		if c.engine.due() {
			c.mu.Unlock()
			_ = c.write(l) // an error has killed the link, and is its reason
			c.callHooks()
			worked = time.Now()
			c.mu.Lock()
			continue
		}
		c.arm(c.engine.deadline())
		if now.Sub(worked) >= linger {
			c.engine.acks.trim()
			break
		}
		c.arm(worked.Add(linger))
		for c.asleep = true; c.asleep && !l.dead; {
			c.change.Wait()
		}
		c.asleep = false
	}
	c.serving = false
	c.change.Broadcast()
}

// write writes what is due, as much as fits into one buffer, in one go. An
// error has killed the connection.
//
// Whoever has the right to write does it for all: the writer, and Disconnect,
// which must not wait for the writer, since a hook that this one calls may have
// called it. For the same reason nobody calls a hook while it has that right.
func (c *Client) write(l *link) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing {
		c.change.Wait()
	}
	if l.dead {
		return l.err
	}
	size := smallBuffer
	if c.engine.out.bytes > smallBuffer {
		size = largeBuffer
	}
	buf := getBuffer(size)
	defer putBuffer(buf)
	out := c.engine.take(buf[:0])
	if len(out) == 0 {
		return nil
	}
	c.writing = true
	c.mu.Unlock()
	err := c.send(l, out)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrConnectionLost, err)
		c.kill(l, err)
	}
	c.mu.Lock()
	c.writing = false
	c.change.Broadcast()
	if err == nil {
		c.engine.wrote(time.Now())
		if c.engine.phase == closing {
			l.parted, l.err = true, nil // the broker may have been faster than we
		}
		c.settle()
	}
	return err
}

// writeChunk is how much is written under one deadline: one TLS record.
const writeChunk = 16 << 10

// send writes p. The socket has WriteTimeout for each chunk, and again after
// any part of it: a large message on a slow link is no fault while it moves.
func (c *Client) send(l *link, p []byte) error {
	for len(p) > 0 {
		if err := l.conn.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout)); err != nil {
			return err
		}
		n, err := l.conn.Write(p[:min(len(p), writeChunk)])
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		p = p[n:]
	}
	return nil
}
