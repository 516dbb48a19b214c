// Package port finds ports, opens them without resetting the board behind
// them, and moves bytes.
//
// A port is a stream of bytes (a tty, a pty, or a TCP connection to a serial
// server) or a socket for datagrams (MQTT-SN over UDP). What the bytes mean is
// not known here.
//
//	Spec   --ParseSpec-->  checked configuration of one port
//	Finder --Find------->  the device node a Spec means today
//	Opener --Open------->  Port: Read, TryWrite, Write, Close
//	Watcher ------------>  "look again", when a node comes or goes
//
// A tty is opened twice, deliberately. The first descriptor is ours, it is on
// Go's poller, and every byte goes through it. The second belongs to
// go.bug.st/serial, which sets the line, and is closed again at once. See
// docs/adr/0004-port-opened-twice.md for why, and the comment on openTTY for
// the order of things.
//
// # Stale bytes
//
// Nothing older than Open is kept: the input queue of a tty is flushed when the
// line has been set. Yet both ends must expect stale bytes: a USB bridge has a
// buffer of its own, which no flush reaches, and a serial server may hold what
// it read before the connection. The framing resynchronises.
//
// # Errors
//
// Errors are of type *Error and belong to one class, for errors.Is: ErrMissing,
// ErrBusy, ErrPermission, ErrGone, ErrAmbiguous, ErrUnsuitable or ErrClosed.
// The text says what is wrong, where, and what to do about it.
package port

// Port is an open stream of bytes. One goroutine may read while others write
// and close.
type Port interface {
	// Read blocks until there is at least one byte. It returns an error of
	// class ErrGone when the port has gone and ErrClosed after Close; it
	// never returns 0, nil for a p that has room.
	Read(p []byte) (int, error)

	// TryWrite writes what the port takes at this moment and never blocks.
	// n < len(p) with a nil error means that the port is full, or that a
	// Write is under way: the rest is to be written later.
	TryWrite(p []byte) (n int, err error)

	// Write blocks until the port has accepted all of p, or is closed, or is
	// gone. Writes by several goroutines are not mixed.
	Write(p []byte) (int, error)

	// Close frees readers and writers at once and never blocks: a tty may
	// need 30 s to close, which the Opener waits for. Further calls do
	// nothing. The error is nil.
	Close() error
}
