package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// openPTY makes a pty and opens its slave side as a port. The master is a board.
func openPTY(t *testing.T, spec Spec) (master *os.File, tty *TTY, o *Opener) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	path := slave.Name()
	t.Cleanup(func() { _ = master.Close() })
	o = &Opener{}
	tty, err = o.OpenTTY(t.Context(), path, spec)
	_ = slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tty.Close()
		if err := o.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return master, tty, o
}

// control runs f on the descriptor of t.
func control(t *testing.T, tty *TTY, f func(fd int)) {
	t.Helper()
	if err := tty.raw.Control(func(fd uintptr) { f(int(fd)) }); err != nil {
		t.Fatal(err)
	}
}

// wantClass fails unless err is of the given class.
func wantClass(t *testing.T, what string, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("%s: got error %v, want %v", what, err, class)
	}
}

func TestBytesGoBothWaysUnchanged(t *testing.T) {
	board, tty, _ := openPTY(t, Spec{})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	if n, err := tty.Write(all); n != len(all) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	got := make([]byte, len(all))
	if _, err := io.ReadFull(board, got); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("the board read %x, %v", got, err)
	}
	if _, err := board.Write(all); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(tty, got); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("the port read %x, %v", got, err)
	}
}

func TestOpenTurnsHUPCLOff(t *testing.T) {
	_, tty, _ := openPTY(t, Spec{})
	control(t, tty, func(fd int) {
		got, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if got.Cflag&unix.HUPCL != 0 {
			t.Error("HUPCL is on")
		}
	})
}

func TestUnplugIsGone(t *testing.T) {
	board, tty, _ := openPTY(t, Spec{})
	if err := board.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := tty.Read(make([]byte, 10))
	wantClass(t, "Read", err, ErrGone)
	_, err = tty.Write([]byte("x"))
	wantClass(t, "Write", err, ErrGone)
	_, err = tty.TryWrite([]byte("x"))
	wantClass(t, "TryWrite", err, ErrGone)
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
	_, err = tty.Read(make([]byte, 10))
	wantClass(t, "Read after Close", err, ErrClosed)
}
