package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen binds what Run will serve, so that it is known whether that is possible. before is the server that this one is to follow, which still
// serves; nil for none. If both listen on the same address, they share its queue of connections and none is lost when one takes over from the
// other. The error unwraps to the system's.
func (s *Server) Listen(ctx context.Context, before *Server) (err error) {
	switch {
	case before == nil:
		s.listener, err = listen(ctx, s.cfg.Listen, nil)
	case before.cfg.Listen == s.cfg.Listen:
		s.listener, err = share(before.listener)
	case samePort(before.Addr().String(), s.cfg.Listen):
		s.listener, err = listenBeside(ctx, s.cfg.Listen, before.listener)
	default:
		s.listener, err = listen(ctx, s.cfg.Listen, nil)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("web: http.listen: %s is taken: %w; is umqttd running already?", s.cfg.Listen, err)
	}
	if err != nil {
		return fmt.Errorf("web: http.listen: %w", err)
	}
	return nil
}

// Close gives up what Listen has bound. It is for a server that will not run.
func (s *Server) Close() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
}

func listen(ctx context.Context, address string, control func(network, address string, c syscall.RawConn) error) (*net.TCPListener, error) {
	l, err := (&net.ListenConfig{Control: control}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// share returns a second listener on one socket.
func share(l *net.TCPListener) (*net.TCPListener, error) {
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	shared, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return shared.(*net.TCPListener), nil
}

// listenBeside binds address though before has its port, on an address that overlaps: 127.0.0.1:9884 becomes :9884. Linux allows it if both
// sockets ask for it while the second is bound. They do no longer afterwards, so that another umqttd finds the port taken, as it should.
func listenBeside(ctx context.Context, address string, before *net.TCPListener) (*net.TCPListener, error) {
	raw, err := before.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := reusePort(raw, 1); err != nil {
		return nil, err
	}
	defer func() { _ = reusePort(raw, 0) }()
	l, err := listen(ctx, address, func(_, _ string, c syscall.RawConn) error { return reusePort(c, 1) })
	if err != nil {
		return nil, err
	}
	if raw, err := l.SyscallConn(); err == nil {
		_ = reusePort(raw, 0)
	}
	return l, nil
}

func reusePort(c syscall.RawConn, on int) (err error) {
	if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, on) }); e != nil {
		return e
	}
	return err
}

// samePort reports whether two addresses have one port.
func samePort(a, b string) bool {
	_, portA, errA := net.SplitHostPort(a)
	_, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB
}
