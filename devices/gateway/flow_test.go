package gateway

import (
	"math/rand/v2"
	"testing"
	"time"
)

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
		if f.room(n, pingLen(Peer{})) {
			alone := f.outstanding() == 0
			mark := f.send(n, r.IntN(2) == 0, now.Add(25*time.Millisecond))
			marks = append(marks, mark)
			if f.outstanding() > f.limit && !alone {
				t.Fatalf("%d bytes outstanding", f.outstanding())
			}
		}
		if len(marks) > 0 && r.IntN(5) == 0 {
			f.acknowledge(marks[r.IntN(len(marks))], now.Add(25*time.Millisecond))
		}
		if f.outstanding() > 0 && f.probe.deadline.IsZero() {
			t.Fatal("credit is out and nothing will bring it back")
		}
	}
}
