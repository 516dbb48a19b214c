package mqttcore

import (
	"net"
	"sync"
	"time"
)

// link is one connection. Two goroutines serve it: Run's own, which writes and
// watches the time, and one that reads.
type link struct {
	// Immutable.
	conn   net.Conn
	reader sync.WaitGroup

	// Shared: Client.mu.
	since  time.Time // of CONNACK; zero before
	parted bool      // DISCONNECT is written: what happens now is no fault
	dead   bool
	err    error // why
}

// serve writes what is due and watches the deadlines of a connection, until it
// is dead. It is all that Run does while all is well.
func (c *Client) serve(l *link) {
	for {
		now := time.Now()
		c.mu.Lock()
		c.asleep = false
		if l.dead {
			c.mu.Unlock()
			return
		}
		err := c.engine.tick(now)
		due := c.engine.due()
		if err == nil && !due {
			c.asleep = true
			c.arm(c.engine.deadline())
		}
		c.mu.Unlock()
		switch {
		case err != nil:
			c.kill(l, err)
		case due:
			_ = c.write(l) // an error has killed the link, and is its reason
			c.callHooks()
		default:
			<-c.wake
		}
	}
}

// kill ends a connection, the first time for the reason given.
func (c *Client) kill(l *link, cause error) {
	c.mu.Lock()
	if l.dead {
		c.mu.Unlock()
		return
	}
	l.dead = true
	if !l.parted {
		l.err = cause
	}
	c.room.Broadcast()
	c.mu.Unlock()
	_ = l.conn.Close() // there is nothing to do about it
	c.signal()
}
