// Package porttest makes ports for tests.
package porttest

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// NewPTY makes a pty that lasts until the test ends. The master is a board; the
// slave is at path. The usual package for this leaves the master blocking: its
// Close would wait for a Read.
func NewPTY(t testing.TB) (board *os.File, path string) {
	t.Helper()
	board, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = board.Close() })
	raw, err := board.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := raw.Control(func(fd uintptr) {
		var n int
		if n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); err != nil {
			return
		}
		path = fmt.Sprintf("/dev/pts/%d", n)
		err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
	})
	if cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return board, path
}
