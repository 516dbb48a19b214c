package cable

import (
	"sync"
	"time"
)

const (
	// ahead is how many bytes a sender may be ahead of the wire, as much as the kernel keeps of a serial port's. Who writes more waits.
	ahead = 4096
	// quantum is what bytes that come one by one are put together for: a timer is no finer.
	quantum = time.Millisecond
)

// wire is one direction of a splice: bytes get in, take their time, and come out disturbed, in order. One goroutine runs it.
type wire struct {
	out func(p []byte) // runs in the wire's goroutine

	mu    sync.Mutex // of settings and faults
	baud  int        // 0: no byte takes time
	delay time.Duration
	noise disturbance

	// Owned by run.
	segments []segment
	queued   int       // bytes in segments
	free     time.Time // when the last byte that got in has left its sender
}

// segment is what got in at once, and has not come out yet.
type segment struct {
	p     []byte
	start time.Time // when its first bit begins to come out
	baud  int
	done  int // bytes of p that came out
}

// due returns when n bytes of the segment have come.
func (s *segment) due(n int) time.Time { return s.start.Add(airtime(n, s.baud)) }

// airtime is how long n bytes take, with a start and a stop bit, rounded up.
func airtime(n, baud int) time.Duration {
	if baud == 0 {
		return 0
	}
	return (time.Duration(n)*10*time.Second + time.Duration(baud-1)) / time.Duration(baud)
}

// run carries what comes from in until done is closed. Between looks at what else there is to send, which kick announces.
func (w *wire) run(in <-chan []byte, shape func(chunk []byte) []byte, kick, done <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		source := in
		if w.queued >= ahead {
			source = nil
		}
		select {
		case <-done:
			return
		case chunk := <-source:
			w.take(shape(chunk), time.Now())
		case <-kick:
			w.take(shape(nil), time.Now())
		case <-timer.C:
		}
		timer.Reset(w.deliver(time.Now()))
	}
}

// take lets bytes in.
func (w *wire) take(p []byte, now time.Time) {
	if len(p) == 0 {
		return
	}
	w.mu.Lock()
	baud, delay := w.baud, w.delay
	w.mu.Unlock()
	// The schedule is absolute: lateness of this machine does not add up.
	begin := now
	if w.free.After(begin) {
		begin = w.free
	}
	w.free = begin.Add(airtime(len(p), baud))
	start := begin.Add(delay)
	if n := len(w.segments); n > 0 { // no byte overtakes another when the delay becomes less
		if last := &w.segments[n-1]; start.Before(last.due(len(last.p))) {
			start = last.due(len(last.p))
		}
	}
	w.segments = append(w.segments, segment{p: p, start: start, baud: baud})
	w.queued += len(p)
}

// deliver lets out what has come by now, and returns after how long to look again.
func (w *wire) deliver(now time.Time) time.Duration {
	for len(w.segments) > 0 {
		s := &w.segments[0]
		n := s.arrived(now)
		if n > s.done {
			w.queued -= n - s.done
			w.emit(s.p[s.done:n])
			s.done = n
		}
		if n < len(s.p) {
			few := max(1, int(quantum/airtime(1, max(1, s.baud))))
			return max(time.Until(s.due(min(len(s.p), n+few))), 0)
		}
		w.segments = w.segments[1:]
	}
	return time.Hour
}

// arrived returns how many bytes of the segment have come.
func (s *segment) arrived(now time.Time) int {
	switch since := now.Sub(s.start); {
	case since < 0:
		return 0
	case s.baud == 0:
		return len(s.p)
	default:
		return int(min(int64(since)*int64(s.baud)/int64(10*time.Second), int64(len(s.p))))
	}
}

func (w *wire) emit(p []byte) {
	w.mu.Lock()
	p = w.noise.pass(p)
	w.mu.Unlock()
	if len(p) > 0 {
		w.out(p)
	}
}

// set changes settings.
func (w *wire) set(change func(w *wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// faults returns how many bytes were disturbed and frames lost.
func (w *wire) faults() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.noise.faults
}
