package mqttcore

import (
	"context"
	"sync"
	"time"
)

// Client is one MQTT session: it keeps a connection to a broker, and what is
// on its way, over any number of connections. All its methods may be called
// from any goroutine.
//
// Run's goroutine reads. Another writes and watches the deadlines; it is there
// only while there is something to write, and a little longer. A third runs the
// handlers, while there are messages. All of them, and the callers of methods,
// meet at one mutex, which is held for steps of the engine only: never during
// I/O, never during a hook or a handler.
type Client struct {
	// Immutable.
	deliverFn func() // c.deliver, made once

	// Shared: mu.
	mu     sync.Mutex
	change sync.Cond // of mu: whoever waits, waits for a change of something below
	cfg    Config    // the session part changes between Runs
	engine engine
	inbox  inbox
	routes []route // copied on change

	link  *link       // nil: no connection
	timer *time.Timer // calls alarm
	armed time.Time   // when it fires; zero: it does not
	waits int32       // blocking calls
	runs  uint32      // calls of Run so far

	running    bool // Run has not returned
	ending     bool // and is about to, or shall
	serving    bool // the writer is there
	asleep     bool // and waits
	writing    bool // somebody has the right to write to the socket
	calling    bool // somebody runs the hooks
	delivering bool // a goroutine runs the handlers
	paused     bool // the reader waits for room in the inbox

	cancelDial context.CancelFunc // nil: no dial is under way
}

// New returns a client that does nothing yet: see [Client.Run]. It fails if
// the configuration does, with all its faults at once.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg}
	c.change.L = &c.mu
	c.engine.begin(&c.cfg)
	c.deliverFn = c.deliver
	return c, nil
}

// PublishAsync accepts a message and returns at once; OnPublished reports the
// token when it is done. Topic and payload are copied.
//
// An error means that nothing was accepted: [ErrInvalid], [ErrQueueFull],
// [ErrClosed], or, with QoS 0, [ErrNotConnected]. QoS 1 messages are accepted
// without a connection, and between two calls of Run.
func (c *Client) PublishAsync(m Message, token uint64) error {
	c.mu.Lock()
	err := c.engine.publish(time.Now(), &m, token, nil)
	c.leave()
	return err
}

// Withdraw takes a message back that PublishAsync accepted with QoS 1 under
// this token. True means that it will not be sent any more and that no
// completion follows. False means that it was sent on the present connection,
// or that there is none such: it stays as it is, and its completion comes or
// has come.
//
// A message that was sent on an earlier connection can be withdrawn while its
// turn on this one has not come. The broker may have it nevertheless.
func (c *Client) Withdraw(token uint64) bool {
	c.mu.Lock()
	defer c.leave()
	return c.engine.withdraw(token)
}

// Publish publishes and waits: for the broker's acknowledgement, or, with QoS
// 0, until the message is written to the socket. It may be called in a
// handler.
//
// Errors are those of PublishAsync; [ErrNotSent] and [ErrFateUnknown] as in a
// [Completion]; and [ErrNotSent] or [ErrPending], together with the context's
// error, if the context ends first. A message that was not sent then is
// withdrawn; one that was is sent on until it is acknowledged. When Run
// returns, a waiting call returns [ErrPending] with [ErrStopping].
func (c *Client) Publish(ctx context.Context, m Message) error {
	_, err := c.await(ctx, func(now time.Time, w *waiter) error {
		return c.engine.publish(now, &m, 0, w)
	})
	return err
}

// SubscribeAsync asks for the messages that match a filter, with QoS 0 or 1 at
// most, and returns at once; OnSubscribed reports the token with the broker's
// answer. The filter is copied.
//
// A request waits for a connection if there is none. A granted subscription
// lasts until Unsubscribe: when the broker has lost the session, the client
// makes it again, once. Errors: [ErrInvalid], [ErrQueueFull], [ErrClosed].
func (c *Client) SubscribeAsync(filter []byte, qos byte, token uint64) error {
	c.mu.Lock()
	err := c.engine.request(time.Now(), itemSubscribe, filter, qos, token, nil)
	c.leave()
	return err
}

// Subscribe routes a filter to a handler as Handle does, subscribes to it, and
// waits for the broker's answer, which may be a lower QoS. The handler is in
// place before a message can come, and is taken away if the broker refuses. A
// nil handler leaves routing alone.
//
// Errors are those of SubscribeAsync, [ErrSubscriptionRefused], and those of
// Publish for a wait that ended early.
func (c *Client) Subscribe(ctx context.Context, filter string, qos byte, h Handler) (granted byte, err error) {
	if h != nil {
		if err := c.Handle(filter, h); err != nil {
			return 0, err
		}
	}
	granted, err = c.await(ctx, func(now time.Time, w *waiter) error {
		return c.engine.request(now, itemSubscribe, []byte(filter), qos, 0, w)
	})
	if h != nil && unsubscribed(err) {
		c.unroute(filter)
	}
	return granted, err
}

// UnsubscribeAsync ends a subscription and returns at once; OnSubscribed
// reports the token when the broker has answered. From here on the
// subscription is not made again in a new session.
// Errors are those of SubscribeAsync.
func (c *Client) UnsubscribeAsync(filter []byte, token uint64) error {
	c.mu.Lock()
	err := c.engine.request(time.Now(), itemUnsubscribe, filter, 0, token, nil)
	c.leave()
	return err
}

// Unsubscribe ends a subscription, waits for the broker's answer, and takes
// the filter's handler away. Errors are those of Subscribe.
func (c *Client) Unsubscribe(ctx context.Context, filter string) error {
	_, err := c.await(ctx, func(now time.Time, w *waiter) error {
		return c.engine.request(now, itemUnsubscribe, []byte(filter), 0, 0, w)
	})
	if err == nil {
		c.unroute(filter)
	}
	return err
}

// Ack tells that the application has taken responsibility for a delivery: the
// broker gets its PUBACK, after those of all earlier deliveries. It is for
// ManualAck, may be called in the handler or at any time later, and ignores
// the ID of an earlier connection, whose message the broker delivers again.
func (c *Client) Ack(id uint64) {
	c.mu.Lock()
	c.engine.release(id)
	c.leave()
}

// Reconfigure sets what the next call of Run connects with. Messages that are
// not acknowledged stay; for another client identifier they are messages that
// the broker's session does not know, see [SessionLostPolicy]. Subscriptions
// stay too, unless the identifier changes or CleanSession is set.
//
// It fails with [ErrRunning] during Run, with [ErrClosed], or if the session
// is not valid.
func (c *Client) Reconfigure(s Session) error {
	s, err := s.withDefaults()
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.running || c.engine.closed {
		defer c.mu.Unlock()
		return either(c.engine.closed, ErrClosed, ErrRunning)
	}
	c.engine.reconfigure(time.Now(), s)
	c.leave()
	c.callHooks()
	return nil
}

// Close ends the client for good, as if the process had died: Run returns
// without DISCONNECT, so that the broker publishes the will, and everything
// that is pending is completed with [ErrNotSent] or [ErrFateUnknown]. It does
// not wait for Run. To leave in an orderly way, call Disconnect first.
func (c *Client) Close() {
	c.mu.Lock()
	if c.running {
		c.engine.closed = true // refuses all that is new; Run does the rest
		c.mu.Unlock()
		c.halt(nil)
		return
	}
	c.engine.close(time.Now())
	c.leave()
	c.callHooks()
}

// leave ends a visit to the engine: it ends the waits that are over, wakes the
// writer if there is something to write or an earlier deadline, and unlocks mu.
func (c *Client) leave() {
	c.settle()
	if (c.asleep || !c.serving) && (c.engine.due() || c.early()) {
		c.stir()
	}
	c.mu.Unlock()
}

// early reports whether the engine's deadline is before the timer's.
func (c *Client) early() bool {
	d := c.engine.deadline()
	return !d.IsZero() && (c.armed.IsZero() || d.Before(c.armed))
}

// callHooks reports events to the hooks, one at a time and in their order. If
// another goroutine is at it already, that one reports these too: so hooks are
// never called at once, and a hook may cause events.
func (c *Client) callHooks() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calling {
		return
	}
	c.calling = true
	for it := c.engine.nextEvent(); it != nil; it = c.engine.nextEvent() {
		c.mu.Unlock()
		c.callHook(it)
		recycle(it)
		c.mu.Lock()
	}
	c.calling = false
}

// callHook reports one event.
func (c *Client) callHook(it *item) {
	switch {
	case it.kind == itemState:
		if c.cfg.OnState != nil {
			c.cfg.OnState(*it.state)
		}
	case it.kind == itemPublish:
		if c.cfg.OnPublished != nil {
			c.cfg.OnPublished(it.completion())
		}
	case c.cfg.OnSubscribed != nil && (!it.again || it.err != nil):
		c.cfg.OnSubscribed(it.answer())
	}
}

// answer returns what a finished request reports.
func (it *item) answer() SubCompletion {
	return SubCompletion{Token: it.token, Granted: it.granted, Err: it.err, Again: it.again}
}

// completion returns what a finished publish reports.
func (it *item) completion() Completion {
	c := Completion{
		Token: it.token, QoS: it.qos, Err: it.err,
		Redelivered: max(0, it.sends-1), Republished: it.republished,
		Total: it.done.Sub(it.accepted),
	}
	if !it.wired.IsZero() {
		c.Queued = it.wired.Sub(it.accepted)
		if it.qos > 0 && it.err == nil {
			c.Acked = it.done.Sub(it.wired)
		}
	}
	return c
}
