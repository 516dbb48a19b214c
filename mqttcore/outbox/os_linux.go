package outbox

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps others out while d is open.
func lock(d *os.File) error {
	err := control(d, func(fd int) error { return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// datasync leaves out the time of the last change, which would cost the file
// system's journal a transaction for every commit.
func datasync(f *os.File) error { return control(f, syscall.Fdatasync) }

// control calls fn until no signal interrupts it.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		for {
			if result = fn(int(fd)); !errors.Is(result, syscall.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return result
}
