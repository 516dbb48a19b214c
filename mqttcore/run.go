package mqttcore

import (
	"context"
	"time"
)

// Run keeps the session connected until ctx is done, or Disconnect or Close is
// called. It returns nil after Disconnect, [ErrClosed] after Close, and
// otherwise the context's cause: the connection is then cut without
// DISCONNECT, so that the broker publishes the will.
//
// No fault of a connection ends it: it reports to OnState and tries again.
// When it returns, no goroutine of the client is left and no hook or handler
// runs; it waits for the handler that does. Messages that are not acknowledged
// stay for the next Run, which may be of another [Session].
//
// It fails with [ErrRunning] if the client runs already.
func (c *Client) Run(ctx context.Context) error {
	run, err := c.begin()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.haltRun(run) })
	b := backoff{min: c.cfg.BackoffMin, max: c.cfg.BackoffMax}
	for !c.shallEnd() {
		up, err := c.connection(ctx)
		if ctx.Err() != nil {
			c.haltRun(run) // it is about to come
		}
		c.pause(&b, up, err)
	}
	stop()
	c.end()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.isClosed():
		return ErrClosed
	default:
		return nil
	}
}

// begin marks the client as running and returns the number of the run.
func (c *Client) begin() (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.engine.closed:
		return 0, ErrClosed
	case c.running:
		return 0, ErrRunning
	}
	c.running, c.ending = true, false
	c.runs++
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Hour, c.alarm)
		c.timer.Stop()
	}
	return c.runs, nil
}

// end leaves the client as New did, but for what waits to be sent.
func (c *Client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.armed = time.Time{}
	c.abandonWaits(ErrStopping)
	for c.delivering {
		c.change.Wait()
	}
	// A QoS 1 message in the inbox has not been acknowledged: the broker keeps
	// it. A QoS 0 message is gone.
	c.inbox.drop(func(it *item) bool {
		if it.qos == 0 {
			c.engine.count.InboxDropped++
		}
		return true
	})
	for {
		if c.engine.closed {
			c.engine.close(time.Now())
		}
		c.settle()
		if c.engine.events.n == 0 {
			break
		}
		c.mu.Unlock()
		c.callHooks()
		c.mu.Lock()
	}
	c.running, c.ending = false, false
}

func (c *Client) shallEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.closed
}

// connection makes one connection, keeps it until it ends, and returns how
// long it stood, 0 if it never did, and why it ended.
func (c *Client) connection(ctx context.Context) (time.Duration, error) {
	l, err := c.dial(ctx)
	if err != nil {
		return 0, err
	}
	c.read(l)
	c.mu.Lock()
	for c.serving || c.writing {
		c.change.Wait() // for the writer, or a Disconnect that is in the middle of it
	}
	now := time.Now()
	c.engine.lost(now)
	c.link = nil
	c.leave()
	c.callHooks()
	if l.since.IsZero() {
		return 0, l.err
	}
	return max(1, now.Sub(l.since)), l.err
}

// pause reports why a connection ended and waits before the next.
func (c *Client) pause(b *backoff, up time.Duration, err error) {
	c.mu.Lock()
	until := time.Now().Add(c.engine.ended(b, up, err, c.ending))
	c.mu.Unlock()
	c.callHooks()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.ending && time.Now().Before(until) {
		c.arm(until)
		c.change.Wait()
	}
}
