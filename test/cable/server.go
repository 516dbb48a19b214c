package cable

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Server is a serial server such as ser2net, in raw mode: one TCP connection at a time has the line.
type Server struct {
	t        testing.TB
	path     string
	listener net.Listener
	ended    chan struct{}

	mu   sync.Mutex
	conn net.Conn // nil: nobody is connected
}

// NewServer offers a cable on a free port of loopback.
func NewServer(t testing.TB, c *Cable) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("cable: %v", err)
	}
	s := &Server{t: t, path: c.Path(), listener: l, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		s.Drop()
		<-s.ended
	})
	return s
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Drop cuts the connection that stands, if any.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// serve joins a connection and the line until one of them ends.
func (s *Server) serve(conn net.Conn) {
	fd, err := unix.Open(s.path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		s.t.Errorf("cable: open %s: %v", s.path, err)
		_ = conn.Close()
		return
	}
	tty := os.NewFile(uintptr(fd), s.path)
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	var copies sync.WaitGroup
	end := func() { _, _ = conn.Close(), tty.Close() }
	copies.Go(func() { defer end(); _, _ = io.Copy(tty, conn) })
	copies.Go(func() { defer end(); _, _ = io.Copy(conn, tty) })
	copies.Wait()
}
