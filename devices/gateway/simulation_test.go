package gateway

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run only the simulation with this seed")
	simSeeds = flag.Uint64("sim.seeds", 400, "how many seeds to simulate")
)

// TestSimulation runs boards, a faulty line, the gateway and a broker on one
// virtual clock. What there is and what goes wrong is drawn at random from a
// seed; a failing seed prints itself and replays exactly:
//
//	go test ./devices/gateway -run TestSimulation -sim.seed 17
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if err := simulate(*simSeed, planted{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		if err := simulate(seed, planted{}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// planted are bugs that are put in to show that the simulation can fail.
type planted struct {
	duplicatesOff bool // a retransmission is a new message
	eager         bool // PUBACK before the broker's
	releaseEarly  bool // the broker's PUBACK before the board's
	noCredit      bool // rx_buffer is ignored
	noWill        bool // a lost board's session is closed orderly
	sendTwice     bool // what the broker sends again is taken for new
}

// TestSimulationFindsPlantedBugs shows that the simulation can fail.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	for name, bug := range map[string]planted{
		"duplicates are published":  {duplicatesOff: true},
		"PUBACK before the broker":  {eager: true},
		"broker acknowledged early": {releaseEarly: true},
		"rx_buffer is ignored":      {noCredit: true},
		"no will":                   {noWill: true},
		"broker's copies delivered": {sendTwice: true},
	} {
		found := false
		for seed := uint64(1); seed <= 2000 && !found; seed++ {
			found = simulate(seed, bug) != nil
		}
		if !found {
			t.Errorf("%s: not found", name)
		}
	}
}

const (
	simMessages = 25               // each way, for each board
	simFaults   = 20 * time.Second // how long faults are drawn
	simPatience = 10 * time.Minute // until everything has arrived after that
	simSteps    = 200_000          // a loop that turns more often does not wait
)

// world is everything there is in one simulation.
type world struct {
	r     *rand.Rand
	start time.Time
	now   time.Time
	soon  []happening // what happens next, unordered
	bug   planted

	gw     *Gateway
	line   simLine
	boards []*simBoard
	broker simBroker

	violations []error
}

// happening is something that happens at a time.
type happening struct {
	at time.Time
	do func()
}

func simulate(seed uint64, bug planted) error {
	start := time.Unix(1_700_000_000, 0)
	w := &world{r: rand.New(rand.NewPCG(seed, 0)), start: start, now: start, bug: bug}
	buffer := 240 * w.r.IntN(2)
	w.line = simLine{w: w, open: true, limit: buffer, calmSince: start}
	if bug.noCredit {
		buffer = 0
	}
	w.gw = New(Config{RxBuffer: buffer, MaxInflight: 4, Baud: 115200 * w.r.IntN(2)})
	w.broker = simBroker{w: w, up: true, sessions: map[NodeID]*simSession{}, clients: map[string]*simClient{}, upSince: start}
	switch w.r.IntN(3) {
	case 0: // a forwarder
		w.addBoard("n1", []byte{1})
		w.addBoard("n2", []byte{2, 2})
	default:
		w.addBoard("b", nil)
	}
	w.gw.PortOpened(w.now)
	w.after(time.Second, w.fault)
	return w.run()
}

func (w *world) faulty() bool { return w.now.Sub(w.start) < simFaults }

func (w *world) after(d time.Duration, do func()) {
	w.soon = append(w.soon, happening{w.now.Add(d), do})
}

func (w *world) delay() time.Duration { return time.Duration(1+w.r.IntN(20)) * time.Millisecond }

func (w *world) violate(format string, args ...any) {
	w.violations = append(w.violations, fmt.Errorf(format, args...))
}

// run turns the clock until everything has arrived.
func (w *world) run() error {
	for steps := 0; w.now.Sub(w.start) < simFaults+simPatience; steps++ {
		if steps > simSteps {
			return fmt.Errorf("busy without end after %v", w.now.Sub(w.start))
		}
		w.settle()
		if len(w.violations) > 0 {
			return fmt.Errorf("after %v: %w", w.now.Sub(w.start), w.violations[0])
		}
		if w.done() {
			return w.verdict()
		}
		w.step()
	}
	return fmt.Errorf("not idle: %v, %+v", w.boards, w.gw.Nodes())
}

func (w *world) done() bool {
	return !w.faulty() && !slices.ContainsFunc(w.boards, func(b *simBoard) bool { return !b.done() })
}

// step advances the clock to the next thing that happens, and does it.
func (w *world) step() {
	next := earliest(w.gw.Deadline(), earliest(w.line.up.Deadline(), w.line.down.Deadline()))
	for _, b := range w.boards {
		if !b.off {
			next = earliest(next, b.board.Deadline())
		}
	}
	first := -1
	for i := range w.soon {
		if first < 0 || w.soon[i].at.Before(w.soon[first].at) {
			first = i
		}
	}
	if first >= 0 && (next.IsZero() || !w.soon[first].at.After(next)) {
		h := w.soon[first]
		w.soon = slices.Delete(w.soon, first, first+1)
		if h.at.After(w.now) { // connections have taken a moment
			w.now = h.at
		}
		h.do()
		return
	}
	if next.After(w.now) {
		w.now = next
	}
	for _, b := range w.boards {
		if !b.off {
			b.board.Advance(w.now)
		}
	}
	if d := w.gw.Deadline(); !d.IsZero() && !d.After(w.now) {
		w.gw.Advance(w.now)
	}
	w.line.silence()
}

// settle moves what the gateway and the boards have put out.
func (w *world) settle() {
	for again := true; again; {
		again = false
		w.gw.Notices()
		for _, c := range w.gw.Commands() {
			c.Topic, c.Payload = slices.Clone(c.Topic), slices.Clone(c.Payload)
			w.broker.execute(c)
			again = true
		}
		if b, _ := w.gw.Stream(); len(b) > 0 {
			w.line.send(slices.Clone(b))
		}
		for _, b := range w.boards {
			b.settle()
		}
	}
}

// fault draws the next misfortune.
func (w *world) fault() {
	if !w.faulty() {
		return
	}
	length := time.Duration(w.r.IntN(6000)) * time.Millisecond
	b := w.boards[w.r.IntN(len(w.boards))]
	switch w.r.IntN(11) {
	case 0, 1:
		w.line.lose(length)
	case 2, 3:
		w.broker.fail(length)
	case 4:
		b.reboot()
	case 5:
		b.powerOff(2 * length)
	case 6:
		b.leave(length)
	case 7: // one misfortune seldom comes alone
		w.broker.fail(length)
		w.after(length/2, b.reboot)
	case 8, 9:
		b.nap(length)
	}
	w.after(time.Duration(w.r.IntN(4000))*time.Millisecond, w.fault)
}

// verdict looks at the whole when all is quiet.
func (w *world) verdict() error {
	for _, b := range w.boards {
		if err := b.verdict(); err != nil {
			return fmt.Errorf("board %s: %w", b.name, err)
		}
	}
	waiting := 0
	for _, n := range w.gw.nodes {
		waiting += len(n.queue)
	}
	if w.broker.released+waiting != w.broker.handed {
		return fmt.Errorf("%d messages were handed to the gateway, %d released, %d wait", w.broker.handed, w.broker.released, waiting)
	}
	return nil
}

// describeFrame is for violations.
func describeFrame(body []byte) string { return fmt.Sprintf("% x", body[:min(len(body), 16)]) }
