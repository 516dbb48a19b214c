package mqttcore

import (
	"bytes"
	"slices"
)

// requests is the ordered queue of SUBSCRIBE and UNSUBSCRIBE that the broker
// has not answered. Like messages, requests have a cursor that a new connection
// puts back.
//
// The table of subscriptions that the broker has granted is the client's own
// Config.Subscriptions, which was made its own by begin.
type requests struct {
	queue  list
	cursor *item
}

func (r *requests) add(it *item, online bool) {
	r.queue.pushBack(it)
	if r.cursor == nil && online {
		r.cursor = it
	}
}

func (r *requests) remove(it *item) {
	if r.cursor == it {
		r.cursor = it.next
	}
	r.queue.remove(it)
}

// find returns the request on its way with this identifier, or nil. An answer
// of the wrong kind answers nothing.
func (r *requests) find(kind itemKind, id uint16) *item {
	for it := r.queue.head; it != nil && it != r.cursor; it = it.next {
		if it.id == id && it.kind == kind {
			return it
		}
	}
	return nil
}

// lost ends the connection: what was not answered is asked again.
func (r *requests) lost() {
	r.cursor = nil
	for it := r.queue.head; it != nil; it = it.next {
		it.stage = queued
		it.id = 0 // a request has no DUP flag: sent again it is a new one
	}
}

// renew prepares for a session that the broker has just begun: every
// subscription of the table is asked for once more, before newer requests, unless a request
// for the same filter waits anyway. It returns the number asked for.
func (r *requests) renew(table []Subscription) int {
	n := 0
	for i := len(table) - 1; i >= 0; i-- {
		s := &table[i]
		if waits(r.queue.head, itemSubscribe, s.Filter) {
			continue
		}
		it := newItem(itemSubscribe)
		it.again = true
		it.text = append(it.text, s.Filter...)
		it.qos = s.QoS
		r.queue.pushFront(it)
		n++
	}
	return n
}

// waits reports whether a request of this kind for filter is in the queue from
// it on.
func waits(it *item, kind itemKind, filter []byte) bool {
	for ; it != nil; it = it.next {
		if it.kind == kind && bytes.Equal(it.text, filter) {
			return true
		}
	}
	return false
}

func (r *requests) rewind() { r.cursor = r.queue.head }

// grant puts a subscription into the table, or in the place of an older one
// with the same filter. [MQTT-3.8.4-3]
func (e *engine) grant(filter []byte, qos byte) {
	table := e.cfg.Subscriptions
	for i := range table {
		if bytes.Equal(table[i].Filter, filter) {
			table[i].QoS = qos
			return
		}
	}
	e.cfg.Subscriptions = append(table, Subscription{bytes.Clone(filter), qos})
}

// forget takes a filter out of the table.
func (e *engine) forget(filter []byte) {
	e.cfg.Subscriptions = slices.DeleteFunc(e.cfg.Subscriptions, func(s Subscription) bool { return bytes.Equal(s.Filter, filter) })
}
