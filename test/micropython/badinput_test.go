package micropython

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/patience"
)

// TestBadInput takes the gateway away, lets the line speak nonsense, freezes the gateway, and gives the client what is too long. It raises, in time, and goes on after that.
func TestBadInput(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		r := newRig(t, version, setup{})
		b := r.board("badinput.py", interpreter.Config{Heap: 1 << 18, Loose: true})
		garbage := []byte("\x00\x00\xff\xff\x01\x02 no frame \x00" + strings.Repeat("\xa5\x5a", 1500) + "\x00\x03")
		asked := map[string]func(){
			"away":    func() { r.gateway.Stop() },
			"back":    func() { r.gateway.Restart(); r.waitPort() },
			"freeze":  r.gateway.Pause,
			"thaw":    r.gateway.Resume,
			"garbage": func() { r.garble(garbage) },
		}
		type outcome struct {
			name      string
			exception string
			least     int // ms
			most      int
		}
		for _, want := range []outcome{
			{"absent", "OSError", 900, 4000},
			{"garbage", "OSError", 900, 4000},
			{"there", "none", 0, 10000},
			{"payload", "ValueError", 0, 1000},
			{"topic", "ValueError", 0, 1000},
			{"wildcard", "MQTTException", 0, 2500},
			{"filter", "MQTTException", 0, 2500},
			{"still", "none", 0, 2500},
			{"frozen", "OSError", 1900, 5000},
			{"again", "none", 0, 10000},
			{"still", "none", 0, 10000},
			{"disconnected", "OSError", 0, 1000},
		} {
			var line string
			for line == "" {
				next := b.WaitAny(patience.Limit, want.name, "ask")
				if what, is := strings.CutPrefix(next, "ask "); is {
					asked[what]()
					b.Say("answer")
					continue
				}
				line = next
			}
			var name, exception string
			var ms int
			if _, err := fmt.Sscan(line, &name, &ms, &exception); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if exception != want.exception || ms < want.least || ms > want.most {
				t.Errorf("%s: %s after %d ms, want %s after %d to %d", name, exception, ms, want.exception, want.least, want.most)
			}
		}
		b.Wait("done")
		b.WantOK(patience.Limit)
	})
}

// garble sends nonsense to the board, as a gateway would write it.
func (r *rig) garble(p []byte) {
	r.t.Helper()
	port, err := os.OpenFile(r.line.Path(), os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := port.Write(p); err != nil {
		r.t.Error(err)
	}
	_ = port.Close()
}
