package gateway

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestRTO(t *testing.T) {
	var e rtoEstimator
	if got := e.rto(0); got != time.Second {
		t.Errorf("before the first sample: %v, want 1s (RFC 6298 section 2.1)", got)
	}
	e.sample(100 * time.Millisecond)
	if got := e.rto(0); got != 300*time.Millisecond {
		t.Errorf("after the first sample: %v, want SRTT + 4 RTTVAR = 300ms", got)
	}
	for range 100 {
		e.sample(time.Millisecond)
	}
	if got := e.rto(0); got != minRTO {
		t.Errorf("on a fast line: %v, want the floor %v", got, minRTO)
	}
	if got := e.rto(3); got != 8*minRTO {
		t.Errorf("after three retransmissions: %v, want %v", got, 8*minRTO)
	}
	if got := e.rto(1000); got != maxRTO {
		t.Errorf("after many: %v, want the ceiling %v", got, maxRTO)
	}
}

// TestFlowNeverExceedsTheLimit draws frames, answers and time at random.
func TestFlowNeverExceedsTheLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := flow{limit: 240}
	now := time.Unix(0, 0)
	var marks []uint64
	for range 100_000 {
		now = now.Add(time.Duration(r.IntN(10)) * time.Millisecond)
		f.advance(now, 25*time.Millisecond)
		n := 9 + r.IntN(300)
		if f.room(n, pingLen) {
			alone := f.outstanding() == 0
			mark := f.send(now, n, r.IntN(2) == 0, 25*time.Millisecond)
			marks = append(marks, mark)
			if f.outstanding() > f.limit && !alone {
				t.Fatalf("%d bytes outstanding", f.outstanding())
			}
		}
		if len(marks) > 0 && r.IntN(5) == 0 {
			f.acknowledge(now, marks[r.IntN(len(marks))], 25*time.Millisecond)
		}
		if f.outstanding() > 0 && f.probe.deadline.IsZero() {
			t.Fatal("credit is out and nothing will bring it back")
		}
	}
}
