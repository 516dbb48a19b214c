package embedded

import (
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// maxConns is how many clients may be connected at once: twice the default max_nodes.
const maxConns = 20000

// conns knows every connection and the goroutine that serves it, so that the end of the broker is the end of all of them, also of one that has
// not said CONNECT yet. The zero value is ready for use.
type conns struct {
	serving sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// serve calls handle in a goroutine of its own and closes the connection after it. It returns false, with the connection closed, after closeAll
// or if there are too many.
func (c *conns) serve(conn net.Conn, handle func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.open) >= maxConns {
		_ = conn.Close()
		return false
	}
	if c.open == nil {
		c.open = make(map[net.Conn]struct{})
	}
	c.open[conn] = struct{}{}
	c.serving.Go(func() {
		defer c.remove(conn)
		handle()
	})
	return true
}

func (c *conns) remove(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// closeAll closes every connection, waits for its goroutine, and lets no new one in.
func (c *conns) closeAll() {
	c.mu.Lock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.serving.Wait()
}

// pair returns two connected stream sockets. Unlike net.Pipe they have buffers, so neither end waits for the other's read; unlike TCP they have no
// address and pass no network stack.
func pair() (net.Conn, net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	a, errA := adopt(fds[0])
	b, errB := adopt(fds[1])
	if errA == nil && errB == nil {
		return a, b, nil
	}
	for _, c := range []net.Conn{a, b} {
		if c != nil {
			_ = c.Close()
		}
	}
	return nil, nil, fmt.Errorf("socketpair: %v, %v", errA, errB)
}

// adopt makes a net.Conn of a descriptor and owns it.
func adopt(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socketpair")
	defer func() { _ = f.Close() }() // FileConn works on a copy
	return net.FileConn(f)
}
