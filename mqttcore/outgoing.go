package mqttcore

import (
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// outgoing is the one ordered queue of messages to publish.
//
//	head ........ unwritten ........ cursor ........ tail
//	 sent, not     taken by the       accepted, not
//	 acknowledged  writer, not yet    sent on this
//	               known written      connection
//
// The cursor is all there is to sending: a new connection puts it back to the
// head, so that what must be sent again goes first, in its old order, through
// the same window and by the same code as what was never sent.
// [MQTT-4.4.0-1] [MQTT-4.6.0-1]
type outgoing struct {
	queue     list
	cursor    *item // nil: nothing to take, or no connection
	unwritten *item // nil: all that was taken is written
	inflight  int   // QoS 1 messages before the cursor
	bytes     int   // of topics and payloads
}

// add appends an accepted message. Online tells whether the cursor may reach
// it on this connection.
func (o *outgoing) add(it *item, online bool) {
	o.queue.pushBack(it)
	o.bytes += len(it.text)
	if o.cursor == nil && online {
		o.cursor = it
	}
}

// remove takes a message out of the queue, wherever it is.
func (o *outgoing) remove(it *item) {
	if it.stage != queued && it.qos > 0 {
		o.inflight--
	}
	if o.cursor == it {
		o.cursor = it.next
	}
	if o.unwritten == it {
		o.unwritten = it.next
		if o.unwritten == o.cursor {
			o.unwritten = nil
		}
	}
	o.queue.remove(it)
	o.bytes -= len(it.text)
}

// withdraw returns the message with QoS 1 and this token that the cursor has
// not passed, or nil. Those that wait longest are looked at first. What a
// blocking call waits for is its own, whatever its token.
func (o *outgoing) withdraw(token uint64) *item {
	it := o.cursor
	if it == nil {
		it = o.queue.head // no connection, or one that takes nothing more
	}
	for ; it != nil; it = it.next {
		if it.stage == queued && it.qos > 0 && it.token == token && !it.waited {
			o.remove(it)
			return it
		}
	}
	return nil
}

// due reports whether take would append something.
func (o *outgoing) due(window int) bool {
	return o.cursor != nil && (o.cursor.qos == 0 || o.inflight < window)
}

// advance marks the message under the cursor as taken and returns its packet.
// The caller has checked due. It reports false if no packet identifier is
// free: then the message waits for an acknowledgement.
func (o *outgoing) advance(ids *ids, requests *list) (packet.Publish, bool) {
	it := o.cursor
	if it.qos > 0 && it.id == 0 {
		if it.id = ids.take(&o.queue, requests); it.id == 0 {
			return packet.Publish{}, false
		}
	}
	p := packet.Publish{
		Topic: it.topic(), Payload: it.payload(),
		ID: it.id, QoS: it.qos, Retain: it.retain, Dup: it.dup,
	}
	it.stage = taken
	it.sends++
	if it.qos > 0 {
		it.dup = true // from now on [MQTT-3.3.1-1]; never with QoS 0 [MQTT-3.3.1-2]
		o.inflight++
	}
	if o.unwritten == nil {
		o.unwritten = it
	}
	o.cursor = it.next
	return p, true
}

// wrote notes that the socket took all that was taken. The QoS 0 messages
// among it are done, and are passed to finish.
func (o *outgoing) wrote(now time.Time, finish func(*item)) {
	it := o.unwritten
	o.unwritten = nil
	for it != nil && it.stage == taken {
		next := it.next
		it.stage, it.wired = sent, now
		if it.qos == 0 {
			o.remove(it)
			finish(it)
		}
		it = next
	}
}

// acknowledge takes the message with this identifier out of the queue, or
// returns nil: only what was sent on this connection can be acknowledged on
// it. Acknowledgements nearly always come in order, so that the first one
// looked at is the one; out of order they free their own place in the window
// and no other.
func (o *outgoing) acknowledge(id uint16) *item {
	for it := o.queue.head; it != nil && it != o.cursor; it = it.next {
		if it.id == id && it.qos > 0 {
			o.remove(it)
			return it
		}
	}
	return nil
}

// lost ends the connection. QoS 0 messages end with it and are passed to drop.
func (o *outgoing) lost(drop func(*item)) {
	o.cursor, o.unwritten, o.inflight = nil, nil, 0
	for it := o.queue.head; it != nil; {
		next := it.next
		if it.qos == 0 {
			o.remove(it)
			drop(it)
		} else {
			it.stage = queued
		}
		it = next
	}
}

// renew makes the messages that the broker's lost session knew into new ones,
// or, with fail, takes them out of the queue. Each of them is passed to know.
func (o *outgoing) renew(fail bool, know func(*item)) {
	for it := o.queue.head; it != nil; {
		next := it.next
		known := it.dup
		it.id, it.dup = 0, false
		if known {
			if fail {
				o.remove(it)
			}
			know(it)
		}
		it = next
	}
}

// rewind puts the cursor before everything, for a new connection.
func (o *outgoing) rewind() { o.cursor = o.queue.head }
