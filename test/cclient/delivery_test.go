package cclient

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
)

// TestDelivery passes messages with QoS 1 both ways at once over lines of all kinds: each arrives once, unaltered and in order.
func TestDelivery(t *testing.T) {
	t.Parallel()
	both := func(n cable.Noise) func(s *cable.Splice) { return func(s *cable.Splice) { s.Disturb(n, n) } }
	for name, tt := range map[string]struct {
		messages int
		device   string
		options  []string
		line     func(s *cable.Splice)
		faults   bool
	}{
		"perfect":           {messages: 1000, line: func(*cable.Splice) {}},
		"frames are lost":   {messages: 400, line: both(cable.Noise{Frame: 0.05}), faults: true},
		"bytes are damaged": {messages: 400, line: both(cable.Noise{Drop: 3e-4, Flip: 3e-4, Insert: 3e-4}), faults: true},
		"late, and frames lost": {messages: 100, line: func(s *cable.Splice) {
			both(cable.Noise{Frame: 0.02})(s)
			s.Delay(20*time.Millisecond, 40*time.Millisecond)
		}, faults: true},
		"115200 baud":            {messages: 500, options: []string{"baud=115200"}, line: func(s *cable.Splice) { s.Pace(115200); s.Buffer(256) }},
		"921600 baud, noise":     {messages: 500, device: ", baud: 921600", options: []string{"baud=921600"}, line: func(s *cable.Splice) { both(cable.Noise{Frame: 0.02, Flip: 1e-4})(s); s.Pace(921600); s.Buffer(256) }, faults: true},
		"115200 baud, loss, ask": {messages: 300, options: []string{"baud=115200", "ask=1", "keepalive=5"}, line: func(s *cable.Splice) { both(cable.Noise{Frame: 0.05})(s); s.Pace(115200); s.Buffer(256) }, faults: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.device, tt.options...)
			r.splice.Seed(*stormSeed)
			f := newTraffic(r)
			tt.line(r.splice)
			f.finish(tt.messages)
			if n := f.up.Copies() + f.down.Copies(); n > 0 {
				t.Errorf("%d messages came twice", n)
			}
			if (r.splice.Faults() > 0) != tt.faults {
				t.Errorf("the line had %d faults", r.splice.Faults())
			}
			r.board.Quit()
		})
	}
}
