package mqttcore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Engine is the session of a [Client] as a plain value, for those who bring
// their own socket and clock: an event loop, a simulation. Bytes, requests and
// the time go in; bytes, events and the next deadline come out. It has no
// goroutine, lock, clock or log, and is used by one goroutine at a time.
//
// Its user drives it like this:
//
//   - When a socket is connected, Open.
//   - Whenever Due says so, Take gives bytes for the socket. When it has taken
//     all of them, Wrote, and not before that Take again.
//   - What comes from the socket goes to Receive, cut in whatever way.
//   - At the time that Deadline says, Tick.
//   - When the socket could not be connected, fails or ends, when Receive or
//     Tick return an error, and when Parted says so, the user closes it and calls
//     Lost, which says how long to wait before the next one.
//   - After all of these, and after requests, Next gives the events, one after
//     the other, until there is none.
//
// Publish and the other requests may come at any time, with or without a
// connection. They promise what those of Client do. There are no handlers: each
// message is an event, and is acknowledged by Ack and nothing else.
type Engine struct {
	cfg     Config
	core    engine
	in      readBuffer
	backoff backoff
	since   time.Time // of CONNACK; zero before and without a connection
	fault   error     // what Receive or Tick found on this connection
	parted  bool      // DISCONNECT is written

	given      *item // the last event, whose memory is still in use
	completion Completion
	answer     SubCompletion
	delivery   Delivery
}

// Event is what an [Engine] reports. One of the fields is set. What it points to
// is valid until the next call of Next.
type Event struct {
	State      *State         // the connection changed
	Published  *Completion    // what Publish accepted is done; exactly once for each
	Subscribed *SubCompletion // what Subscribe or Unsubscribe accepted is done
	Delivery   *Delivery      // a message from the broker
}

// NewEngine returns an engine without a connection, or all faults of the
// configuration. Of this the engine does not need Dial, WriteTimeout, ManualAck,
// the bounds of the inbox and the hooks; ConnectTimeout is for CONNACK only.
func NewEngine(cfg Config) (*Engine, error) {
	cfg.Dial = noDialer
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg}
	e.core.begin(&e.cfg)
	e.renewBackoff()
	return e, nil
}

// noDialer takes the place of Config.Dial, which an Engine never calls.
func noDialer(context.Context) (net.Conn, error) {
	return nil, errors.New("mqttcore: an Engine does not dial")
}

func (e *Engine) renewBackoff() {
	e.backoff = backoff{min: e.cfg.BackoffMin, max: e.cfg.BackoffMax}
}

// Open begins a connection: CONNECT is due. It fails if Config.Password does,
// and counts as an attempt that failed when Lost is called then.
func (e *Engine) Open() error {
	connect, err := e.cfg.connectPacket()
	if err != nil {
		e.fault = err
		return err
	}
	e.core.open(connect)
	return nil
}

// Due reports whether Take would give something.
func (e *Engine) Due() bool { return e.core.due() }

// Take appends packets to dst, as many as fit into its capacity; one that is
// larger comes alone. CONNECT comes in a buffer of its own, whatever dst is.
func (e *Engine) Take(dst []byte) []byte { return e.core.take(dst) }

// Wrote tells that the socket has taken all of the last Take.
func (e *Engine) Wrote(now time.Time) {
	e.core.wrote(now)
	e.parted = e.core.phase == closing
}

// Parted reports whether DISCONNECT is written. The connection ends then: the
// user closes it, its own direction first, since closing a socket with unread
// bytes in it may overtake the DISCONNECT.
func (e *Engine) Parted() bool { return e.parted }

// Receive takes bytes from the socket. An error says that the broker has refused
// the connection or broken MQTT: it is a [RefusedError] or wraps [ErrProtocol].
func (e *Engine) Receive(now time.Time, p []byte) error {
	e.core.heard(now)
	for len(p) > 0 && e.fault == nil {
		n := copy(e.in.space(), p)
		e.in.filled(n)
		p = p[n:]
		e.fault = e.packets(now)
		e.in.rest(n)
	}
	return e.fault
}

// packets hands on the whole packets among what was received.
func (e *Engine) packets(now time.Time) error {
	for {
		p, err := e.in.next(e.cfg.MaxPacket)
		if err != nil && e.core.phase != closing {
			return malformed(err)
		}
		if p == nil {
			return nil
		}
		waited := e.core.phase == connecting
		m, err := e.core.receive(now, p)
		if err != nil {
			return err
		}
		if m.ok {
			e.core.events.pushBack(m.item(now))
		}
		if waited && e.core.phase == online {
			e.since = now
		}
	}
}

// Deadline returns when to call Tick next; zero: not until something else has
// been called.
func (e *Engine) Deadline() time.Time { return e.core.deadline() }

// Tick does what is due at now. An error says that the broker is silent: it is
// [ErrConnackTimeout] or [ErrPingTimeout].
func (e *Engine) Tick(now time.Time) error {
	if err := e.core.tick(now); err != nil {
		e.fault = err
	}
	return e.fault
}

// Lost ends a connection, or an attempt to make one, and returns the time to wait
// before the next. Cause is what the socket says, io.EOF if its other end has
// closed it; it does not matter if Open, Receive or Tick have returned an error.
func (e *Engine) Lost(now time.Time, cause error) (wait time.Duration) {
	switch {
	case e.parted:
		cause = nil
	case e.fault != nil:
		cause = e.fault
	case cause == nil:
		cause = ErrConnectionLost
	default:
		cause = fmt.Errorf("%w: %w", ErrConnectionLost, cause)
	}
	up := time.Duration(0)
	if !e.since.IsZero() {
		up = max(1, now.Sub(e.since))
	}
	last := e.core.finishing || e.core.phase == closing
	e.core.lost(now)
	e.in.replace(nil)
	e.in.r, e.in.w = 0, 0
	e.since, e.fault, e.parted = time.Time{}, nil, false
	return e.core.ended(&e.backoff, up, cause, last)
}

// Next returns the next event, in the order of what happened.
func (e *Engine) Next() (Event, bool) {
	if e.given != nil {
		recycle(e.given)
	}
	it := e.core.nextEvent()
	e.given = it
	if it == nil {
		return Event{}, false
	}
	switch it.kind {
	case itemState:
		return Event{State: it.state}, true
	case itemInbound:
		e.delivery = it.delivery()
		return Event{Delivery: &e.delivery}, true
	case itemPublish:
		e.completion = it.completion()
		return Event{Published: &e.completion}, true
	default:
		e.answer = it.answer()
		return Event{Subscribed: &e.answer}, true
	}
}

// Publish accepts a message, like [Client.PublishAsync].
func (e *Engine) Publish(now time.Time, m Message, token uint64) error {
	return e.core.publish(now, &m, token, nil)
}

// Withdraw takes a message back, like [Client.Withdraw].
func (e *Engine) Withdraw(token uint64) bool { return e.core.withdraw(token) }

// Subscribe asks for messages, like [Client.SubscribeAsync].
func (e *Engine) Subscribe(now time.Time, filter []byte, qos byte, token uint64) error {
	return e.core.request(now, itemSubscribe, filter, qos, token, nil)
}

// Unsubscribe ends a subscription, like [Client.UnsubscribeAsync].
func (e *Engine) Unsubscribe(now time.Time, filter []byte, token uint64) error {
	return e.core.request(now, itemUnsubscribe, filter, 0, token, nil)
}

// Ack acknowledges a delivery, like [Client.Ack].
func (e *Engine) Ack(id uint64) { e.core.release(id) }

// Disconnect asks for an orderly end, like [Client.Disconnect]: what the window
// lets out is sent, then DISCONNECT. It reports false if no connection stands,
// so that there is nobody to say it to.
func (e *Engine) Disconnect() bool { return e.core.disconnect() }

// Reconfigure sets what the next Open connects with, like [Client.Reconfigure].
// It is for the time between Lost and Open.
func (e *Engine) Reconfigure(now time.Time, s Session) error {
	s, err := s.withDefaults()
	switch {
	case err != nil:
		return err
	case e.core.closed:
		return ErrClosed
	case e.core.phase != offline:
		return ErrRunning
	}
	e.core.reconfigure(now, s)
	e.renewBackoff()
	return nil
}

// Close completes everything that is pending, for good, like [Client.Close]. It
// is for the time after Lost.
func (e *Engine) Close(now time.Time) { e.core.close(now) }

// Stats returns a snapshot. Its Inbox is always 0.
func (e *Engine) Stats() Stats { return e.core.stats() }
