package cclient

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

var (
	stormSeed   = flag.Uint64("storm.seed", 1, "what the faults are drawn from")
	stormFaults = flag.Int("storm.faults", 27, "how many faults TestStorm has")
	stormFor    = flag.Duration("storm.for", 0, "how long TestStorm goes on, instead of a number of faults")
)

// TestStorm lets a C board publish and receive over a bad line while everything around it fails, and it itself. Nothing that was acknowledged is lost, altered or out
// of order, either way. The seed decides what fails next; when exactly it does is up to the machine.
//
//	go test ./test/cclient -run TestStorm -v -storm.seed 7 -storm.for 10m
func TestStorm(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "baud=115200", "keepalive=2")
	s := &storm{traffic: newTraffic(r), random: rand.New(rand.NewPCG(*stormSeed, 0)), counts: make(map[string]int), plugged: true}
	r.splice.Seed(*stormSeed)
	r.splice.Pace(115200)
	r.splice.Buffer(256)
	noise := cable.Noise{Frame: 0.02, Drop: 1e-4, Flip: 1e-4, Insert: 1e-4}
	r.splice.Disturb(noise, noise)
	t.Logf("seed %d", *stormSeed)
	end := time.Now().Add(*stormFor)
	for n := 0; n < *stormFaults || *stormFor > 0; n++ {
		if *stormFor > 0 && time.Now().After(end) {
			break
		}
		s.progress(1 + s.random.IntN(20))
		s.fail()
	}
	s.mend()
	s.finish(s.given)
	r.board.Quit()
	t.Logf("faults: %v", s.counts)
}

// storm is traffic in which things fail.
type storm struct {
	*traffic
	random  *rand.Rand
	counts  map[string]int
	next    []int // faults to come
	plugged bool
	away    bool // the broker
}

// progress waits until the board has got n acknowledgements more.
func (s *storm) progress(n int) {
	s.t.Helper()
	want := s.acked + n
	if !patience.Within(patience.Limit, func() bool { s.turn(1 << 30); return s.acked >= want || !s.plugged }) {
		s.t.Fatalf("%d acknowledgements are missing after %v: %s; the board's last events: %+v", want-s.acked, patience.Limit, s.waits(), s.lastEvents())
	}
}

// mend ends what goes on for longer.
func (s *storm) mend() {
	s.t.Helper()
	s.plug()
	if s.away {
		s.switchBroker()
	}
}

func (s *storm) plug() {
	s.t.Helper()
	if !s.plugged {
		s.plugged = true
		s.line.Plug()
	}
}

// fail makes the next fault. Each kind comes once before any comes again.
func (s *storm) fail() {
	s.t.Helper()
	kinds := []struct {
		name string
		make func()
	}{
		{"umqttd restarted", func() { s.gateway.Stop(); s.gateway.Restart() }},
		{"umqttd killed", func() { s.gateway.Kill(); s.gateway.Restart() }},
		{"broker restarted", func() { s.broker.Restart(); s.away = false }},
		{"broker down or up", s.switchBroker},
		{"board rebooted", func() { s.reboot(1+s.random.IntN(60000), false) }},
		{"board rebooted, buffers empty", func() { s.reboot(1+s.random.IntN(60000), true) }},
		{"port unplugged", func() { s.plugged = false; s.line.Unplug() }},
		{"text printed", func() { s.splice.Text(fmt.Sprintf("I (%d) wifi: no\r\n", s.random.Uint32())) }},
		{"board busy", s.occupy},
	}
	if len(s.next) == 0 {
		s.next = s.random.Perm(len(kinds))
	}
	s.plug()
	kind := kinds[s.next[0]]
	s.next = s.next[1:]
	s.counts[kind.name]++
	kind.make()
}

// switchBroker stops the broker, or starts it. While it is away umqttd keeps what the board publishes.
func (s *storm) switchBroker() {
	s.t.Helper()
	if s.away {
		s.broker.Restart()
	} else {
		s.broker.Stop()
	}
	s.away = !s.away
}

// occupy lets the board not look at its line until its receive buffer has overrun, or for a while.
func (s *storm) occupy() {
	s.t.Helper()
	before := s.splice.Lost()
	s.board.Signal(syscall.SIGSTOP)
	patience.Within(time.Second, func() bool { s.note(); return s.splice.Lost() > before })
	s.board.Signal(syscall.SIGCONT)
}
