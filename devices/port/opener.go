package port

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Opener opens ports and sees to it that what is closed gets closed: a tty with
// bytes that a board does not take needs up to 30 s for it (closing_wait), an
// adapter that hangs 20 s. One Opener serves all devices of a process. The zero
// value is ready to use.
type Opener struct {
	Finder Finder // where to look; the zero value is the system

	mu    sync.Mutex
	nodes map[node]nodeState // every tty that has a descriptor of ours
	work  int                // opens and closes under way
	idle  chan struct{}      // closed when work gets to 0; nil while nobody waits
}

// node identifies a device node of the kernel, whatever paths lead to it.
type node struct{ major, minor uint32 }

// pty reports whether n is a pseudo-terminal: majors 136 to 143.
func (n node) pty() bool { return n.major >= 136 && n.major <= 143 }

type nodeState string

const (
	nodeOpening nodeState = "is being opened by this gateway"
	nodeOpen    nodeState = "is already open in this gateway: two devices are on one port"
	nodeClosing nodeState = "is still being closed by this gateway, which takes the driver up to 30 s"
)

// Open finds and opens the stream that spec means. It gives up when ctx is
// done; what the driver does not let go of by then is closed later, and counts
// as closing.
func (o *Opener) Open(ctx context.Context, spec Spec) (Port, error) {
	switch spec.Kind() {
	case KindTCP:
		return portOrNil(DialTCP(ctx, spec))
	case KindUDP:
		return nil, &Error{Op: "open", Port: spec.Path, Class: ErrUnsuitable, Err: errors.New("datagrams are not a stream")}
	}
	path, err := o.Finder.Find(spec)
	if err != nil {
		return nil, err
	}
	return portOrNil(o.OpenTTY(ctx, path, spec))
}

// portOrNil makes a nil pointer a nil Port.
func portOrNil[P interface {
	Port
	comparable
}](p P, err error) (Port, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

// OpenTTY opens the tty at path with the baud and reset of spec.
func (o *Opener) OpenTTY(ctx context.Context, path string, spec Spec) (*TTY, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, openError(path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return nil, openError(path, syscall.ENOTTY)
	}
	n := node{unix.Major(st.Rdev), unix.Minor(st.Rdev)}
	if err := o.claim(n, path); err != nil {
		return nil, err
	}

	// open(2) and the ioctls may hang for seconds in a driver, so they run
	// aside. The channel has no room: a port is handed over or closed.
	done := make(chan ttyResult)
	go func() {
		defer o.workDone()
		t, err := openTTY(ctx, path, n, spec)
		if err != nil {
			o.set(n, "")
		} else {
			t.opener = o
			o.set(n, nodeOpen)
		}
		select {
		case done <- ttyResult{t, err}:
		case <-ctx.Done():
			if t != nil {
				_ = t.Close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.tty, r.err
	case <-ctx.Done():
		o.abandon(n)
		return nil, fmt.Errorf("port: open %s: %w", path, ctx.Err())
	}
}

type ttyResult struct {
	tty *TTY
	err error
}

// claim marks n as being opened, unless this process has it already.
func (o *Opener) claim(n node, path string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if state, taken := o.nodes[n]; taken {
		return &Error{Op: "open", Port: path, Class: ErrBusy, Err: errors.New("it " + string(state))}
	}
	if o.nodes == nil {
		o.nodes = make(map[node]nodeState)
	}
	o.nodes[n] = nodeOpening
	o.work++
	return nil
}

// set notes the state of n; "" forgets it.
func (o *Opener) set(n node, state nodeState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if state == "" {
		delete(o.nodes, n)
		return
	}
	o.nodes[n] = state
}

// abandon notes that nobody waits any more for n to be opened.
func (o *Opener) abandon(n node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.nodes[n] == nodeOpening {
		o.nodes[n] = nodeClosing
	}
}

// workDone tells those who wait that one open or close has ended.
func (o *Opener) workDone() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.work--
	if o.work == 0 && o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

// reap closes t in the background.
func (o *Opener) reap(t *TTY) {
	o.mu.Lock()
	o.nodes[t.node] = nodeClosing
	o.work++
	o.mu.Unlock()
	go func() {
		defer o.workDone()
		t.drain()
		t.letGo()
		o.set(t.node, "")
	}()
}

// Closing returns how many ttys are being closed, those included whose Open was
// given up while the driver hung. More than 0 for long means trouble in a driver.
func (o *Opener) Closing() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, state := range o.nodes {
		if state == nodeClosing {
			n++
		}
	}
	return n
}

// Wait returns when nothing is being opened or closed, or with ctx's error. A shutdown
// should not wait for the whole 30 s: the kernel goes on without us.
func (o *Opener) Wait(ctx context.Context) error {
	o.mu.Lock()
	if o.work == 0 {
		o.mu.Unlock()
		return nil
	}
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	o.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("port: waiting for ports to close: %w", ctx.Err())
	}
}
