package port

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A serial server that is switched off says nothing. These notice it within
// about 11 s when the line is quiet, and within 10 s when we have sent something.
const (
	dialTimeout = 5 * time.Second
	userTimeout = 10 * time.Second
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}

// TCP is a connection to a serial server (ser2net, esp-link) in raw mode, which
// carries the bytes of the line and nothing else: a Port.
type TCP struct {
	stream
	conn *net.TCPConn
}

// DialTCP connects to the tcp:// address of spec, within 5 s.
func DialTCP(ctx context.Context, spec Spec) (*TCP, error) {
	address := strings.TrimPrefix(spec.Path, schemeTCP)
	d := net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: keepAlive,
		ControlContext: func(_ context.Context, _, _ string, c syscall.RawConn) error {
			// Older kernels may lack it: then the keepalive alone must do.
			return c.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
			})
		},
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, dialError(spec.Path, err)
	}
	tc := conn.(*net.TCPConn) // by the documentation of net.Dial for "tcp"
	raw, err := tc.SyscallConn()
	if err != nil {
		_ = tc.Close()
		return nil, dialError(spec.Path, err)
	}
	t := &TCP{conn: tc}
	t.init(spec.Path, tc, raw)
	return t, nil // Go has set TCP_NODELAY
}

// Close ends the connection; see Port.
func (t *TCP) Close() error {
	if t.shut() {
		_ = t.conn.Close()
	}
	return nil
}

// dialError classifies why there is no connection: nobody is there yet, in
// nearly all cases.
func dialError(url string, err error) error {
	e := &Error{Op: "open", Port: url, Class: ErrMissing, Err: err,
		Fix: "check that the serial server runs, listens there and is in raw mode"}
	var op *net.OpError
	if errors.As(err, &op) {
		e.Err = op.Err // without "dial tcp 192.168.1.7:2000:", which the URL says
	}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		e.Class = ErrPermission
		e.Fix = "a firewall or the unit's IPAddressDeny= forbids this address"
	}
	return e
}
