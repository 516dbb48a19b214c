package gateway

import "slices"

// fifo is a queue that uses its memory again: in steady state it allocates
// nothing. The zero value is empty.
type fifo[T any] struct {
	items []T
	head  int // of items; what is before it has gone
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

// first returns the oldest element of a queue that is not empty.
func (q *fifo[T]) first() *T { return &q.items[q.head] }

func (q *fifo[T]) push(v T) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

// pop removes and returns the oldest element of a queue that is not empty.
func (q *fifo[T]) pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v
}

// removeIf removes the elements that fit.
func (q *fifo[T]) removeIf(fits func(T) bool) {
	q.items = append(q.items[:q.head], slices.DeleteFunc(q.items[q.head:], fits)...)
}
