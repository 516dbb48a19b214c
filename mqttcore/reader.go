package mqttcore

import (
	"fmt"
	"time"
)

// read takes what the broker sends until the connection ends.
func (c *Client) read(l *link) {
	var in readBuffer
	defer in.replace(nil)
	for {
		n, err := l.conn.Read(in.space())
		if n > 0 {
			in.filled(n)
			if err := c.receive(l, &in); err != nil {
				c.kill(l, err)
				return
			}
			in.rest(n)
		}
		if err != nil {
			c.kill(l, fmt.Errorf("%w: %w", ErrConnectionLost, err))
			return
		}
	}
}

// receive hands the whole packets of a buffer to the engine, and what comes of
// it to inbox and hooks.
func (c *Client) receive(l *link, in *readBuffer) error {
	now := time.Now()
	c.mu.Lock()
	c.engine.heard(now)
	err := c.receiveAll(l, in, now)
	c.leave()
	c.callHooks()
	return err
}

// receiveAll is receive under mu.
func (c *Client) receiveAll(l *link, in *readBuffer, now time.Time) error {
	for !l.dead {
		p, err := in.next(c.cfg.MaxPacket)
		if err != nil && c.engine.phase != closing {
			return malformed(err)
		}
		if p == nil {
			return nil
		}
		waited := c.engine.phase == connecting
		m, err := c.engine.receive(now, p)
		if err != nil {
			return err
		}
		if m.ok {
			now = c.accept(l, now, &m)
		}
		if waited && c.engine.phase == online {
			l.since = now
			c.connected()
		}
	}
	return nil
}

// connected follows CONNACK. The hook hears of it before handlers see what
// came behind it. Messages of the old connection that no handler has begun are
// left to the broker if it has the session: it delivers them again.
func (c *Client) connected() {
	if c.engine.sessionPresent {
		c.inbox.drop(func(it *item) bool { return it.qos == 1 })
	}
	c.leave()
	c.callHooks()
	c.mu.Lock()
}
