package gateway

import (
	"container/heap"
	"time"
)

// timers orders nodes by their next deadline, so that ten thousand idle nodes
// cost nothing at each turn of the loop.
type timers []*node

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	if t[i].deadline.Equal(t[j].deadline) {
		return t[i].id < t[j].id // the same happens whenever the same happens
	}
	return t[i].deadline.Before(t[j].deadline)
}
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].timerIndex, t[j].timerIndex = i, j
}

// Push and Pop belong to container/heap.
func (t *timers) Push(x any) {
	n := x.(*node)
	n.timerIndex = len(*t)
	*t = append(*t, n)
}

// Pop belongs to container/heap.
func (t *timers) Pop() any {
	last := len(*t) - 1
	n := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	n.timerIndex = -1
	return n
}

// set moves n to its new deadline; zero means it waits for nothing.
func (t *timers) set(n *node, deadline time.Time) {
	n.deadline = deadline
	switch {
	case deadline.IsZero() && n.timerIndex >= 0:
		heap.Remove(t, n.timerIndex)
	case deadline.IsZero():
	case n.timerIndex >= 0:
		heap.Fix(t, n.timerIndex)
	default:
		heap.Push(t, n)
	}
}

// earliest returns a if it is set and b is not earlier.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
