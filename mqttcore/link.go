package mqttcore

import (
	"net"
	"time"
)

// link is one connection.
type link struct {
	conn net.Conn // immutable

	// Shared: Client.mu.
	since  time.Time // of CONNACK; zero before
	parted bool      // DISCONNECT is written: what happens now is no fault
	dead   bool
	err    error // why
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
	c.change.Broadcast()
	c.mu.Unlock()
	_ = l.conn.Close() // there is nothing to do about it
}

// arm sets the timer to fire at the given time at the latest. A timer that
// fires too early costs one look; moving it to later with every message would
// cost more. The caller holds mu.
func (c *Client) arm(at time.Time) {
	if at.IsZero() || !c.armed.IsZero() && !at.Before(c.armed) {
		return
	}
	c.armed = at
	c.timer.Reset(time.Until(at))
}

// alarm runs when the timer fires.
func (c *Client) alarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = time.Time{}
	c.stir()
	c.change.Broadcast()
}
