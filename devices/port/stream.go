package port

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor is what os.File and net.TCPConn have in common.
type descriptor interface {
	io.ReadWriter
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// stream moves the bytes of one descriptor that is on Go's poller.
//
// Whoever uses the descriptor holds one of the three mutexes meanwhile. Go closes
// a descriptor when its last user is done with it, and in the goroutine of that
// user: without the mutexes a Write freed by Close would do the close(2) itself,
// and hang for the 30 s that a driver may take.
type stream struct {
	name string
	desc descriptor
	raw  syscall.RawConn

	closed atomic.Bool
	dmu    sync.Mutex // held while a deadline is set: the one set by shut is the last

	rmu sync.Mutex // held during a Read, for as long as it blocks

	// wmu is held during a write, for as long as it blocks. The fields below
	// belong to its holder. attempt is made once: a closure made by each
	// TryWrite would be an allocation.
	wmu     sync.Mutex
	attempt func(fd uintptr)
	tryBuf  []byte
	tryN    int
	tryErr  error

	// The same for ioctls.
	qmu      sync.Mutex
	queue    func(fd uintptr)
	queueN   int
	queueErr error
}

func (s *stream) init(name string, desc descriptor, raw syscall.RawConn) {
	s.name, s.desc, s.raw = name, desc, raw
	s.attempt = func(fd uintptr) {
		for {
			s.tryN, s.tryErr = syscall.Write(int(fd), s.tryBuf)
			if !errors.Is(s.tryErr, syscall.EINTR) {
				return
			}
		}
	}
	s.queue = func(fd uintptr) { // SIOCOUTQ of a socket is the same number
		s.queueN, s.queueErr = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
	}
}

// Read reads at least one byte; see Port.
func (s *stream) Read(p []byte) (int, error) {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.closed.Load() {
		return 0, s.fault("read", os.ErrClosed)
	}
	n, err := s.desc.Read(p)
	if err == nil {
		return n, nil
	}
	return n, s.fault("read", err)
}

// Write writes all of p; see Port.
func (s *stream) Write(p []byte) (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed.Load() {
		return 0, s.fault("write", os.ErrClosed)
	}
	n, err := s.desc.Write(p) // goes on after a short write
	if err == nil {
		return n, nil
	}
	return n, s.fault("write", err)
}

// SetWriteDeadline makes a Write that still blocks at t return
// os.ErrDeadlineExceeded. The zero time means no deadline. TryWrite needs none.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.dmu.Lock()
	defer s.dmu.Unlock()
	if s.closed.Load() {
		return s.fault("write", os.ErrClosed)
	}
	return s.desc.SetWriteDeadline(t)
}

// TryWrite writes what fits now; see Port.
func (s *stream) TryWrite(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !s.wmu.TryLock() {
		return 0, nil // a Write is under way, its bytes come first
	}
	defer s.wmu.Unlock()
	if s.closed.Load() {
		return 0, s.fault("write", os.ErrClosed)
	}
	// Control and not RawConn.Write, which refuses to try after a deadline.
	s.tryBuf = p
	err := s.raw.Control(s.attempt)
	s.tryBuf = nil
	if err == nil {
		err = s.tryErr
	}
	switch {
	case err == nil:
		return s.tryN, nil
	case errors.Is(err, syscall.EAGAIN):
		return 0, nil
	}
	return 0, s.fault("write", err)
}

// OutQueue returns the number of bytes written and not yet gone: from the
// driver of a tty to the line (a USB bridge can hide 0.4 s of them at 115200
// baud), or acknowledged by a TCP peer.
func (s *stream) OutQueue() (int, error) {
	s.qmu.Lock()
	defer s.qmu.Unlock()
	if s.closed.Load() {
		return 0, s.fault("TIOCOUTQ", os.ErrClosed)
	}
	err := s.raw.Control(s.queue)
	if err == nil {
		err = s.queueErr
	}
	if err != nil {
		return 0, s.fault("TIOCOUTQ", err)
	}
	return s.queueN, nil
}

// control runs f on the descriptor.
func (s *stream) control(op string, f func(fd int) error) error {
	s.qmu.Lock()
	defer s.qmu.Unlock()
	if s.closed.Load() {
		return s.fault(op, os.ErrClosed)
	}
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return s.fault(op, err)
	}
	return nil
}

// shut frees whoever blocks in Read or Write, without closing the descriptor,
// and reports whether it is the first to do so.
func (s *stream) shut() bool {
	s.dmu.Lock()
	defer s.dmu.Unlock()
	if !s.closed.CompareAndSwap(false, true) {
		return false
	}
	// The error is of no use: the descriptor is about to be closed.
	_ = s.desc.SetDeadline(time.Unix(1, 0))
	return true
}

// drain returns when nobody uses the descriptor any more, after shut. Who comes
// later finds it closed.
func (s *stream) drain() {
	waitFor(&s.rmu)
	waitFor(&s.wmu)
	waitFor(&s.qmu)
}

func waitFor(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
}

// fault classifies what the system said about an open port. A tty whose device
// was unplugged reads 0 bytes or EIO and writes EIO; so does a pty whose master
// was closed.
func (s *stream) fault(op string, err error) error {
	switch {
	case s.closed.Load():
		return &Error{Op: op, Port: s.name, Class: ErrClosed}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, io.EOF):
		err = nil // "EOF" tells a person nothing that "gone" does not
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // without Go's own "write /dev/ttyUSB0:"
	}
	return &Error{Op: op, Port: s.name, Class: ErrGone, Err: err}
}
