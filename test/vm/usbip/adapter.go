package usbip

import (
	"io"
	"slices"
	"sync"
	"time"
)

// bufferSize is how many bytes from the board wait for the host. What comes on top is lost, as in a real adapter, whose buffer is smaller and whose line is slower.
const bufferSize = 4096

// Adapter is one emulated adapter with a UART. Its methods may be called from any goroutine.
type Adapter struct {
	// Immutable.
	VID, PID, Serial      string
	manufacturer, product string
	chip                  chip

	// Shared: mu.
	mu      sync.Mutex
	plug    *plug      // nil: not plugged in
	pending []transfer // that the host waits for, in their order
	lines   Lines
	trace   []Transfer
	baud    int
	stalled bool
	hung    bool
	toHost  []byte
	toBoard []byte
	arrived chan struct{} // has room for one; receives when toBoard has grown
}

func newAdapter(c chip) *Adapter { return &Adapter{chip: c, arrived: make(chan struct{}, 1)} }

// Trace returns the transfers that set modem lines since it was last asked.
func (a *Adapter) Trace() []Transfer {
	a.mu.Lock()
	defer a.mu.Unlock()
	trace := a.trace
	a.trace = nil
	return trace
}

// Lines returns the modem lines as they are. Unplugging lets go of both.
func (a *Adapter) Lines() Lines {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lines
}

// Baud returns the speed that the host has set last.
func (a *Adapter) Baud() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.baud
}

// Stall makes the UART take no more bytes from the host, as a board behind flow control does, or take them again.
func (a *Adapter) Stall(stalled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stalled = stalled
	a.progress()
}

// Hang makes the adapter answer no more control requests, as firmware that has crashed, or answer them again.
func (a *Adapter) Hang(hung bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hung = hung
	a.progress()
}

// setLines does a transfer that set modem lines. The caller holds mu.
func (a *Adapter) setLines(after Lines, both bool) {
	a.trace = append(a.trace, Transfer{At: time.Now(), Before: a.lines, After: after, Both: both})
	a.lines = after
}

// serve does what the kernel asks for, until it hangs up.
func (a *Adapter) serve(kernel io.ReadWriter) {
	for {
		c, err := readCommand(kernel)
		if err != nil {
			return
		}
		a.mu.Lock()
		if c.unlink {
			a.unlink(c)
		} else {
			a.pending = append(a.pending, c.transfer)
		}
		a.progress()
		a.mu.Unlock()
	}
}

// unlink takes a transfer back. One that is done already has its answer. The caller holds mu.
func (a *Adapter) unlink(c command) {
	s := statusDone
	if i := slices.IndexFunc(a.pending, func(t transfer) bool { return t.sequence == c.victim }); i >= 0 {
		a.pending = slices.Delete(a.pending, i, i+1)
		s = statusUnlinked
	}
	a.answer(unlinked(c.sequence, s))
}

// progress does all pending transfers that can be done now, in their order. The caller holds mu.
func (a *Adapter) progress() {
	a.pending = slices.DeleteFunc(a.pending, func(t transfer) bool {
		answer, done := a.do(t)
		if done {
			a.answer(answer)
		}
		return done
	})
}

// do does one transfer and returns its answer, or false if it has to wait.
func (a *Adapter) do(t transfer) (answer []byte, done bool) {
	switch {
	case t.endpoint == endpointControl && !a.hung:
		return a.control(t), true
	case t.endpoint == endpointData && !t.in && !a.stalled:
		a.toBoard = append(a.toBoard, t.data...)
		notify(a.arrived)
		return result(t, statusDone, len(t.data), nil), true
	case t.endpoint == endpointData && t.in && len(a.toHost) > 0:
		n := min(len(a.toHost), t.length)
		answer = result(t, statusDone, n, a.toHost[:n])
		a.toHost = slices.Delete(a.toHost, 0, n)
		return answer, true
	}
	return nil, false
}

func (a *Adapter) control(t transfer) []byte {
	var reply []byte
	var known bool
	if t.setup.standard() {
		reply, known = a.standardControl(t.setup)
	} else {
		reply, known = a.chip.control(a, t.setup, t.data)
	}
	switch {
	case !known:
		return result(t, statusStall, 0, nil)
	case t.in:
		reply = reply[:min(len(reply), t.length)]
		return result(t, statusDone, len(reply), reply)
	}
	return result(t, statusDone, len(t.data), nil)
}

// answer writes to the kernel. That it has hung up serve will notice.
func (a *Adapter) answer(p []byte) { _, _ = a.plug.kernel.Write(p) }

// notify puts a token into a channel that has room for one, unless it is there.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
