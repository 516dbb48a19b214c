//go:build vm

package vm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/devices/port"
)

// TestSecondOpener refuses everybody while the port is open: another device of the same gateway, another gateway of root, an ordinary user. The board notices nothing, and when the port is closed
// it is free.
func TestSecondOpener(t *testing.T) {
	both(t, func(r *rig) {
		p := r.open(r.spec())
		r.wantEdges("open", raised)

		_, err := r.opener.Open(r.Context(), r.spec())
		wantClass(r, "another device", err, port.ErrBusy, "two devices are on one port")
		other := &port.Opener{}
		_, err = other.Open(r.Context(), r.spec())
		wantClass(r, "another gateway", err, port.ErrBusy, r.node)
		if err := r.openAsUser(); !errors.Is(err, unix.EBUSY) {
			r.Errorf("an ordinary user: got error %v, want EBUSY", err)
		}
		r.wantEdges("the openers that were refused")

		r.close(p)
		if err := r.openAsUser(); err != nil {
			r.Errorf("an ordinary user, when the port is closed: %v", err)
		}
		next, err := other.Open(r.Context(), r.spec())
		if err != nil {
			r.Fatal(err)
		}
		_ = next.Close()
		if err := other.Wait(r.Context()); err != nil {
			r.Error(err)
		}
		r.wantEdges("those that came next")
	})
}

// TestEarlierOpener has a program that opened the tty before the gateway and keeps it open. The tty lives on when the port is closed, and so would an exclusivity that nobody has taken back.
func TestEarlierOpener(t *testing.T) {
	both(t, func(r *rig) {
		earlier, err := os.OpenFile(r.node, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			r.Fatal(err)
		}
		defer func() { _ = earlier.Close() }()
		r.close(r.open(r.spec()))
		if err := r.openAsUser(); err != nil {
			r.Errorf("an ordinary user, when the port is closed: %v", err)
		}
	})
}

// nobody is an ordinary user.
const nobody = 65534

// openAsUser opens the rig's node as an ordinary user whom its permissions let, and closes it.
func (r *rig) openAsUser() error {
	r.Helper()
	if err := os.Chmod(r.node, 0o666); err != nil {
		r.Fatal(err)
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine, nobody gets to be somebody else
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			result <- fmt.Errorf("setresuid: %w", errno)
			return
		}
		fd, err := unix.Open(r.node, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Close(fd)
		}
		result <- err
	}()
	return <-result
}
