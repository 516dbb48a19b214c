package mqttcore

import (
	"sync"
	"time"
)

// itemKind tells what an item is.
type itemKind byte

const (
	itemPublish itemKind = iota
	itemSubscribe
	itemUnsubscribe
	itemState
	itemInbound
)

// stage tells how far an item has come on the present connection.
type stage byte

const (
	queued stage = iota // waits behind the cursor
	taken               // in the writer's buffer, perhaps on the wire
	sent                // the socket took all of it
)

// item is one thing on its way through the client: a publish or a subscription
// from acceptance to completion, a change of state on its way to its hook, a
// message on its way to its handler. It is in one list at a time.
//
// Items and their buffers are pooled, which makes publishing and receiving
// free of allocations in steady state and leaves an idle client without any.
type item struct {
	prev, next *item

	kind     itemKind
	stage    stage
	qos      byte
	retain   bool
	dup      bool // was sent within the broker's present session
	waited   bool // the result goes to a waiter, not to a hook
	again    bool // a subscription that the client makes again by itself
	granted  byte
	id       uint16 // packet identifier; 0 before the first send and with QoS 0
	topicLen int
	text     []byte // topic and payload, or filter

	token       uint64 // the application's; of an inbound message, the delivery's ID
	waiter      *waiter
	sends       int // times taken by the writer, on all connections
	republished bool

	accepted, wired, done time.Time // wired is of the last send
	err                   error
	state                 *State // itemState only
}

func (it *item) topic() []byte   { return it.text[:it.topicLen:it.topicLen] }
func (it *item) payload() []byte { return it.text[it.topicLen:] }

// maxPooledText is the largest buffer that a pooled item keeps.
const maxPooledText = 4096

var itemPool = sync.Pool{New: func() any { return new(item) }}

func newItem(kind itemKind) *item {
	it := itemPool.Get().(*item)
	it.kind = kind
	return it
}

// recycle gives an item back that is in no list.
func recycle(it *item) {
	text := it.text[:0]
	if cap(text) > maxPooledText {
		text = nil
	}
	*it = item{text: text}
	itemPool.Put(it)
}

// list is a queue of items, which are linked through themselves.
type list struct {
	head, tail *item
	n          int
}

func (l *list) pushBack(it *item) {
	it.prev, it.next = l.tail, nil
	if l.tail == nil {
		l.head = it
	} else {
		l.tail.next = it
	}
	l.tail = it
	l.n++
}

func (l *list) pushFront(it *item) {
	it.prev, it.next = nil, l.head
	if l.head == nil {
		l.tail = it
	} else {
		l.head.prev = it
	}
	l.head = it
	l.n++
}

func (l *list) remove(it *item) {
	if it.prev == nil {
		l.head = it.next
	} else {
		it.prev.next = it.next
	}
	if it.next == nil {
		l.tail = it.prev
	} else {
		it.next.prev = it.prev
	}
	it.prev, it.next = nil, nil
	l.n--
}

// pop removes the first item, or returns nil.
func (l *list) pop() *item {
	it := l.head
	if it != nil {
		l.remove(it)
	}
	return it
}
