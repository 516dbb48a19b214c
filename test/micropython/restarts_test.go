package micropython

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// TestStorm lets a board publish and receive while what is around it fails, at moments drawn at random, and the line is bad besides: umqttd is stopped and killed, the
// broker is stopped and killed, the cable is pulled, the board loses its power. What was acknowledged arrives, in its order, and nothing else does. After a fault a message
// may come again, as MQTT has it: those are counted.
//
//	go test ./test/micropython -run TestStorm -v -storm.seed 7 -storm.for 10m
func TestStorm(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		for _, flavour := range []string{"default", "simple"} {
			t.Run(flavour, func(t *testing.T) {
				t.Parallel()
				s := newStorm(t, version, flavour, setup{top: []string{fmt.Sprintf("outbox: {dir: %s}", t.TempDir())}})
				s.splice.Pace(921600)
				s.splice.Buffer(256)
				noise := cable.Noise{Drop: 2e-4, Flip: 2e-4}
				s.splice.Disturb(noise, noise)
				end := time.Now().Add(*stormFor)
				for n := 0; n < *stormFaults || time.Now().Before(end); n++ {
					s.give(10)
					s.send(10)
					s.progress(1 + s.random.IntN(8))
					s.fail(n)
					if n%4 == 3 {
						s.settle()
					}
				}
				s.settle()
				s.wantBooks()
				t.Logf("%d reboots", s.reboots)
			})
		}
	})
}

// progress waits until the board has n acknowledgements more.
func (s *storm) progress(n int) {
	s.t.Helper()
	want := min(s.acked+n, s.given)
	if !patience.Within(3*patience.Limit, func() bool { s.take(); return s.acked >= want }) {
		s.t.Fatalf("%d acknowledgements are missing after %v", want-s.acked, 3*patience.Limit)
	}
}

// fail makes the next fault, and repairs it. The first ones are one of each kind.
func (s *storm) fail(n int) {
	s.t.Helper()
	const kinds = 6
	if n >= kinds {
		n = s.random.IntN(kinds)
	}
	switch n {
	case 0:
		s.did("stop umqttd")
		s.gateway.Stop()
		s.gateway.Restart()
	case 1:
		s.did("kill umqttd")
		s.gateway.Kill()
		s.gateway.Restart()
	case 2:
		s.did("stop the broker")
		s.broker.Stop()
		s.broker.Restart()
	case 3:
		// Only then is what it forgets no loss of umqttd's: see package witness.
		patience.Wait(s.t, "the witness is there", s.witness.Online)
		s.did("kill the broker")
		s.broker.Kill()
		s.broker.Restart()
	case 4:
		s.did("pull the cable")
		s.line.Unplug()
		s.line.Plug()
		s.waitPort()
	case 5:
		s.did("switch the board off")
		s.reboots++
		s.node.PowerOff()
		s.off = true
		s.take()
		s.boot()
	}
	s.did("done")
}
