package port

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// TTY is an open tty or pty: a Port.
type TTY struct {
	stream
	opener    *Opener
	file      *os.File
	node      node
	exclusive bool // TIOCEXCL is ours to take back
}

// Path returns the device node that was opened.
func (t *TTY) Path() string { return t.name }

// Close gives the port back; see Port. The Opener that opened it waits for the
// driver.
func (t *TTY) Close() error {
	if t.shut() {
		t.opener.reap(t)
	}
	return nil
}

// LineErrors returns the driver's error counters. A port without a UART, such
// as a pty, has none: all are zero.
func (t *TTY) LineErrors() (LineErrors, error) {
	var c LineErrors
	err := t.control("TIOCGICOUNT", func(fd int) (err error) {
		c, err = readLineErrors(fd)
		if lacksLines(err) {
			return nil
		}
		return err
	})
	return c, err
}

// letGo closes the descriptor, for as long as the driver takes. Errors mean that
// the device is gone, which is as good.
func (t *TTY) letGo() {
	// Whoever opened the tty before us may keep it, and the tty with it: our
	// exclusivity must not outlive us.
	if t.exclusive {
		_ = t.raw.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TIOCNXCL, 0) })
	}
	_ = t.file.Close()
}

// openTTY opens the node at path. The order matters:
//
//  1. Our descriptor, because after step 4 an ordinary user gets EBUSY.
//  2. flock, which holds against root too, and which two gateways both ask for.
//  3. HUPCL off and low latency, before anything else can fail.
//  4. The library sets raw mode and speed, and is closed again. That is not the
//     last close of the tty, so it neither waits nor touches DTR and RTS; it ends
//     the exclusivity that the library began.
//  5. Exclusivity through our descriptor.
//  6. The speed is read back.
//  7. The reset pulse, if asked for; the input queue is flushed.
//
// Opening raises DTR and RTS together, in the kernel; see design 2.3.
func openTTY(ctx context.Context, path string, n node, spec Spec) (*TTY, error) {
	// O_NONBLOCK: do not wait for carrier, and let Go's poller have it.
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, errnoOf(err))
	}
	t := &TTY{file: file, node: n}
	if err := t.setUp(ctx, path, spec); err != nil {
		t.letGo()
		return nil, err
	}
	return t, nil
}

func (t *TTY) setUp(ctx context.Context, path string, spec Spec) error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return openError(path, err)
	}
	t.init(path, t.file, raw)
	if err := t.file.SetDeadline(time.Time{}); err != nil {
		return openError(path, syscall.ENOTTY) // no poller for it: a file or the like
	}
	var fault error
	cerr := raw.Control(func(fd uintptr) { fault = t.configure(ctx, int(fd), path, spec) })
	if cerr != nil {
		return openError(path, cerr)
	}
	return fault
}

func (t *TTY) configure(ctx context.Context, fd int, path string, spec Spec) error {
	baud := spec.Baud
	if baud == 0 {
		baud = DefaultBaud
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		e := openError(path, err)
		if errors.Is(e, ErrBusy) {
			e.Err = errors.New("another program has locked it")
		}
		return e
	}
	if err := clearHUPCL(fd); err != nil {
		return openError(path, err)
	}
	_ = setLowLatency(fd) // faster where it works, nothing lost where it does not
	if err := setLine(path, baud); err != nil {
		return lineError(fd, path, err)
	}
	if !t.node.pty() {
		// A pty keeps the flag for as long as its master lives, even if we
		// are killed: no ordinary user could ever open it again.
		t.exclusive = unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) == nil
	}
	if err := checkSpeed(fd, baud); err != nil {
		return lineError(fd, path, err)
	}
	if spec.Reset == ResetPulse {
		if err := pulse(ctx, fd); err != nil && !lacksLines(err) {
			return openError(path, err)
		} else if err == nil {
			return nil
		}
	}
	if err := flushInput(fd); err != nil {
		return openError(path, err)
	}
	return nil
}

// setLine has the library set raw mode, 8N1 and the speed, standard or not.
// Without InitialStatusBits it leaves the modem lines alone.
func setLine(path string, baud int) error {
	lib, err := serial.Open(path, &serial.Mode{
		BaudRate: baud,
		DataBits: 8,
		Parity:   serial.NoParity,
		StopBits: serial.OneStopBit,
	})
	if err != nil {
		return err
	}
	return lib.Close()
}

// lineError classifies a fault of setLine or checkSpeed. The library hides the
// system's error, so our descriptor is asked whether the port is still there.
func lineError(fd int, path string, err error) error {
	var speed *speedError
	if errors.As(err, &speed) {
		return &Error{Op: "open", Port: path, Class: ErrUnsuitable, Err: err,
			Fix: fmt.Sprintf("write a baud that this adapter can do, such as baud: %d, and set the board to it", speed.actual)}
	}
	if _, gone := unix.IoctlGetTermios(fd, unix.TCGETS); gone != nil {
		return openError(path, gone)
	}
	var lib *serial.PortError
	if errors.As(err, &lib) {
		switch lib.Code() {
		case serial.PortBusy:
			return openError(path, syscall.EBUSY)
		case serial.PermissionDenied:
			return openError(path, syscall.EACCES)
		}
	}
	return openError(path, errnoOf(err))
}

// pulseTime is how long a reset pulse holds the board's EN line low.
const pulseTime = 100 * time.Millisecond

// pulse resets a board with the usual two-transistor circuit: RTS alone pulls EN
// low, both lines together let it run. Bytes from before the reset are flushed.
func pulse(ctx context.Context, fd int) error {
	if err := setModemLines(fd, false, true); err != nil {
		return err
	}
	timer := time.NewTimer(pulseTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // the board must not be left in reset
	}
	_ = flushInput(fd) // the lines come first: the board must not stay in reset
	return setModemLines(fd, true, true)
}

// errnoOf strips Go's own wording from a system error, keeping the number.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
