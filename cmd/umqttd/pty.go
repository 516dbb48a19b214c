package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// ptyLine is the board's end of a pseudo-terminal whose other end is a port.
type ptyLine struct {
	master *os.File
	slave  *os.File // kept open: without it a master that nobody has opened yet reads EIO
	link   string
	once   sync.Once
}

// openPTY makes a pseudo-terminal and a symbolic link to its port.
func openPTY(link string) (*ptyLine, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	l := &ptyLine{master: master, slave: slave, link: link}
	// Raw before anybody opens it: an echo would send the board its own frames.
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	if err := relink(slave.Name(), link); err != nil {
		l.closeFiles()
		return nil, err
	}
	return l, nil
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

// Write writes what the gateway will read.
func (l *ptyLine) Write(p []byte) (int, error) { return l.master.Write(p) }

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
