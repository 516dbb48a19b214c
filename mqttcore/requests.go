package mqttcore

import (
	"bytes"
	"slices"
)

// requests is the ordered queue of SUBSCRIBE and UNSUBSCRIBE that the broker
// has not answered, and the table of subscriptions that it has granted. Like
// messages, requests have a cursor that a new connection puts back.
type requests struct {
	queue  list
	cursor *item
	table  []subscription
}

// subscription is what must be made again if the broker loses the session.
type subscription struct {
	filter []byte
	qos    byte
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

// renew prepares for a session that the broker has just begun: every granted
// subscription is asked for once more, before newer requests, unless a request
// for the same filter waits anyway. It returns the number asked for.
func (r *requests) renew() int {
	n := 0
	for i := len(r.table) - 1; i >= 0; i-- {
		s := &r.table[i]
		if waits(r.queue.head, itemSubscribe, s.filter) {
			continue
		}
		it := newItem(itemSubscribe)
		it.again = true
		it.text = append(it.text, s.filter...)
		it.qos = s.qos
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
func (r *requests) grant(filter []byte, qos byte) {
	for i := range r.table {
		if bytes.Equal(r.table[i].filter, filter) {
			r.table[i].qos = qos
			return
		}
	}
	r.table = append(r.table, subscription{bytes.Clone(filter), qos})
}

// forget takes a filter out of the table.
func (r *requests) forget(filter []byte) {
	r.table = slices.DeleteFunc(r.table, func(s subscription) bool { return bytes.Equal(s.filter, filter) })
}
