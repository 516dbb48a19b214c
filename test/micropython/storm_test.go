package micropython

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/ledger"
	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/witness"
)

var (
	stormSeed     = flag.Uint64("storm.seed", 1, "what the faults of TestNoise and TestStorm are drawn from")
	stormMessages = flag.Int("storm.messages", 1000, "how many messages each board of TestNoise sends, and how many it receives")
	stormFaults   = flag.Int("storm.faults", 20, "how many faults each board of TestStorm has")
	stormFor      = flag.Duration("storm.for", 0, "how long TestNoise and TestStorm go on, instead of a number")
)

// quietLog keeps mosquitto from logging every packet.
var quietLog = []string{"log_type none", "log_type error", "log_type warning", "log_type notice", "log_type information"}

// storm is a board that publishes and receives, in its surroundings, and the books of both.
type storm struct {
	*rig
	flavour  string
	random   *rand.Rand
	witness  *witness.Witness
	node     *interpreter.Board
	read     int // of what the board said
	arrived  int // of what the witness got
	up, down *ledger.Ledger
	given    int // messages that the board was told to send
	acked    int // of them
	reboots  int
	off      bool // the board is, on purpose
	ready    bool // it has connected and subscribed
	history  []string
}

func newStorm(t *testing.T, version, flavour string, s setup) *storm {
	t.Helper()
	s.broker = mosquitto.Config{Persistence: true, Lines: append(quietLog, witness.BrokerLines...)}
	st := &storm{
		rig: newRig(t, version, s), flavour: flavour, random: rand.New(rand.NewPCG(*stormSeed, 0)),
		up: ledger.New("m5", "up/m5"), down: ledger.New("to-m5", "down/m5"),
	}
	st.splice.Seed(*stormSeed)
	st.witness = witness.New(t, st.broker.Addr(), "witness", "up/+")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(st.history, "\n"))
		}
	})
	st.boot()
	return st
}

// boot switches the board on. It goes on with the first message that was not acknowledged.
func (s *storm) boot() {
	s.t.Helper()
	s.node = s.rig.board("storm.py", interpreter.Config{Mode: interpreter.Step}, s.flavour, "m5", strconv.Itoa(s.acked))
	s.read, s.off, s.ready = 0, false, false
	if s.given > s.acked {
		s.node.Say("%d", s.given)
	}
	if !patience.Within(3*patience.Limit, func() bool { s.take(); return s.ready }) {
		s.t.Fatal("the board does not connect")
	}
}

// give tells the board to send n messages more.
func (s *storm) give(n int) {
	s.t.Helper()
	for range n {
		s.up.Next()
	}
	s.given += n
	s.node.Say("%d", s.given)
}

// send publishes n messages for the board.
func (s *storm) send(n int) {
	for range n {
		number, text := s.down.Next()
		s.witness.Publish(s.down.Topic(), text)
		s.down.Owe(number) // the witness sees to that
	}
}

// take takes note of what has happened.
func (s *storm) take() {
	s.t.Helper()
	for _, line := range s.node.LinesFrom(s.read) {
		s.read++
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "acked":
			if rest != strconv.Itoa(s.acked) {
				s.t.Errorf("the board has acknowledged %s, want %d", rest, s.acked)
			}
			s.up.Owe(s.acked)
			s.acked++
		case "down":
			topic, payload, _ := strings.Cut(rest, " ")
			if !s.down.Arrive(witness.Message{Topic: topic, Payload: payload}) {
				s.t.Errorf("the board was given %q on %s", payload, topic)
			}
		case "Traceback", "MemoryError:":
			s.t.Fatalf("an exception in a handler; the board said, at last:\n%s", strings.Join(s.node.LinesFrom(max(0, s.read-5)), "\n"))
		case "ready":
			s.ready = true
		case "lost":
			s.did("the board says: " + line)
		}
	}
	for _, m := range s.witness.Arrived(s.arrived) {
		s.arrived++
		if !s.up.Arrive(m) {
			s.t.Errorf("the witness was given %q on %s", m.Payload, m.Topic)
		}
	}
	if s.node.Ended() && !s.off {
		s.t.Fatalf("the program has ended: %s", s.node.Stderr())
	}
}

// did notes what was done.
func (s *storm) did(what string) {
	s.history = append(s.history, time.Now().Format("15:04:05.000 ")+what)
}

// settle waits until there is nothing more to do.
func (s *storm) settle() {
	s.t.Helper()
	var waits string
	if !patience.Within(6*patience.Limit, func() bool { s.take(); waits = s.waits(); return waits == "" }) {
		s.t.Fatalf("there is still something to do: %s", waits)
	}
}

// waits says what there is still to do.
func (s *storm) waits() string {
	if s.acked < s.given {
		return fmt.Sprintf("%d messages of the board are not acknowledged", s.given-s.acked)
	}
	for _, l := range []*ledger.Ledger{s.up, s.down} {
		if n, first, _ := l.Missing(); n > 0 {
			return fmt.Sprintf("%s: %d messages, from %d on, have not arrived", l.Topic(), n, first)
		}
	}
	if n := s.witness.Unsure(); n > 0 {
		return fmt.Sprintf("%d messages of the witness are not safe", n)
	}
	return ""
}

// wantBooks demands that all is in order, and returns how often a message came again.
func (s *storm) wantBooks() (copies int) {
	s.t.Helper()
	s.up.Want(s.t)
	s.down.Want(s.t)
	copies = s.up.Copies() + s.down.Copies()
	s.t.Logf("seed %d: %d messages up, %d down, %d copies; %d bytes of the line disturbed, %d lost by the board", *stormSeed, s.up.Got(), s.down.Got(), copies, s.splice.Faults(), s.splice.Lost())
	return copies
}

// TestNoise sends messages both ways over a line that is slow, has delays, loses and alters bytes and overruns the board's receive buffer, with text between the frames.
// Each arrives, once, in its order; nothing else does.
func TestNoise(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		for i, flavour := range []string{"default", "robust", "simple"} {
			t.Run(flavour, func(t *testing.T) {
				t.Parallel()
				s := newStorm(t, version, flavour, setup{})
				s.splice.Pace([]int{115200, 921600, 460800}[i])
				s.splice.Delay(time.Millisecond, 2*time.Millisecond)
				s.splice.Buffer(256)
				noise := cable.Noise{Drop: 6e-4, Flip: 6e-4, Insert: 3e-4}
				s.splice.Disturb(noise, noise)
				end := time.Now().Add(*stormFor)
				for s.given < *stormMessages || time.Now().Before(end) {
					// All that one call of publish leaves behind stays until it returns: this interpreter collects nothing before. So it shall not be given too much meanwhile.
					s.give(20)
					s.send(20)
					s.splice.Text("\x1b[0;32mI (31337) wifi: and text between\x1b[0m\r\n")
					s.settle()
				}
				if copies := s.wantBooks(); copies > 0 {
					t.Errorf("%d messages came more than once", copies)
				}
				if s.splice.Faults() == 0 {
					t.Error("the line had no faults")
				}
				if n := s.gateway.Metric("umqttd_console_lines_total" + device); n == 0 {
					t.Error("no console text has come")
				}
				s.node.Say("end")
				s.node.WantOK(patience.Limit)
			})
		}
	})
}
