package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/ledger"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
	"github.com/umqttd/umqttd/test/witness"
)

var (
	stormSeed   = flag.Uint64("storm.seed", 1, "what the faults of TestStorm are drawn from")
	stormFaults = flag.Int("storm.faults", 60, "how many faults TestStorm has")
	stormFor    = flag.Duration("storm.for", 0, "how long TestStorm goes on, instead of a number of faults")
)

// TestStorm lets boards publish and receive while everything around them fails, at moments drawn at random: umqttd is killed with SIGKILL, the broker is stopped,
// killed and frozen, ports are unplugged, boards lose their power. What was acknowledged to a board arrives, in its order, and nothing else does; and so does what
// the broker has for a board. The seed decides what fails next; when exactly it does is up to the machine.
//
//	go test ./test/e2e -run TestStorm -v -storm.seed 7 -storm.for 10m
func TestStorm(t *testing.T) {
	t.Parallel()
	s := newStorm(t)
	t.Logf("seed %d", *stormSeed)
	end := time.Now().Add(*stormFor)
	for n := 0; n < *stormFaults || *stormFor > 0; n++ {
		if *stormFor > 0 && time.Now().After(end) {
			break
		}
		s.progress(1 + s.random.IntN(60))
		s.fail()
		if s.backlog() > maxBacklog {
			s.calm()
		}
	}
	s.calm()
	for _, b := range s.boards {
		b.up.Want(t)
		b.down.Want(t)
		t.Logf("%s: %d messages up, %d copies; %d down, %d copies", b.name, b.up.Got(), b.up.Copies(), b.down.Got(), b.down.Copies())
	}
	t.Logf("faults: %v", s.faults)
}

// happening is something that was done to somebody.
type happening struct {
	at   time.Time
	what string
}

// did notes it.
func (s *storm) did(what string) { s.history = append(s.history, happening{time.Now(), what}) }

// around says what was done in the moments around a time.
func (s *storm) around(at time.Time) string {
	const moment = 2 * time.Second
	var b strings.Builder
	for _, h := range s.history {
		if since := h.at.Sub(at); since > -moment && since < moment {
			fmt.Fprintf(&b, "\n%v %s", since, h.what)
		}
	}
	return b.String()
}

// maxBacklog is how many messages may be on their way when the next fault comes. A mosquitto that saves all it has after every message takes the longer for one the
// more there are, and umqttd starts its replay where it was a second before it was killed: a storm without a lull would show only how slow that becomes.
const maxBacklog = 1000

// storm is everything there is.
type storm struct {
	t       *testing.T
	random  *rand.Rand
	broker  *mosquitto.Broker
	gateway *umqttd.Gateway
	witness *witness.Witness
	boards  []*stormBoard
	taken   int // of what arrived at the witness
	acked   int // messages, in all
	faults  map[string]int
	history []happening
	state   string // of the broker: up, down, frozen
}

// stormBoard is a place for a board, and who is there.
type stormBoard struct {
	s       *storm
	name    string
	cfg     board.Config
	line    *cable.Cable
	plugged bool
	board   *cable.Board
	up      *ledger.Ledger
	down    *ledger.Ledger
}

func newStorm(t *testing.T) *storm {
	s := &storm{
		t: t, random: rand.New(rand.NewPCG(*stormSeed, 0)), faults: make(map[string]int), state: "up",
		broker: mosquitto.Start(t, mosquitto.Config{Persistence: true, Lines: append(quietLog, witness.BrokerLines...)}),
	}
	s.witness = witness.New(t, s.broker.Addr(), "witness", "up/+")
	var config strings.Builder
	fmt.Fprintf(&config, "broker: {url: %q, reconnect: {min: 20ms, max: 200ms}}\ngateway: gw\noutbox: {dir: %s}\ndevices:\n", s.broker.URL(), t.TempDir())
	for i, cfg := range []board.Config{{AskSession: true}, {Window: 4}, {CleanSession: true}, {CleanSession: true, Window: 4}} {
		cfg.ClientID = fmt.Sprintf("m%d", i)
		cfg.KeepAlive, cfg.MaxQueue = 10*time.Second, 64
		b := &stormBoard{
			s: s, name: cfg.ClientID, cfg: cfg, line: cable.New(t), plugged: true,
			up: ledger.New(cfg.ClientID, "up/"+cfg.ClientID), down: ledger.New("to-"+cfg.ClientID, "down/"+cfg.ClientID),
		}
		fmt.Fprintf(&config, "  - {name: %s, port: %s}\n", b.name, b.line.Path())
		s.boards = append(s.boards, b)
	}
	s.gateway = umqttd.Start(t, program, config.String())
	for _, b := range s.boards {
		s.gateway.WaitMetric(fmt.Sprintf("umqttd_device_up{device=%q}", b.name), 1)
		b.board = cable.NewBoard(t, b.line, b.cfg)
		b.board.Wait(board.Connected, 1)
		if !b.cfg.CleanSession {
			b.board.Subscribe(b.down.Topic(), 1)
		}
	}
	s.witness.Publish("settled", "") // what the boards subscribed to is on the broker's disk then
	patience.Wait(t, "the subscriptions are safe", func() bool { return s.witness.Unsure() == 0 })
	return s
}

// quietLog keeps mosquitto from logging every packet.
var quietLog = []string{"log_type none", "log_type error", "log_type warning", "log_type notice", "log_type information"}

// turn gives the boards something to do, and takes note of what has happened.
func (s *storm) turn(more bool) {
	for _, b := range s.boards {
		b.note()
		if !more {
			continue
		}
		for range min(2, b.board.Room()-32) {
			number, text := b.up.Next()
			b.board.Publish(board.Message{Topic: b.up.Topic(), Data: []byte(text), QoS: 1, Token: uint64(number)})
		}
		if !b.cfg.CleanSession && b.down.Outstanding() < 50 { // no more than the broker sends again in one go
			number, text := b.down.Next()
			s.witness.Publish(b.down.Topic(), text)
			b.down.Owe(number) // the witness sees to that
		}
	}
	for _, m := range s.witness.Arrived(s.taken) {
		s.taken++
		known := false
		for _, b := range s.boards {
			known = known || b.up.Arrive(m)
		}
		if !known {
			s.t.Errorf("the witness was given %q on %s", m.Payload, m.Topic)
		}
	}
}

// note takes note of what has happened to a board.
func (b *stormBoard) note() {
	for _, ev := range b.board.Drain() {
		switch ev.Kind {
		case board.Published:
			b.up.Owe(int(ev.Token))
			b.s.acked++
		case board.Dropped:
			b.s.t.Errorf("%s: message %d was refused: %v", b.name, ev.Token, ev.ReturnCode)
		case board.Received:
			if !b.down.Arrive(witness.Message{Topic: ev.Topic, Payload: string(ev.Data)}) {
				b.s.t.Errorf("%s was given %q on %s", b.name, ev.Data, ev.Topic)
			}
		}
	}
}

// progress waits until boards have got n acknowledgements more.
func (s *storm) progress(n int) {
	s.t.Helper()
	want := s.acked + n
	if !patience.Within(patience.Limit, func() bool { s.turn(true); return s.acked >= want }) {
		s.t.Fatalf("%d acknowledgements are missing after %v; the broker is %s", want-s.acked, patience.Limit, s.state)
	}
}

// fail makes the next fault, or ends one.
func (s *storm) fail() {
	s.t.Helper()
	b := s.boards[s.random.IntN(len(s.boards))]
	switch s.random.IntN(8) {
	case 0, 1, 2:
		s.faults["umqttd killed"]++
		s.did("kill umqttd")
		s.gateway.Kill()
		s.gateway.Restart()
		s.did("umqttd is ready")
	case 3, 4:
		s.failBroker()
	case 5, 6:
		b.replug()
	case 7:
		s.faults["power cut off"]++
		s.did("switch off " + b.name)
		b.board.PowerOff()
		b.note()
		b.board = cable.NewBoard(s.t, b.line, b.cfg)
	}
}

// failBroker takes the broker away, or brings it back.
func (s *storm) failBroker() {
	s.t.Helper()
	switch {
	case s.state == "down":
		s.broker.Restart()
		s.did("the broker is back")
		s.state = "up"
		return
	case s.state == "frozen" && s.random.IntN(2) == 0:
		s.did("wake the broker")
		s.broker.Resume()
		s.state = "up"
		return
	}
	next := s.random.IntN(3)
	switch {
	case next == 0 && s.state == "up":
		s.faults["broker frozen"]++
		s.did("freeze the broker")
		s.broker.Pause()
		s.state = "frozen"
	case next == 1 && s.state == "up":
		s.faults["broker stopped"]++
		s.did("stop the broker")
		s.broker.Stop()
		s.state = "down"
	default:
		// Only now is what it forgets no loss of umqttd's: see package witness.
		if s.state == "up" {
			patience.Wait(s.t, "the witness is there", s.witness.Online)
		}
		if !s.witness.Online() {
			return
		}
		s.faults["broker killed"]++
		s.did("kill the broker")
		s.broker.Kill()
		s.state = "down"
	}
}

// replug pulls the cable, or plugs it in.
func (b *stormBoard) replug() {
	if b.plugged {
		b.s.faults["port unplugged"]++
		b.s.did("unplug " + b.name)
		b.line.Unplug()
	} else {
		b.s.did("plug in " + b.name)
		b.line.Plug()
	}
	b.plugged = !b.plugged
	for _, other := range b.s.boards {
		if other.plugged {
			return
		}
	}
	b.replug() // somebody must be there
}

// calm ends all faults, and waits until there is nothing more to do.
func (s *storm) calm() {
	s.t.Helper()
	switch s.state {
	case "down":
		s.broker.Restart()
	case "frozen":
		s.broker.Resume()
	}
	s.state = "up"
	for _, b := range s.boards {
		if !b.plugged {
			b.replug()
		}
	}
	var waits string
	idle := patience.Within(3*patience.Limit, func() bool {
		s.turn(false)
		waits = s.waits()
		return waits == ""
	})
	if !idle {
		s.t.Fatalf("%v after the last fault there is still something to do: %s", 3*patience.Limit, waits)
	}
}

// backlog returns how many messages have been acknowledged and have not arrived.
func (s *storm) backlog() int {
	total := 0
	for _, b := range s.boards {
		up, _, _ := b.up.Missing()
		down, _, _ := b.down.Missing()
		total += up + down
	}
	return total
}

// waits says what there is still to do.
func (s *storm) waits() string {
	if n := s.witness.Unsure(); n > 0 {
		return fmt.Sprintf("%d messages of the witness are not safe", n)
	}
	for _, b := range s.boards {
		if n := b.cfg.MaxQueue - b.board.Room(); n > 0 {
			return fmt.Sprintf("%s has %d messages that are not acknowledged", b.name, n)
		}
		if n, first, since := b.up.Missing(); n > 0 {
			return fmt.Sprintf("%s: %d messages, from %d on, have not arrived", b.up.Topic(), n, first) + s.around(since)
		}
		if n, first, since := b.down.Missing(); n > 0 {
			return fmt.Sprintf("%s: %d messages, from %d on, have not arrived", b.down.Topic(), n, first) + s.around(since)
		}
	}
	for _, b := range s.boards {
		if n := s.gateway.Metric(fmt.Sprintf("umqttd_outbox_messages{device=%q}", b.name)); n != 0 {
			return fmt.Sprintf("%s has %g messages in its outbox", b.name, n)
		}
	}
	return ""
}
