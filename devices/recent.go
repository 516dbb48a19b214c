package devices

import "time"

// trailKept is how many latencies a Trail shows.
const trailKept = 32

// trail remembers the last latencies of one hop. It never allocates.
type trail struct {
	kept [trailKept]time.Duration
	n    int // ever
}

func (t *trail) add(d time.Duration) {
	t.kept[t.n%trailKept] = d
	t.n++
}

// show returns what is remembered, oldest first.
func (t *trail) show() []time.Duration {
	n := min(t.n, trailKept)
	all := make([]time.Duration, 0, n)
	for i := t.n - n; i < t.n; i++ {
		all = append(all, t.kept[i%trailKept])
	}
	return all
}

// A rate counts what happened in the last minute, in steps of rateStep. It never allocates.
type rate struct {
	counts [rateSteps]int
	step   int64 // the newest, in steps since the year 1970
}

const (
	rateStep  = 5 * time.Second
	rateSteps = int(time.Minute / rateStep)
)

func (r *rate) add(now time.Time) {
	r.turn(now)
	r.counts[r.step%int64(rateSteps)]++
}

// perMinute returns the count of the last minute.
func (r *rate) perMinute(now time.Time) int {
	r.turn(now)
	sum := 0
	for _, n := range r.counts {
		sum += n
	}
	return sum
}

// turn forgets what is older than a minute. A clock that was set back counts on in the same step.
func (r *rate) turn(now time.Time) {
	step := now.UnixNano() / int64(rateStep)
	for i := max(r.step+1, step-int64(rateSteps)+1); i <= step; i++ {
		r.counts[i%int64(rateSteps)] = 0
	}
	r.step = max(r.step, step)
}
