package mqttcore

import (
	"fmt"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// phase is where the engine stands in a connection's life.
type phase byte

const (
	offline    phase = iota
	connecting       // CONNECT is due or sent, CONNACK is not there
	online
	closing // DISCONNECT was taken: nothing may follow it [MQTT-3.14.4-2]
)

// engine is the MQTT session as a plain value. Packets, requests and the time
// go in; packets to write, finished items and the next deadline come out. It
// has no clock, no goroutine, no socket, no log and no lock: its user, the
// [Client], brings them.
//
// A connection is open, any number of take, wrote, heard, receive and tick,
// and lost. Whatever else is called in between, and in which order, messages
// leave in the order in which publish accepted them.
type engine struct {
	cfg *Config // with defaults

	phase          phase
	finishing      bool // DISCONNECT follows once all that may be sent is sent
	sessionPresent bool // as in the last CONNACK
	starved        bool // no packet identifier is free: only an answer helps
	closed         bool
	doubtful       bool  // what is subscribed to in the broker's session is not certain: an earlier process made it, or a CONNACK never came
	wary           bool  // the broker ended the last connection: the first message goes alone
	connackSlow    uint8 // CONNACKs in a row that did not come in time
	ids            ids
	unseen         int32 // publishes among events: they hold their place in the queue

	connect   []byte    // CONNECT, until it is taken
	connackBy time.Time // zero until CONNECT is written

	out       outgoing
	requests  requests
	acks      acks
	keepalive keepalive

	events  list // finished items and states, for the hooks
	settled list // finished items somebody waits for

	count   Counters
	pingRTT time.Duration // of the last PINGREQ
}

// inbound is what receive found: a message for the application.
type inbound struct {
	packet.Publish
	id uint64 // of the delivery; 0 with QoS 0
	ok bool   // there is one
}

// begin makes an engine ready, once, for a configuration with defaults.
func (e *engine) begin(cfg *Config) {
	e.cfg = cfg
	known := cfg.Subscriptions
	cfg.Subscriptions = nil
	for _, s := range known {
		e.grant(s.Filter, s.QoS)
	}
	e.doubtful = len(known) > 0 // the earlier process may have died while it made them again
}

// open begins a connection with this CONNECT packet.
func (e *engine) open(connect []byte) {
	e.phase = connecting
	e.connect = connect
	e.connackBy = time.Time{}
	e.finishing = false
}

// lost ends the connection, however it ended. Messages that were sent and not
// acknowledged stay; QoS 0 messages do not. [MQTT-4.3.1-1]
func (e *engine) lost(now time.Time) {
	if e.phase == connecting && e.connect == nil {
		e.doubtful = true
	}
	e.phase = offline
	e.finishing = false
	e.connect = nil
	e.keepalive = keepalive{}
	e.acks.clear()
	e.starved = false
	e.requests.lost()
	e.out.lost(func(it *item) {
		if it.stage == queued {
			e.finish(it, now, errNotSentLost)
		} else {
			e.finish(it, now, errFateLost)
		}
	})
}

// sendable reports whether something published now goes out on this
// connection.
func (e *engine) sendable() bool { return e.phase == online && !e.finishing }

// publish accepts a message, copies it, and reports its end in an item.
func (e *engine) publish(now time.Time, m *Message, token uint64, w *waiter) error {
	if err := m.check(); err != nil {
		return err
	}
	size := len(m.Topic) + len(m.Payload)
	switch {
	case e.closed:
		return ErrClosed
	case m.QoS == 0 && !e.sendable():
		return ErrNotConnected
	case size > e.cfg.MaxQueuedBytes:
		return fmt.Errorf("%w: message of %d bytes, over MaxQueuedBytes", ErrInvalid, size)
	case e.out.queue.n+int(e.unseen) >= e.cfg.MaxQueued || e.out.bytes+size > e.cfg.MaxQueuedBytes:
		return ErrQueueFull
	}
	it := newItem(itemPublish)
	it.text = append(append(it.text, m.Topic...), m.Payload...)
	it.topicLen = len(m.Topic)
	it.qos, it.retain = m.QoS, m.Retain
	it.token, it.waiter, it.waited = token, w, w != nil
	it.accepted = now
	e.out.add(it, e.sendable())
	return nil
}

// withdraw takes a message back that was not sent on this connection.
func (e *engine) withdraw(token uint64) bool {
	it := e.out.withdraw(token)
	if it == nil {
		return false
	}
	e.starved = false // it may have had a packet identifier
	recycle(it)
	return true
}

// request accepts a SUBSCRIBE or UNSUBSCRIBE for one filter.
func (e *engine) request(now time.Time, kind itemKind, filter []byte, qos byte, token uint64, w *waiter) error {
	if fault := packet.CheckFilter(filter); fault != "" {
		return fmt.Errorf("%w: filter %s", ErrInvalid, fault)
	}
	switch {
	case qos > 1:
		return fmt.Errorf("%w: QoS %d", ErrInvalid, qos)
	case e.closed:
		return ErrClosed
	case e.requests.queue.n >= e.cfg.MaxQueued:
		return ErrQueueFull
	}
	it := newItem(kind)
	it.text = append(it.text, filter...)
	it.qos = qos
	it.token, it.waiter, it.waited = token, w, w != nil
	it.accepted = now
	if kind == itemUnsubscribe {
		e.forget(filter) // from now on no new session gets it
	}
	e.requests.add(it, e.sendable())
	return nil
}

// release allows the PUBACK of a delivery.
func (e *engine) release(id uint64) {
	if id != 0 && !e.acks.release(id) {
		e.count.StaleAcks++
	}
}

// finish ends a publish or a request.
func (e *engine) finish(it *item, now time.Time, err error) {
	it.done, it.err = now, err
	if it.waited {
		e.settled.pushBack(it)
		return
	}
	if it.kind == itemPublish {
		e.unseen++
	}
	e.events.pushBack(it)
}

// report puts a state among the events.
func (e *engine) report(s State) {
	it := newItem(itemState)
	it.state = &s
	e.events.pushBack(it)
}

// nextEvent returns the next item for a hook, or nil. Its user recycles it.
func (e *engine) nextEvent() *item {
	it := e.events.pop()
	if it != nil && it.kind == itemPublish {
		e.unseen--
	}
	return it
}

// disconnect asks for an orderly end: what may be sent is sent, then
// DISCONNECT. It reports whether there is a connection to end so.
func (e *engine) disconnect() bool {
	if e.phase != online {
		return e.phase == closing
	}
	e.finishing = true
	return true
}

// deadline returns when to call tick next, or zero.
func (e *engine) deadline() time.Time {
	switch e.phase {
	case connecting:
		return e.connackBy
	case online:
		return e.keepalive.next()
	default:
		return time.Time{}
	}
}

// tick acts on a deadline. An error ends the connection.
func (e *engine) tick(now time.Time) error {
	switch {
	case e.phase == connecting && !e.connackBy.IsZero() && !now.Before(e.connackBy):
		// A broker that needs long to load a large session must not be asked
		// for it again and again, each time too early: wait longer next time.
		e.connackSlow = min(e.connackSlow+1, maxConnackSlow)
		return ErrConnackTimeout
	case e.phase == online && e.keepalive.tick(now):
		return ErrPingTimeout
	}
	return nil
}

// maxConnackSlow is how often the time for CONNACK is doubled.
const maxConnackSlow = 3

// connackWait returns how long CONNACK may take.
func (e *engine) connackWait() time.Duration {
	return e.cfg.ConnectTimeout << e.connackSlow
}

// abandon ends somebody's wait for an item. What was never sent is withdrawn,
// with ErrNotSent, the rest goes on with nobody waiting, with ErrPending. Nil
// means that the wait is over anyway and its result is there.
func (e *engine) abandon(w *waiter) error {
	for it := e.out.queue.head; it != nil; it = it.next {
		if it.waiter != w {
			continue
		}
		if it.sends > 0 {
			it.waiter = nil
			return ErrPending
		}
		e.out.remove(it)
		recycle(it)
		return ErrNotSent
	}
	for it := e.requests.queue.head; it != nil; it = it.next {
		if it.waiter != w {
			continue
		}
		if it.sends > 0 || it.kind == itemUnsubscribe {
			it.waiter = nil
			return ErrPending
		}
		e.requests.remove(it)
		recycle(it)
		return ErrNotSent
	}
	return nil
}

// abandonAll ends all waits. Nothing is withdrawn.
func (e *engine) abandonAll(tell func(*waiter)) {
	for _, l := range [...]*list{&e.out.queue, &e.requests.queue} {
		for it := l.head; it != nil; it = it.next {
			if it.waiter != nil {
				tell(it.waiter)
				it.waiter = nil
			}
		}
	}
}

// renewSession makes the queue ready for a session that the broker has just
// begun. [MQTT-3.1.2-6]
func (e *engine) renewSession(now time.Time) {
	fail := e.cfg.SessionLost == FailLost
	e.out.renew(fail, func(it *item) {
		if fail {
			e.finish(it, now, errFateSession)
			return
		}
		it.republished = true
		e.count.Republished++
	})
}

// reconfigure takes over a session's settings, while offline.
func (e *engine) reconfigure(now time.Time, s Session) {
	other := s.ClientID != e.cfg.ClientID
	e.cfg.setSession(s)
	if other {
		e.renewSession(now) // whatever session the broker has, it is not this one
	}
	if other || s.CleanSession {
		e.cfg.Subscriptions = nil
		e.failRequests(now, errNotSentReplace, errFateReplace)
	}
}

// close ends everything that is pending, for good, while offline.
func (e *engine) close(now time.Time) {
	e.closed = true
	for it := e.out.queue.head; it != nil; it = e.out.queue.head {
		e.out.remove(it)
		e.finish(it, now, either(it.sends == 0, errNotSentClosed, errFateClosed))
	}
	e.failRequests(now, errNotSentClosed, errFateClosed)
}

// failRequests ends every request in the queue.
func (e *engine) failRequests(now time.Time, unsent, unknown error) {
	for it := e.requests.queue.pop(); it != nil; it = e.requests.queue.pop() {
		if it.again {
			recycle(it) // nobody asked for it
			continue
		}
		e.finish(it, now, either(it.sends == 0, unsent, unknown))
	}
}

func either(first bool, a, b error) error {
	if first {
		return a
	}
	return b
}
