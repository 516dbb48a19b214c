package port

import (
	"errors"
	"syscall"
)

// The classes of errors, by what the caller does next.
var (
	// ErrMissing: the port is not there. Wait for the Watcher, then look again.
	ErrMissing = errors.New("no such port")
	// ErrBusy: somebody else has the port. Try again after a while.
	ErrBusy = errors.New("port is busy")
	// ErrPermission: this user may not open the port. A person must act; udev
	// changes the group of a new node only after it has appeared, so trying
	// again for a second is right.
	ErrPermission = errors.New("permission denied")
	// ErrGone: the port was open and has been unplugged, or the peer has hung
	// up. Close it and look for it again.
	ErrGone = errors.New("port is gone")
	// ErrAmbiguous: several ports match. A person must say which is meant.
	ErrAmbiguous = errors.New("several ports match")
	// ErrUnsuitable: the port is there and cannot do what was asked, such as a
	// speed. A person must change the configuration.
	ErrUnsuitable = errors.New("port is unsuitable")
	// ErrClosed: Close was called on this end.
	ErrClosed = errors.New("port is closed")
)

// Error is a fault of a port.
type Error struct {
	Op    string // what was tried: find, open, read, write
	Port  string // path or URL
	Class error  // one of the classes above
	Err   error  // what the system said, or nil
	Fix   string // what a person can do about it, or ""
}

// Error says what, where, why and what to do: "port: open /dev/ttyUSB0: port is
// busy: ...; ...".
func (e *Error) Error() string {
	return "port: " + e.Op + " " + e.Port + ": " + e.summary()
}

// summary says what is wrong and what to do.
func (e *Error) summary() string {
	text := e.Class.Error()
	if e.Err != nil && e.Err.Error() != text {
		text += ": " + e.Err.Error()
	}
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}

// Is reports whether target is the class of e.
func (e *Error) Is(target error) bool { return target == e.Class }

// Unwrap returns what the system said.
func (e *Error) Unwrap() error { return e.Err }

// openError classifies what open(2) or an ioctl said while the port was opened.
func openError(path string, err error) *Error {
	e := &Error{Op: "open", Port: path, Err: err, Class: ErrUnsuitable}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENODEV),
		errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENOTDIR):
		e.Class = ErrMissing
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EWOULDBLOCK):
		e.Class = ErrBusy
		e.Fix = Finder{}.busyFix(path)
	case errors.Is(err, syscall.EACCES):
		e.Class = ErrPermission
		e.Fix = permissionFix(path)
	case errors.Is(err, syscall.EPERM):
		// The permission bits answer EACCES. EPERM is the device cgroup.
		e.Class = ErrPermission
		e.Fix = "the service manager forbids this device: add DeviceAllow=char-188 rw (ttyUSB) or char-166 rw (ttyACM) to the unit"
	case errors.Is(err, syscall.EIO):
		e.Class = ErrGone
	case errors.Is(err, syscall.ENOTTY), errors.Is(err, syscall.EINVAL):
		e.Fix = "this is not a serial port; write one that `umqttd ports` lists"
	}
	return e
}
