//go:build vm

package vm

import (
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/test/vm/usbip"
)

// TestOrdinaryProgram shows what umqttd is up against, and that the adapters see it: a program that opens a tty and closes it raises both lines and lets go of them, and one
// that sets them one by one resets the board.
func TestOrdinaryProgram(t *testing.T) {
	both(t, func(r *rig) {
		tty, err := os.OpenFile(r.node, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			r.Fatal(err)
		}
		r.wantEdges("open", raised)
		r.onDescriptor(tty, func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCMBIC, unix.TIOCM_DTR) })
		got := r.adapter.Lines()
		r.onDescriptor(tty, func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCMBIC, unix.TIOCM_RTS) })
		if got != reset || r.adapter.Lines() != none {
			r.Errorf("letting go of DTR and then RTS gave %v and %v, want %v and %v", got, r.adapter.Lines(), reset, none)
		}
		r.onDescriptor(tty, func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCMBIS, unix.TIOCM_DTR|unix.TIOCM_RTS) })
		r.adapter.Trace()
		if err := tty.Close(); err != nil {
			r.Fatal(err)
		}
		r.wantEdges("close", none)
	})
}

// onDescriptor makes an ioctl.
func (r *rig) onDescriptor(tty *os.File, ioctl func(fd int) error) {
	r.Helper()
	raw, err := tty.SyscallConn()
	if err != nil {
		r.Fatal(err)
	}
	var fault error
	if err := raw.Control(func(fd uintptr) { fault = ioctl(int(fd)) }); err != nil || fault != nil {
		r.Fatal(err, fault)
	}
}

// TestOpenLeavesTheLines is the promise of `reset: never`: from the first opening, when the kernel raises both lines at once, nothing moves them, however often the port is closed
// and opened.
func TestOpenLeavesTheLines(t *testing.T) {
	both(t, func(r *rig) {
		p := r.open(r.spec())
		r.wantEdges("the first open", raised)
		for range 3 {
			r.close(p)
			r.wantEdges("close")
			p = r.open(r.spec())
			r.wantEdges("open")
		}
	})
}

// TestHangupIsOff looks at the reason: HUPCL is off while the port is open and stays off when it is closed. Linux sets it again for an adapter that is plugged in anew.
func TestHangupIsOff(t *testing.T) {
	both(t, func(r *rig) {
		if !r.hangup() {
			r.Error("HUPCL is off before the first open: this test proves nothing")
		}
		for _, what := range []string{"plugged in", "plugged in again"} {
			p := r.open(r.spec())
			if r.hangup() {
				r.Errorf("%s: HUPCL is on while the port is open", what)
			}
			r.close(p)
			if r.hangup() {
				r.Errorf("%s: HUPCL is on when the port is closed", what)
			}
			r.unplug(r.adapter)
			r.plug(r.adapter, 0)
		}
	})
}

// hangup reports whether HUPCL is on.
func (r *rig) hangup() bool {
	r.Helper()
	return r.termios().Cflag&unix.HUPCL != 0
}

// termios returns the settings of the rig's tty, as another program sees them. Root may always open it.
func (r *rig) termios() *unix.Termios {
	r.Helper()
	fd, err := unix.Open(r.node, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		r.Fatal(err)
	}
	return settings
}

// TestResetPulse is `reset: pulse`: to the transfers of any open it adds two, RTS alone and then both lines, with 100 ms between them. Closing moves nothing.
func TestResetPulse(t *testing.T) {
	both(t, func(r *rig) {
		r.close(r.open(r.spec()))
		r.wantEdges("the first open", raised)
		r.close(r.open(r.spec()))
		plain := r.adapter.Trace()

		spec := r.spec()
		spec.Reset = port.ResetPulse
		p := r.open(spec)
		trace := r.adapter.Trace()
		if len(trace) != len(plain)+2 {
			r.Fatalf("open with a pulse made %d transfers, want the %d of any open and 2: %+v", len(trace), len(plain), trace)
		}
		low, high := trace[len(plain)], trace[len(plain)+1]
		if low.After != reset || high.After != raised || !low.Both || !high.Both {
			r.Errorf("the pulse is %+v and %+v", low, high)
		}
		if slices.ContainsFunc(trace[:len(plain)], usbip.Transfer.Edge) {
			r.Errorf("lines moved before the pulse: %+v", trace)
		}
		if held := high.At.Sub(low.At); held < 100*time.Millisecond || held > 200*time.Millisecond {
			r.Errorf("the board was held in reset for %v, want 100 ms", held)
		}
		r.close(p)
		r.wantEdges("close")
	})
}

// TestBytesAreLeftAlone sends every byte both ways: the terminal translates none, obeys none and echoes none.
func TestBytesAreLeftAlone(t *testing.T) {
	both(t, func(r *rig) {
		p := r.open(r.spec())
		board := r.uart()
		var all []byte
		for b := range 256 {
			all = append(all, byte(b), byte(b))
		}
		if n, err := p.TryWrite(all); n != len(all) || err != nil {
			r.Fatalf("TryWrite took %d of %d bytes: %v", n, len(all), err)
		}
		r.wantRead("the board", board, all)
		if _, err := board.Write(all); err != nil {
			r.Fatal(err)
		}
		r.wantRead("the port", p, all)
	})
}

// wantRead fails unless exactly want comes next.
func (r *rig) wantRead(who string, from io.Reader, want []byte) {
	r.Helper()
	got := make([]byte, len(want))
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(from, got)
		read <- err
	}()
	if err := receive(r, who+" reads", read); err != nil || !slices.Equal(got, want) {
		r.Fatalf("%s read %x, %v, want %x", who, got, err, want)
	}
}
