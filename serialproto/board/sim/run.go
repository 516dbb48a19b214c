package sim

import (
	"context"
	"io"
	"math"
	"sync"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
)

// stopPatience is how long a line that takes no bytes may keep a board from
// stopping.
const stopPatience = 3 * time.Second

// Run puts the board on a line and runs it until ctx is done or its Program has
// come to an end; then the board says DISCONNECT, and Run returns nil. If the
// line fails, Run returns its error. Run may be called again with another line,
// as when a cable is pulled and put back: the board had power all the time.
//
// Run closes the line, and has waited for its goroutines when it returns. Close
// of the line must end a Read and a Write that wait.
func (s *Sim) Run(ctx context.Context, line io.ReadWriteCloser) error {
	r := newReader(line)
	go r.run()
	defer r.wait()
	var once sync.Once
	hangUp := func() { once.Do(func() { _ = line.Close() }) }
	defer hangUp()
	stuck := time.AfterFunc(math.MaxInt64, hangUp)
	defer stuck.Stop()
	defer context.AfterFunc(ctx, func() { stuck.Reset(stopPatience) })()

	s.powerOn(time.Now())
	err := s.loop(ctx, line, r)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// powerOn starts the board, or goes on with it on another line.
func (s *Sim) powerOn(now time.Time) {
	if !s.powered {
		s.powered = true
		s.console.start(now)
	}
	s.over, s.program.leaving = false, false
	s.rx.clear()
	s.board.Start(now)
}

// loop: do what is due, sleep until the next deadline or until something comes.
func (s *Sim) loop(ctx context.Context, line io.Writer, r *reader) error {
	stop := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		if err := s.turn(now, line); err != nil {
			return err
		}
		if s.over {
			return nil
		}
		sleep(timer, s.deadline())
		chunks := r.chunks
		if s.rx.full() {
			chunks = nil // a slow line makes the host wait
		}
		select {
		case <-stop:
			stop = nil
			s.program.leaving = true
			s.board.Disconnect(time.Now())
		case chunk, ok := <-chunks:
			if !ok {
				return r.err
			}
			s.rx.send(time.Now(), func(dst []byte) []byte { return s.rxFault.appendDamaged(dst, chunk) })
			r.free <- chunk // never waits: there is one
		case call := <-s.calls:
			call(time.Now(), s.board)
		case <-timer.C:
		}
	}
}

// turn does everything that is due now.
func (s *Sim) turn(now time.Time, line io.Writer) error {
	s.receive(now)
	s.board.Advance(now)
	s.events(now)
	s.program.run(now, s.board)
	for {
		if !s.tx.busy() && !s.next(now) {
			return nil
		}
		s.events(now)
		if due := s.tx.due(now); len(due) > 0 {
			if _, err := line.Write(due); err != nil {
				return err
			}
		}
		if s.tx.busy() {
			return nil
		}
	}
}

// receive reads the ring and hands frames to the board.
func (s *Sim) receive(now time.Time) {
	before := s.rx.overruns
	s.read = s.rx.read(s.read[:0], now)
	if n := s.rx.overruns - before; n > 0 {
		s.observe(Observation{Kind: Overrun, At: now, Bytes: n})
	}
	s.decoder.Feed(s.read, now)
	for ev, ok := s.decoder.Next(); ok; ev, ok = s.decoder.Next() {
		switch {
		case ev.Kind != serialproto.Frame:
			s.observe(Observation{Kind: Noise, At: now, Body: ev.Body})
		case s.rxFault.loses():
			s.observe(Observation{Kind: Missed, At: now, Body: ev.Body})
		default:
			s.observe(Observation{Kind: Received, At: now, Body: ev.Body})
			s.board.Receive(now, ev.Body)
			s.events(now)
		}
	}
}

// next begins to send what comes next: text, or a message. It reports whether
// there was something.
func (s *Sim) next(now time.Time) bool {
	if text := s.console.text(now); text != "" {
		s.observe(Observation{Kind: Printed, At: now, Body: []byte(text)})
		s.tx.load(now, func(dst []byte) []byte { return s.txFault.appendDamaged(dst, []byte(text)) })
		return true
	}
	body, ok := s.board.Next(now)
	if !ok {
		return false
	}
	s.frame = serialproto.AppendFrame(s.frame[:0], body)
	kind, lost := Sent, s.txFault.loses()
	if lost {
		kind = Lost
	}
	s.observe(Observation{Kind: kind, At: now, Body: body})
	s.tx.load(now, func(dst []byte) []byte { return s.txFault.appendDamaged(dst, s.frame) })
	s.tx.mute = lost
	return true
}

// events deals with what the board reports.
func (s *Sim) events(now time.Time) {
	for _, e := range s.board.Events() {
		s.observe(Observation{Kind: Happened, At: now, Event: e})
		s.program.event(now, s.board, e)
		if s.cfg.OnEvent != nil {
			s.cfg.OnEvent(now, s.board, e)
		}
		if e.Kind == board.Disconnected && e.Reason == board.ByBoard {
			s.over = true
		}
	}
}

// deadline returns when the next turn is due, or the zero time.
func (s *Sim) deadline() time.Time {
	line := s.tx.next()
	if !s.tx.busy() {
		line = s.console.at
	}
	var first time.Time
	for _, t := range [...]time.Time{s.board.Deadline(), s.program.deadline(s.board), s.rx.next(), line} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// sleep sets timer to t; the zero time stops it.
func sleep(timer *time.Timer, t time.Time) {
	if t.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(time.Until(t))
}

// reader reads from the line, one chunk at a time.
type reader struct {
	line   io.Reader
	chunks chan []byte   // closed at the end, then err is set
	free   chan []byte   // the chunk that may be read into
	quit   chan struct{} // closed when nobody takes chunks any more
	done   chan struct{}
	err    error
}

func newReader(line io.Reader) *reader {
	r := &reader{
		line: line, chunks: make(chan []byte), free: make(chan []byte, 1),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	r.free <- make([]byte, hostBuffer)
	return r
}

func (r *reader) run() {
	defer close(r.done)
	defer close(r.chunks)
	for {
		var buf []byte
		select {
		case buf = <-r.free:
		case <-r.quit:
			return
		}
		buf = buf[:cap(buf)]
		n, err := r.line.Read(buf)
		if n > 0 {
			select {
			case r.chunks <- buf[:n]:
			case <-r.quit:
				return
			}
		}
		if err != nil {
			r.err = err
			return
		}
	}
}

// wait ends run. The line must be closed.
func (r *reader) wait() {
	close(r.quit)
	<-r.done
}
