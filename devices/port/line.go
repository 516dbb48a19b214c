package port

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file holds what is asked of the terminal driver through our own
// descriptor. A pty answers ENOTTY to much of it.

// clearHUPCL makes the last close of the tty leave DTR and RTS as they are: a
// board is not reset when the gateway stops, even by SIGKILL. The driver sets
// HUPCL again when the adapter is plugged anew.
func clearHUPCL(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Cflag &^= unix.HUPCL
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// maxSpeedError is how far the speed of a line may be off, in percent. Both ends
// of a UART together may be off by about 4 %.
const maxSpeedError = 2

// checkSpeed reads the speed back: a driver that cannot do what was asked for
// sets what it can and says nothing (a CP2104 makes 2000000 of 3000000).
func checkSpeed(fd, asked int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTTY) {
		return nil // emulators of foreign processors lack it
	}
	if err != nil {
		return err
	}
	for _, actual := range []int{int(t.Ospeed), int(t.Ispeed)} {
		if abs(actual-asked)*100 > asked*maxSpeedError {
			return &speedError{asked: asked, actual: actual}
		}
	}
	return nil
}

func abs(n int) int { return max(n, -n) }

type speedError struct{ asked, actual int }

func (e *speedError) Error() string {
	return fmt.Sprintf("asked for %d baud, the driver set %d", e.asked, e.actual)
}

// serialStruct is struct serial_struct of linux/serial.h. Its layout follows
// from natural alignment on every processor Go runs on.
type serialStruct struct {
	Type          int32
	Line          int32
	Port          uint32
	Irq           int32
	Flags         int32
	XmitFifoSize  int32
	CustomDivisor int32
	BaudBase      int32
	CloseDelay    uint16
	IoType        byte
	_             byte
	Hub6          int32
	ClosingWait   uint16
	ClosingWait2  uint16
	IomemBase     uintptr
	IomemRegShift uint16
	PortHigh      uint32
	IomapBase     uintptr
}

const asyncLowLatency = 1 << 13 // ASYNC_LOW_LATENCY of linux/tty_flags.h

// setLowLatency asks the driver to hand over each byte as it comes. ftdi_sio
// obeys, and would otherwise wait 16 ms; other drivers accept it or do not know
// it. An unprivileged user may set this flag as long as nothing else is changed.
func setLowLatency(fd int) error {
	var s serialStruct
	if err := ioctlPtr(fd, unix.TIOCGSERIAL, unsafe.Pointer(&s)); err != nil {
		return err
	}
	if s.Flags&asyncLowLatency != 0 {
		return nil
	}
	s.Flags |= asyncLowLatency
	return ioctlPtr(fd, unix.TIOCSSERIAL, unsafe.Pointer(&s))
}

// flushInput drops what the tty has received and nobody has read.
func flushInput(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) }

func ioctlPtr(fd int, req uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// setModemLines sets DTR and RTS in one ioctl. One after the other would pass
// through a state that resets or halts the board.
func setModemLines(fd int, dtr, rts bool) error {
	lines, err := unix.IoctlGetInt(fd, unix.TIOCMGET)
	if err != nil {
		return err
	}
	lines &^= unix.TIOCM_DTR | unix.TIOCM_RTS
	if dtr {
		lines |= unix.TIOCM_DTR
	}
	if rts {
		lines |= unix.TIOCM_RTS
	}
	return unix.IoctlSetPointerInt(fd, unix.TIOCMSET, lines)
}

// lacksLines reports whether err says that a port has no modem lines.
func lacksLines(err error) bool {
	return errors.Is(err, syscall.ENOTTY) || errors.Is(err, syscall.EINVAL)
}

// LineErrors counts what the driver of a tty has seen go wrong since it was
// loaded or the adapter was plugged in. A cp210x counts frame and parity errors
// only with parity checking on, which is off here.
type LineErrors struct {
	Frame   uint32 // bytes without a stop bit: wrong speed, noise
	Overrun uint32 // bytes lost in the UART
	Parity  uint32
	Break   uint32 // breaks seen; a board that resets may cause one
	Buffer  uint32 // bytes lost between the UART and the tty
}

// serialICounter is struct serial_icounter_struct of linux/serial.h.
type serialICounter struct {
	Cts, Dsr, Rng, Dcd, Rx, Tx              int32
	Frame, Overrun, Parity, Brk, BufOverrun int32
	_                                       [9]int32
}

func readLineErrors(fd int) (LineErrors, error) {
	var c serialICounter
	if err := ioctlPtr(fd, unix.TIOCGICOUNT, unsafe.Pointer(&c)); err != nil {
		return LineErrors{}, err
	}
	return LineErrors{
		Frame:   uint32(c.Frame),
		Overrun: uint32(c.Overrun),
		Parity:  uint32(c.Parity),
		Break:   uint32(c.Brk),
		Buffer:  uint32(c.BufOverrun),
	}, nil
}
