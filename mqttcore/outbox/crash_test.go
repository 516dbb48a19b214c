package outbox_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

// A history does the same every time, until the power is cut.
type history func(w *world) (on bool)

var histories = map[string]history{
	// The first commits, the second segment, the removal of the first.
	"through three segments": func(w *world) bool {
		r := rand.New(rand.NewPCG(1, 1))
		for i := range 36 {
			for range 1 + i%3 {
				w.put(string(rune('a'+i%3)), "t", text(r, 9000+i))
			}
			if w.commit() != nil {
				return false
			}
			if i%5 == 4 {
				w.ack("a", 3)
				w.ack("b", 4)
				w.ack("c", 2)
				if w.flush() != nil {
					return false
				}
			}
		}
		return true
	},
	// Every kind of record in one commit, and each on its own.
	"all kinds": func(w *world) bool {
		for i := range 6 {
			w.put("a", "t", fmt.Sprintf("first %d", i))
			w.state("b", fmt.Appendf(nil, "state %d", i))
			w.put("b", "t", fmt.Sprintf("second %d", i))
			w.put("a", "t", "")
			w.quarantine("b", "no")
			if w.commit() != nil {
				return false
			}
			w.ack("a", 1)
			if i == 4 {
				w.state("b", nil)
			}
			if w.flush() != nil {
				return false
			}
		}
		return true
	},
	// A client that nobody serves, a state and a quarantined message are moved
	// again and again, while others pass.
	"a stuck client": func(w *world) bool {
		r := rand.New(rand.NewPCG(2, 2))
		w.state("stuck", []byte("state"))
		w.put("a", "bad", "message")
		for range 5 {
			w.put("stuck", "t", text(r, 9000))
		}
		if w.commit() != nil {
			return false
		}
		w.quarantine("a", "bad")
		for range 44 {
			w.put("a", "t", text(r, 60000))
			if w.commit() != nil {
				return false
			}
			w.ack("a", 1)
		}
		return w.flush() == nil
	},
}

// The power is cut at each operation on the disk. What was not synced is all
// there, all missing, or has any one sector missing or torn, or is anything
// else; and it may be cut again while the log is opened.
func TestPowerCutAtEveryOperation(t *testing.T) {
	for name, play := range histories {
		t.Run(name, func(t *testing.T) {
			for _, n := range operations(t, play) {
				w := newWorld(t, outbox.Config{})
				w.disk.CutAt = n
				if play(w) {
					t.Fatalf("the power was not cut at operation %d", n)
				}
				for _, crash := range crashes(w.disk, n) {
					again := *w
					again.disk = w.disk.Clone()
					again.cfg.FS = again.disk
					again.stored = w.stored.clone()
					again.voids = slices.Clone(w.voids)
					crash(again.disk)
					again.restarted()
					again.survives()
				}
			}
		})
	}
}

// operations returns the numbers of a history's operations on the disk, but of
// the pages of zeros in a new segment only the first ones and each 32nd.
func operations(t *testing.T, play history) (list []uint64) {
	t.Helper()
	w := newWorld(t, outbox.Config{})
	n, pages := uint64(0), 0
	w.disk.Fail = func(op simdisk.Operation) error {
		n++
		if op.Kind != simdisk.Write || op.Bytes != simdisk.Page {
			pages = 0
		}
		if pages++; pages <= 2 || pages%32 == 0 {
			list = append(list, n)
		}
		return nil
	}
	if !play(w) || len(list) < 30 {
		t.Fatalf("only %d operations", len(list))
	}
	return list
}

// crashes returns ways to lose what was not synced.
func crashes(d *simdisk.Disk, seed uint64) []func(*simdisk.Disk) {
	all := func(f simdisk.Fate) func(*simdisk.Disk) {
		return func(d *simdisk.Disk) {
			changes := 0
			if f == simdisk.Kept {
				changes = len(d.Changes())
			}
			d.CrashWith(changes, func(int) (simdisk.Fate, int) { return f, 0 })
		}
	}
	ways := []func(*simdisk.Disk){all(simdisk.Kept), all(simdisk.Missing), (*simdisk.Disk).Kill}
	sectors := 0
	d.Clone().CrashWith(0, func(int) (simdisk.Fate, int) { sectors++; return simdisk.Missing, 0 })
	for i := range min(sectors, 2) {
		at := int(seed*7+uint64(i)) % sectors
		for _, fate := range []simdisk.Fate{simdisk.Missing, simdisk.Torn} {
			ways = append(ways, func(d *simdisk.Disk) {
				n := -1
				d.CrashWith(len(d.Changes()), func(int) (simdisk.Fate, int) {
					if n++; n == at {
						return fate, 8 * int(seed%64)
					}
					return simdisk.Kept, 0
				})
			})
		}
	}
	return append(ways, func(d *simdisk.Disk) {
		r := rand.New(rand.NewPCG(seed, 3))
		d.Crash(r)
		d.CutAt = 1 + r.Uint64N(3)
		l, err := outbox.Open(outbox.Config{FS: d, Dir: folder, MaxBytes: 1 << 20})
		if err == nil {
			l.Close()
		}
		d.Crash(r)
	})
}

// survives goes on with a log that was restarted, and restarts it twice more.
func (w *world) survives() {
	w.t.Helper()
	w.put("a", "t", "after the crash")
	w.must(w.flush())
	w.check()
	w.disk.CrashWith(0, func(int) (simdisk.Fate, int) { return simdisk.Missing, 0 })
	w.restarted()
	w.must(w.log.Close())
}

// Random histories with power cuts, kills, orderly restarts, and crashes while
// recovering.
func TestRandomHistories(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 4))
			w := newWorld(t, outbox.Config{})
			size := []int{100, 2000, 60000}[r.IntN(3)]
			for range 6 {
				if r.IntN(2) == 0 {
					w.disk.CutAt = w.disk.Stats().Operations + 1 + r.Uint64N(150)
				}
				for range r.IntN(200) {
					if !w.random(r, size) {
						break
					}
					if r.IntN(20) == 0 {
						w.check()
					}
				}
				w.restart(r)
			}
		})
	}
}

// restart ends the log in one way or another, and opens it again.
func (w *world) restart(r *rand.Rand) {
	w.t.Helper()
	n := r.IntN(4)
	if w.disk.PowerIsCut() {
		n = 1
	}
	switch n {
	case 0:
		w.batch = nil // Close voids the open commit
		if err := w.log.Close(); err == nil {
			for name, seq := range w.stored.acked {
				w.stored.settle(name, seq)
			}
		}
		if w.disk.PowerIsCut() {
			w.disk.Crash(r)
		}
		w.disk.CutAt = 0
	case 1:
		w.disk.Crash(r)
	case 2:
		w.disk.Kill()
	case 3:
		w.disk.Crash(r)
		w.disk.CutAt = 1 + r.Uint64N(4)
		if l, err := outbox.Open(w.cfg); err == nil {
			l.Close()
		}
		w.disk.Crash(r)
	}
	w.restarted()
}
