package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// writePatience is how long a pseudo-terminal whose buffer is full holds a board
// up. MicroPython drops what native USB has not taken in 200 ms.
const writePatience = 200 * time.Millisecond

// ptyLine is the board's end of a pseudo-terminal whose other end is a port.
type ptyLine struct {
	master *os.File // on Go's poller, so that Close ends a Read
	slave  *os.File // kept open: without it a master that nobody has opened yet reads EIO
	link   string
	once   sync.Once
}

// openPTY makes a pseudo-terminal and a symbolic link to its port.
func openPTY(link string) (*ptyLine, error) {
	master, slave, err := newPTY()
	if err != nil {
		return nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	l := &ptyLine{master: master, slave: slave, link: link}
	if err := relink(slave.Name(), link); err != nil {
		l.closeFiles()
		return nil, err
	}
	return l, nil
}

// newPTY returns both ends of a pseudo-terminal. Its port is raw before anybody
// opens it: an echo would send the board its own frames.
func newPTY() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("/dev/ptmx: %w", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	name, port, err := openPort(fd)
	if err != nil {
		_ = master.Close()
		return nil, nil, err
	}
	return master, os.NewFile(uintptr(port), name), nil
}

// openPort unlocks and opens the port of the master fd.
func openPort(master int) (name string, fd int, err error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return "", 0, fmt.Errorf("unlock: %w", err)
	}
	n, err := unix.IoctlGetUint32(master, unix.TIOCGPTN)
	if err != nil {
		return "", 0, fmt.Errorf("number: %w", err)
	}
	name = fmt.Sprintf("/dev/pts/%d", n)
	if fd, err = unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := term.MakeRaw(fd); err != nil {
		_ = unix.Close(fd)
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	return name, fd, nil
}

// relink makes link point to target. What is no link is not replaced.
func relink(target, link string) error {
	if old, err := os.Lstat(link); err == nil {
		if old.Mode()&os.ModeSymlink == 0 {
			return fmt.Errorf("%s exists and is no symbolic link; name another path", link)
		}
		if err := os.Remove(link); err != nil {
			return err
		}
	}
	return os.Symlink(target, link)
}

// Read reads what the gateway wrote.
func (l *ptyLine) Read(p []byte) (int, error) { return l.master.Read(p) }

// Write writes what the gateway will read. What nobody reads is lost after a
// while, as on a UART.
func (l *ptyLine) Write(p []byte) (int, error) {
	if err := l.master.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	if n, err := l.master.Write(p); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	return len(p), nil
}

// Close pulls the cable: the gateway loses its port, and the link is gone.
func (l *ptyLine) Close() error {
	l.once.Do(func() {
		if target, err := os.Readlink(l.link); err == nil && target == l.slave.Name() {
			_ = os.Remove(l.link)
		}
		l.closeFiles()
	})
	return nil
}

func (l *ptyLine) closeFiles() {
	_ = l.master.Close()
	_ = l.slave.Close()
}
