package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run only this seed; with -v print what happens")
	simSeeds = flag.Uint64("sim.seeds", 0, "how many seeds to run; 0: 10,000, or 500 with -short or -race")
	simFor   = flag.Duration("sim.for", 0, "run new seeds for so long")
	simFirst = flag.Uint64("sim.first", 0, "the first seed; 0: 1, or one by the clock with -sim.for")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSimulation runs seeds. One that fails prints itself and replays exactly:
//
//	go test ./test/simulation -run TestSimulation -sim.seed 17 -v
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		o := Options{}
		if testing.Verbose() {
			o.Trace = os.Stdout
		}
		if err := Run(*simSeed, o); err != nil {
			t.Fatalf("seed %d: %v", *simSeed, err)
		}
		return
	}
	first := *simFirst
	switch {
	case first > 0:
	case *simFor > 0: // others than last time
		first = uint64(time.Now().UnixNano())
	default:
		first = 1
	}
	began := time.Now()
	ran, failed := runSeeds(first, enough(began), NoBug)
	for _, f := range failed {
		t.Errorf("seed %d: %v", f.seed, f.err)
	}
	t.Logf("%d seeds from %d on in %v", ran, first, time.Since(began).Round(time.Millisecond))
}

// enough returns what says that a number of seeds will do.
func enough(began time.Time) func(n uint64) bool {
	if *simFor > 0 {
		return func(uint64) bool { return time.Since(began) >= *simFor }
	}
	seeds := *simSeeds
	switch {
	case seeds > 0:
	case testing.Short() || raceEnabled:
		seeds = 500
	default:
		seeds = 10_000
	}
	return func(n uint64) bool { return n >= seeds }
}

// failure is a seed that failed.
type failure struct {
	seed uint64
	err  error
}

// runSeeds runs seeds from first on, each a world of its own, until enough of them
// were run or ten have failed.
func runSeeds(first uint64, enough func(n uint64) bool, bug Bug) (ran uint64, failed []failure) {
	var next atomic.Uint64
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				end := len(failed) >= 30
				mu.Unlock()
				n := next.Add(1) - 1
				if end || enough(n) {
					return
				}
				err := Run(first+n, Options{Bug: bug})
				mu.Lock()
				if ran++; err != nil {
					failed = append(failed, failure{first + n, err})
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return ran, failed
}

// TestSeedsReplay shows that a seed always gives the same run.
func TestSeedsReplay(t *testing.T) {
	different := map[uint64]bool{}
	for seed := uint64(1); seed <= 20; seed++ {
		one, two := Fingerprint(seed), Fingerprint(seed)
		if one != two {
			t.Errorf("seed %d: %x, and then %x", seed, one, two)
		}
		different[one] = true
	}
	if len(different) != 20 {
		t.Errorf("20 seeds give %d runs", len(different))
	}
}

// TestPlantedBugsAreFound shows that the simulation can fail.
func TestPlantedBugsAreFound(t *testing.T) {
	for bug := NoBug + 1; bug < bugs; bug++ {
		t.Run(fmt.Sprint(bug), func(t *testing.T) {
			t.Parallel()
			const patience = 3000
			for seed := uint64(1); seed <= patience; seed++ {
				if err := Run(seed, Options{Bug: bug}); err != nil {
					t.Logf("seed %d: %v", seed, err)
					if err := Run(seed, Options{}); err != nil {
						t.Errorf("seed %d fails without it too: %v", seed, err)
					}
					return
				}
			}
			t.Errorf("not found in %d seeds", patience)
		})
	}
}
