package mqttcore

import (
	"context"
	"time"
)

// goodbyeTimeout is how long the broker has to close a connection after
// DISCONNECT.
const goodbyeTimeout = time.Second

// haltRun makes the given call of Run return, if it has not.
func (c *Client) haltRun(run uint32) {
	c.mu.Lock()
	current := c.running && c.runs == run
	c.mu.Unlock()
	if current {
		c.halt(context.Canceled)
	}
}

// halt makes Run return soon, cutting the connection.
func (c *Client) halt(cause error) {
	c.mu.Lock()
	c.ending = true
	l, cancel := c.link, c.cancelDial
	parted := l != nil && l.parted // then it ends by itself, see goodbye
	c.change.Broadcast()
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if l != nil && !parted {
		c.kill(l, cause)
	}
}

// Disconnect ends Run in an orderly way: what the in-flight window lets out is
// sent, then DISCONNECT, and the broker discards the will. It returns when
// that is written, or with an error if it could not be, or ctx ends first; the
// connection is cut then. It does not wait for Run, nor for acknowledgements:
// what is not acknowledged stays for the next Run. It may be called in a hook
// or a handler.
//
// Without a connection there is nothing to say: Run returns, and Disconnect
// nil. A Run that has not begun is not ended by it; cancel its context.
func (c *Client) Disconnect(ctx context.Context) error {
	c.mu.Lock()
	l := c.link
	if !c.running || l == nil || l.dead || !c.engine.disconnect() {
		running := c.running
		c.mu.Unlock()
		if running {
			c.halt(nil)
		}
		return nil
	}
	c.ending = true
	c.change.Broadcast()
	c.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { c.kill(l, context.Cause(ctx)) })
	defer stop()
	err := c.writeAll(l)
	if err == nil {
		goodbye(l)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// writeAll writes until DISCONNECT was written, by us or by the writer.
func (c *Client) writeAll(l *link) error {
	for {
		if err := c.write(l); err != nil {
			return err
		}
		c.mu.Lock()
		parted, dead, err := l.parted, l.dead, l.err
		c.mu.Unlock()
		switch {
		case parted:
			return nil
		case dead:
			return err
		}
	}
}

// goodbye ends the connection after DISCONNECT. It closes our direction only
// and lets the reader see the broker close the other: closing a socket with
// unread bytes in it resets the connection, which may overtake the DISCONNECT,
// and the broker would publish the will. An error means that the broker was
// faster.
func goodbye(l *link) {
	_ = l.conn.SetReadDeadline(time.Now().Add(goodbyeTimeout))
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
