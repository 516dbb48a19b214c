package simulation

import (
	"container/heap"
	"time"
)

// happening is something that happens at a time.
type happening struct {
	at  time.Time
	seq uint64 // among those at the same time, the order in which they were planned
	do  func()
}

// agenda is what is going to happen, earliest first.
type agenda []happening

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return a[i].seq < a[j].seq
	}
	return a[i].at.Before(a[j].at)
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push is for package heap.
func (a *agenda) Push(x any) { *a = append(*a, x.(happening)) }

// Pop is for package heap.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	h := (*a)[last]
	(*a)[last] = happening{}
	*a = (*a)[:last]
	return h
}

// after plans something.
func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

func (w *world) at(at time.Time, do func()) {
	w.planned++
	heap.Push(&w.agenda, happening{at, w.planned, do})
}

// step turns the clock to the next thing that happens or is due, and does it.
func (w *world) step() {
	due := w.deadline()
	if len(w.agenda) > 0 && (due.IsZero() || !w.agenda[0].at.After(due)) {
		h := heap.Pop(&w.agenda).(happening)
		w.turnTo(h.at)
		h.do()
		return
	}
	w.turnTo(due)
	for _, b := range w.boards {
		b.advance()
	}
	w.line.advance()
	if w.process != nil {
		w.process.advance()
	}
}

func (w *world) turnTo(at time.Time) {
	if at.After(w.now) {
		w.now = at
	}
}

// deadline returns when something wants to be called next, or zero.
func (w *world) deadline() time.Time {
	d := w.line.deadline()
	for _, b := range w.boards {
		d = earliest(d, b.deadline())
	}
	if w.process != nil {
		d = earliest(d, w.process.deadline())
	}
	return d
}

// earliest returns the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// within draws a time up to d.
func (w *world) within(d time.Duration) time.Duration {
	return time.Duration(w.r.Int64N(int64(d)) + 1)
}

// one reports true once in n times.
func (w *world) one(n int) bool { return w.r.IntN(n) == 0 }
