package mqttcore

import (
	"context"
	"fmt"
	"time"
)

// waiter is a blocking call. The engine carries it and never looks into it.
type waiter struct {
	result chan outcome // holds one
}

// outcome is what a blocking call returns.
type outcome struct {
	granted byte
	err     error
}

func newWaiter() *waiter { return &waiter{make(chan outcome, 1)} }

// tell ends the wait. Whoever takes the waiter off its item calls it, once.
func (w *waiter) tell(granted byte, err error) { w.result <- outcome{granted, err} }

// await waits for the end of what accept gives to the engine, until ctx is
// done or Run is about to return.
func (c *Client) await(ctx context.Context, accept func(now time.Time, w *waiter) error) (byte, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w := newWaiter()
	c.mu.Lock()
	if c.ending {
		c.mu.Unlock()
		return 0, ErrStopping
	}
	if err := accept(time.Now(), w); err != nil {
		c.mu.Unlock()
		return 0, err
	}
	c.waits++
	if c.paused {
		c.change.Broadcast() // the reader may have to read on: see inbox
	}
	c.leave()

	var o outcome
	select {
	case o = <-w.result:
	case <-ctx.Done():
		o = c.abandon(ctx, w)
	}
	c.mu.Lock()
	c.waits--
	c.mu.Unlock()
	return o.granted, o.err
}

// abandon ends the wait of a call whose context is done.
func (c *Client) abandon(ctx context.Context, w *waiter) outcome {
	c.mu.Lock()
	err := c.engine.abandon(w)
	c.mu.Unlock()
	if err == nil {
		return <-w.result
	}
	return outcome{err: fmt.Errorf("%w: %w", err, context.Cause(ctx))}
}

// settle ends the calls that wait for finished items. The caller holds mu.
func (c *Client) settle() {
	for it := c.engine.settled.pop(); it != nil; it = c.engine.settled.pop() {
		if it.waiter != nil {
			it.waiter.tell(it.granted, it.err)
		}
		recycle(it)
	}
}

// abandonWaits ends every blocking call. The caller holds mu.
func (c *Client) abandonWaits(cause error) {
	err := fmt.Errorf("%w: %w", ErrPending, cause)
	c.engine.abandonAll(func(w *waiter) { w.tell(0, err) })
}
