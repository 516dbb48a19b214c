package gateway

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFifo compares it with a plain slice.
func TestFifo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q fifo[int]
	var want []int
	for i := range 100_000 {
		switch k := r.IntN(20); {
		case k < 10:
			q.push(i)
			want = append(want, i)
		case k < 19 && len(want) > 0:
			if *q.first() != want[0] {
				t.Fatalf("first is %d, want %d", *q.first(), want[0])
			}
			if got := q.pop(); got != want[0] {
				t.Fatalf("popped %d, want %d", got, want[0])
			}
			want = want[1:]
		case k == 19:
			odd := func(v int) bool { return v%7 == 0 }
			q.removeIf(odd)
			want = slices.DeleteFunc(want, odd)
		}
		if q.len() != len(want) {
			t.Fatalf("%d elements, want %d", q.len(), len(want))
		}
	}
	for q.len() > 0 {
		q.pop()
	}
	for i := range 5 {
		q.push(i)
	}
	if n := testing.AllocsPerRun(1000, func() { q.push(q.pop()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
