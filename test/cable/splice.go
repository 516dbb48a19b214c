package cable

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// settled is when what was written to a pty is counted as unread, or has been read: the kernel moves it from one end to the other in its own time.
const settled = time.Millisecond

// Splice links a cable with a pty of the board's, for boards that are programs of their own, and stands between as the wire does. Its methods may be called by any
// goroutine; Write and In of the cable belong to the splice.
type Splice struct {
	t     testing.TB
	line  *Cable
	board *os.File // the master of the board's pty
	slave *os.File // kept open: the terminal's settings last as long
	done  chan struct{}
	ended sync.WaitGroup
	kick  chan struct{} // there is text to send

	up, down *wire
	gaps     gaps // owned by up

	mu     sync.Mutex
	buffer int // of the board; 0: unbounded
	texts  []string
	lost   int // bytes that the board had no room for
	// Bytes that the board has not read yet are at most so many, and this was when some were added.
	unread int
	wrote  time.Time
}

// NewSplice lays a wire from a cable to a pty for a board. It has no faults, and takes no time. Both ends are there until the test ends.
func NewSplice(t testing.TB, line *Cable) *Splice {
	t.Helper()
	board, slave, err := OpenPTY()
	if err != nil {
		t.Fatalf("cable: %v", err)
	}
	s := &Splice{t: t, line: line, board: board, slave: slave, done: make(chan struct{}), kick: make(chan struct{}, 1)}
	s.up, s.down = &wire{out: line.Write}, &wire{out: s.arrive}
	s.Seed(0)
	sent := make(chan []byte)
	s.ended.Go(func() { s.read(sent) })
	s.ended.Go(func() { s.up.run(sent, s.say, s.kick, s.done) })
	s.ended.Go(func() { s.down.run(line.In(), func(p []byte) []byte { return p }, nil, s.done) })
	t.Cleanup(func() {
		close(s.done)
		_ = board.Close()
		s.ended.Wait()
		_ = slave.Close()
	})
	return s
}

// BoardPath returns where the board finds its end. It is raw. One board after another may open it; what it says and what it has not read stays, as in a computer's
// serial port, unless Flush forgets it.
func (s *Splice) BoardPath() string { return s.slave.Name() }

// Seed begins another sequence of faults. The same bytes have the same faults then, in every run.
func (s *Splice) Seed(seed uint64) {
	s.up.set(func(w *wire) { w.noise.seed(seed, 1) })
	s.down.set(func(w *wire) { w.noise.seed(seed, 2) })
}

// Disturb says what happens to bytes and frames from now on, towards the gateway and towards the board.
func (s *Splice) Disturb(up, down Noise) {
	s.up.set(func(w *wire) { w.noise.Noise = up })
	s.down.set(func(w *wire) { w.noise.Noise = down })
}

// Pace gives the wire a speed, for both directions: 10 bits a byte. With 0 no byte takes time. A board that writes faster finds the pty full in the end, which
// holds far more than a UART does (64 KiB); the gateway waits as it does for a serial port.
func (s *Splice) Pace(baud int) {
	s.up.set(func(w *wire) { w.baud = baud })
	s.down.set(func(w *wire) { w.baud = baud })
}

// Delay makes what is sent from now on come later, towards the gateway and towards the board.
func (s *Splice) Delay(up, down time.Duration) {
	s.up.set(func(w *wire) { w.delay = up })
	s.down.set(func(w *wire) { w.delay = down })
}

// Buffer gives the board a receive buffer: what arrives while n bytes are unread is lost. With 0 it is as large as a pty's, and what does not fit waits for a while
// before it is lost.
func (s *Splice) Buffer(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer = n
}

// Text sends console text towards the gateway, as soon as the board is between two frames.
func (s *Splice) Text(text string) {
	s.mu.Lock()
	s.texts = append(s.texts, text)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Flush forgets what the board has not read, and what it wrote and is not on the wire: the buffers of a chip that is reset.
func (s *Splice) Flush() {
	s.t.Helper()
	if err := unix.IoctlSetInt(int(s.slave.Fd()), unix.TCFLSH, unix.TCIOFLUSH); err != nil {
		s.t.Errorf("cable: TCFLSH: %v", err)
	}
}

// Lost returns how many bytes the board has lost because its receive buffer was full.
func (s *Splice) Lost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Faults returns how many bytes were dropped, altered or invented, and frames lost, in both directions.
func (s *Splice) Faults() int { return s.up.faults() + s.down.faults() }

// Unread returns how many bytes wait for the board to read them.
func (s *Splice) Unread() int {
	n, err := unix.IoctlGetInt(int(s.slave.Fd()), unix.TIOCINQ)
	if err != nil {
		s.t.Errorf("cable: TIOCINQ: %v", err)
	}
	return n
}

// read hands on what the board writes.
func (s *Splice) read(sent chan<- []byte) {
	for {
		buf := make([]byte, ahead)
		n, err := s.board.Read(buf)
		if err != nil {
			return
		}
		select {
		case sent <- buf[:n]:
		case <-s.done:
			return
		}
	}
}

// say puts text that waits between the frames of a chunk.
func (s *Splice) say(chunk []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	chunk, s.texts = s.gaps.fill(chunk, s.texts)
	return chunk
}

// arrive gives the board bytes, as many as it has room for.
func (s *Splice) arrive(p []byte) {
	s.mu.Lock()
	room := s.room(len(p))
	wait := time.Duration(0)
	if s.buffer == 0 {
		wait = lost
	}
	s.mu.Unlock()
	n := s.write(p[:room], wait)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += len(p) - n
	s.unread += n
	s.wrote = time.Now()
}

// room returns how many of n bytes fit into the board's receive buffer.
func (s *Splice) room(n int) int {
	if s.buffer == 0 {
		return n
	}
	if s.unread+n > s.buffer {
		s.look()
	}
	return max(0, min(n, s.buffer-s.unread))
}

// look counts what is unread.
func (s *Splice) look() {
	if wait := settled - time.Since(s.wrote); wait > 0 {
		select {
		case <-time.After(wait):
		case <-s.done:
		}
	}
	s.unread = s.Unread()
}

// write writes to the board's pty what that takes within a time, and returns how much that was.
func (s *Splice) write(p []byte, wait time.Duration) int {
	_ = s.board.SetWriteDeadline(time.Now().Add(wait + settled))
	n, err := s.board.Write(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
		s.t.Errorf("cable: %v", err)
	}
	return n
}
