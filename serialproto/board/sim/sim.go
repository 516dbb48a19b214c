package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
)

// Config says what is simulated. Zero values are the defaults: a fast and
// faultless line, and a program that does nothing.
type Config struct {
	Board   board.Config // its Baud is set to that of Line
	Line    Line
	Faults  Faults
	Console Console
	Program Program

	// Seed makes faults and values repeatable. Zero is a seed like any other.
	Seed uint64

	// Observe is told of everything that happens, by the goroutine of Run. Nil:
	// nobody is.
	Observe func(Observation)

	// OnEvent is given every event of the board, by the goroutine of Run. It may
	// call Publish, Subscribe, Unsubscribe, AskTime, Sleep, Wake, Start and
	// Disconnect of b, and update its will. Nil:
	// the Program is all there is.
	OnEvent func(now time.Time, b *board.Board, e board.Event)
}

// Line is the serial line as the board sees it.
type Line struct {
	// Baud is its speed in bit/s. Zero: bytes take no time and none are lost to
	// a full ring, as on native USB.
	Baud int

	// Ring is the size of the receive ring in bytes. Zero: 256.
	Ring int

	// Poll is how often the program reads the ring. Zero: always, so that it is
	// never full.
	Poll time.Duration
}

// Sim is one simulated board. Make it with New, run it with Run.
type Sim struct {
	cfg     Config
	board   *board.Board
	decoder serialproto.Decoder
	program program
	console console
	tx      transmitter
	rx      receiver
	txFault faults
	rxFault faults
	calls   chan func(time.Time, *board.Board)

	read  []byte // what was read from the ring
	frame []byte

	powered bool
	over    bool // the board has disconnected, and that was wanted
}

// New returns a board that is not powered yet. The error says what in cfg is
// out of range.
func New(cfg Config) (*Sim, error) {
	cfg.Board.Baud = cfg.Line.Baud
	switch {
	case cfg.Line.Ring < 0 || cfg.Line.Poll < 0:
		return nil, fmt.Errorf("sim: negative size of the ring or time between looks at it")
	case cfg.Program.Sleep < 0:
		return nil, fmt.Errorf("sim: negative time of sleep")
	case !cfg.Faults.valid():
		return nil, fmt.Errorf("sim: faults are probabilities between 0 and 1")
	}
	if cfg.Line.Ring == 0 {
		cfg.Line.Ring = 256
	}
	b, err := board.New(cfg.Board)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	s := &Sim{cfg: cfg, board: b, calls: make(chan func(time.Time, *board.Board))}
	s.program = newProgram(cfg.Program, rand.New(rand.NewPCG(cfg.Seed, 3)))
	if err := s.program.check(cfg.Board); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	for _, filter := range cfg.Program.Commands {
		if err := b.Subscribe(filter, 1); err != nil {
			return nil, fmt.Errorf("sim: subscribe to %q: %w", filter, err)
		}
	}
	s.console = newConsole(cfg.Console)
	s.decoder.MaxFrame = cfg.Board.MaxFrame
	s.tx.perByte = perByte(cfg.Line.Baud)
	s.rx = receiver{perByte: perByte(cfg.Line.Baud), size: cfg.Line.Ring, poll: cfg.Line.Poll}
	s.txFault = faults{cfg.Faults, rand.New(rand.NewPCG(cfg.Seed, 1))}
	s.rxFault = faults{cfg.Faults, rand.New(rand.NewPCG(cfg.Seed, 2))}
	return s, nil
}

// Do has f called by the goroutine of Run, which may be started later, and
// waits for that. It returns false if ctx was done first. f may call what
// Config.OnEvent may call.
func (s *Sim) Do(ctx context.Context, f func(now time.Time, b *board.Board)) bool {
	done := make(chan struct{})
	call := func(now time.Time, b *board.Board) {
		defer close(done)
		f(now, b)
	}
	select {
	case s.calls <- call:
		<-done
		return true
	case <-ctx.Done():
		return false
	}
}

// Overruns returns how many bytes the receive ring has lost. Call it from
// Observe, OnEvent, Do or when Run has returned.
func (s *Sim) Overruns() int { return s.rx.overruns }

// observe tells the observer.
func (s *Sim) observe(o Observation) {
	if s.cfg.Observe != nil {
		s.cfg.Observe(o)
	}
}
