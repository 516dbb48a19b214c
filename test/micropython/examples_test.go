package micropython

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/witness"
)

// TestExamples runs the examples as they are shipped, each for as long as it takes to see that it does what it says.
func TestExamples(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			name, filter string
			mode         interpreter.Mode
			try          func(t *testing.T, b *interpreter.Board, w *witness.Witness)
		}{
			{"m5stack", "m5-desk/#", interpreter.Once, tryM5Stack},
			{"simple", "foo_topic", interpreter.Once, trySimple},
			{"robust", "sensors/attic/clock", interpreter.Once, tryRobust},
			{"tasks", "sensors/cellar/count", interpreter.Tasks, tryTasks},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, version, setup{broker: mosquitto.Config{Persistence: true, Lines: append(quietLog, witness.BrokerLines...)}})
				w := witness.New(t, r.broker.Addr(), "witness", test.filter)
				b := r.board(filepath.Join("../../../clients/micropython/examples", test.name+".py"), interpreter.Config{
					Mode: test.mode, Libraries: []string{filepath.Join("testdata", "m5")}, Heap: 1 << 20, Loose: true,
				})
				test.try(t, b, w)
			})
		}
	})
}

// arrives waits for a message.
func arrives(t *testing.T, w *witness.Witness, topic string, payloads ...string) {
	t.Helper()
	ok := patience.Within(patience.Limit, func() bool {
		return slices.ContainsFunc(w.Arrived(0), func(m witness.Message) bool {
			return m.Topic == topic && (len(payloads) == 0 || slices.Contains(payloads, m.Payload))
		})
	})
	if !ok {
		t.Fatalf("no %q on %s; there is %q", payloads, topic, w.Arrived(0))
	}
}

// prints waits for a line.
func prints(t *testing.T, b *interpreter.Board, line string) {
	t.Helper()
	if !patience.Within(patience.Limit, func() bool { return slices.Contains(b.Lines(), line) }) {
		t.Fatalf("the board has not said %q, but %q", line, b.Lines())
	}
}

func tryM5Stack(t *testing.T, b *interpreter.Board, w *witness.Witness) {
	arrives(t, w, "m5-desk/status", "online")
	b.Say("press")
	arrives(t, w, "m5-desk/presses", "1")
	w.Publish("m5-desk/display/set", "hello")
	prints(t, b, "m5-desk/display/set: hello")
}

func trySimple(t *testing.T, b *interpreter.Board, w *witness.Witness) {
	arrives(t, w, "foo_topic", "hello")
	prints(t, b, "(b'foo_topic', b'hello')")
	b.WantOK(patience.Limit)
}

func tryRobust(t *testing.T, _ *interpreter.Board, w *witness.Witness) {
	arrives(t, w, "sensors/attic/clock")
}

func tryTasks(t *testing.T, b *interpreter.Board, w *witness.Witness) {
	arrives(t, w, "sensors/cellar/count", "2")
	w.Publish("commands/cellar/lamp", "on")
	prints(t, b, "b'commands/cellar/lamp' b'on'")
}
