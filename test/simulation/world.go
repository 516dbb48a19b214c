package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

const (
	messages = 12               // each way, for each board
	faults   = 15 * time.Second // how long faults are drawn
	patience = 10 * time.Minute // until everything has arrived after that
	maxSteps = 300_000          // a loop that turns more often does not wait

	maxInflight = 4   // of the gateway's sessions
	rxBuffer    = 240 // of a board that has one
)

// Options say how a seed is run.
type Options struct {
	Bug   Bug       // one that is planted
	Trace io.Writer // gets a line for everything that happens; nil: nobody
}

// world is everything there is in one run.
type world struct {
	r       *rand.Rand
	bug     Bug
	trace   trace
	start   time.Time
	now     time.Time
	agenda  agenda
	planned uint64

	outbox bool // the gateway has one
	mortal bool // the gateway is killed now and then
	buffer int  // rx_buffer; 0: boards take any number of bytes
	baud   int  // 0: bytes take no time

	line     line
	boards   []*boardHost
	broker   broker
	disk     simdisk.Disk
	process  *process // nil: the gateway does not run
	books    books
	faulty   bool
	kills    int           // of the gateway
	cutPause time.Duration // how long the machine is down after cutPower
	trouble  time.Time     // when something last went wrong but with a board
	blame    error
}

// Run runs one seed. It returns what did not hold, or nil.
func Run(seed uint64, o Options) error {
	start := time.Unix(1_700_000_000, 0)
	w := &world{
		r: rand.New(rand.NewPCG(seed, 0)), bug: o.Bug, trace: trace{o.Trace, start},
		start: start, now: start, faulty: true,
	}
	w.outbox, w.mortal = !w.one(4), !w.one(3)
	w.buffer = rxBuffer * w.r.IntN(2)
	w.baud = []int{0, 9600, 115200}[w.r.IntN(3)]
	w.books.w, w.line.w, w.broker.w = w, w, w
	w.line.plug()
	w.broker.start()
	if w.one(3) { // a forwarder
		w.addBoard("n1", []byte{1})
		w.addBoard("n2", []byte{2, 2})
	} else {
		w.addBoard("b", nil)
	}
	w.tracef("outbox %v, mortal %v, buffer %d, %d baud", w.outbox, w.mortal, w.buffer, w.baud)
	for _, b := range w.boards {
		w.tracef("%s: clean %v, asks %v, will %v, window %d", b.name, b.cfg.CleanSession, b.cfg.AskSession, b.cfg.Will != nil, b.cfg.Window)
	}
	w.startProcess()
	w.after(time.Second, w.fault)
	w.after(faults, w.calm)
	return w.run()
}

// calm ends the faults.
func (w *world) calm() {
	w.tracef("faults end")
	w.faulty = false
	w.disk.Fail = nil
}

// violate notes that something does not hold.
func (w *world) violate(format string, args ...any) {
	if w.blame == nil {
		w.blame = fmt.Errorf(format, args...)
		w.tracef("VIOLATION: %v", w.blame)
	}
}

// run turns the clock until everything has arrived and nothing moves.
func (w *world) run() error {
	var quiet time.Time // since then
	for steps := 0; w.now.Sub(w.start) < faults+patience; steps++ {
		if w.settle(); w.blame != nil {
			return fmt.Errorf("after %v: %w", w.now.Sub(w.start), w.blame)
		}
		switch {
		case steps > maxSteps:
			return fmt.Errorf("busy without end after %v: %s", w.now.Sub(w.start), w.unfinished())
		case w.faulty || w.unfinished() != "":
			quiet = time.Time{}
		case quiet.IsZero():
			quiet = w.now
		case w.now.Sub(quiet) > settled:
			return w.books.verdict()
		}
		w.step()
	}
	return fmt.Errorf("not idle: %s", w.unfinished())
}

// settled is how long everything must be as it should before it is believed.
const settled = 3 * time.Second

// settle moves what everybody has put out.
func (w *world) settle() {
	for again := true; again; {
		again = w.process != nil && w.process.settle()
		for _, b := range w.boards {
			again = b.settle() || again
		}
	}
}

// unfinished says what is still under way, or nothing.
func (w *world) unfinished() string {
	for _, b := range w.boards {
		if what := b.unfinished(); what != "" {
			return fmt.Sprintf("board %s: %s", b.name, what)
		}
	}
	if w.process == nil {
		return "the gateway does not run"
	}
	if what := w.process.unfinished(); what != "" {
		return what
	}
	return w.broker.unfinished()
}

// fault draws the next misfortune.
func (w *world) fault() {
	if !w.faulty {
		return
	}
	length := w.within(6 * time.Second)
	b := w.boards[w.r.IntN(len(w.boards))]
	switch w.r.IntN(16) {
	case 0, 1:
		w.line.unplug(length)
	case 2:
		w.broker.stop(length, false)
	case 3:
		w.broker.stop(length, true)
	case 4:
		b.reset()
	case 5:
		b.powerOff(3 * length)
	case 6:
		b.leave(length)
	case 7: // one misfortune seldom comes alone
		w.broker.stop(length, false)
		w.after(length/2, b.reset)
	case 8, 9:
		w.broker.cut()
	case 10:
		w.kill(length/2, w.one(2))
	case 11:
		w.broker.stop(2*length, false)
		w.after(w.within(length), func() { w.kill(length/4, true) })
	case 12:
		w.cutPower(length / 4)
	case 13:
		w.breakDisk(length)
	case 14, 15:
		b.sleep(2 * length)
	}
	w.after(w.within(4*time.Second), w.fault)
}

// inOrder returns the keys of a map, sorted.
func inOrder[K ~uint32 | ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
