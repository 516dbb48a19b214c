package port

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UDP is a socket for datagrams from many peers. One goroutine may read while
// others write and close. Nothing here allocates for a datagram.
type UDP struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	name   string
	local  netip.AddrPort
	ipv6   bool // the socket's family; an IPv4 peer is written as ::ffff:a.b.c.d then
	closed atomic.Bool

	// wmu is held during TryWriteTo. The fields below belong to its holder.
	wmu     sync.Mutex
	attempt func(fd uintptr)
	to4     unix.SockaddrInet4
	to6     unix.SockaddrInet6
	tryBuf  []byte
	tryErr  error
}

// udpBuffer is how many bytes of datagrams may wait to be read.
const udpBuffer = 4 << 20

// ListenUDP binds the udp:// address of spec. Without a host it binds
// 127.0.0.1.
func ListenUDP(ctx context.Context, spec Spec) (*UDP, error) {
	host, port, err := splitAddress(spec.Path)
	if err != nil {
		return nil, listenError(spec.Path, err)
	}
	if host == "" {
		host = defaultHost
	}
	network := "udp"
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		network = "udp4" // else 0.0.0.0 would mean IPv6 as well
	}
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, listenError(spec.Path, err)
	}
	conn := pc.(*net.UDPConn) // by the documentation of net.ListenPacket for "udp"
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, listenError(spec.Path, err)
	}
	// Hundreds of nodes may send at once. The system grants as much of it as
	// net.core.rmem_max allows; less is no error.
	_ = conn.SetReadBuffer(udpBuffer)
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	u := &UDP{conn: conn, raw: raw, name: spec.Path, local: unmap(local), ipv6: !local.Addr().Is4()}
	u.attempt = u.send
	return u, nil
}

// LocalAddr returns the address bound, with the port the system chose for port 0.
func (u *UDP) LocalAddr() netip.AddrPort { return u.local }

// Loopback reports whether only this machine can reach u.
func (u *UDP) Loopback() bool { return u.local.Addr().IsLoopback() }

// ReadFrom reads one datagram; what does not fit into p is lost. The address of
// an IPv4 peer is an IPv4 address, whatever the socket, so it can be a map key.
// Errors are of class ErrGone or ErrClosed.
func (u *UDP) ReadFrom(p []byte) (int, netip.AddrPort, error) {
	n, from, err := u.conn.ReadFromUDPAddrPort(p)
	if err != nil {
		return n, from, u.fault("read", err)
	}
	return n, unmap(from), nil
}

// WriteTo sends one datagram and may block while the socket is full.
func (u *UDP) WriteTo(p []byte, to netip.AddrPort) (int, error) {
	n, err := u.conn.WriteToUDPAddrPort(p, to)
	if err != nil {
		return n, u.fault("write", err)
	}
	return n, nil
}

// TryWriteTo sends one datagram and never blocks. It reports false with a nil
// error when the socket is full; to drop the datagram is right, then, as the
// network would. An error for one peer, such as an unreachable network, is not of
// class ErrGone: the socket goes on.
func (u *UDP) TryWriteTo(p []byte, to netip.AddrPort) (bool, error) {
	u.wmu.Lock() // never held long
	defer u.wmu.Unlock()
	if u.closed.Load() {
		return false, u.fault("write", os.ErrClosed)
	}
	u.tryBuf = p
	if u.ipv6 {
		u.to6.Addr, u.to6.Port = to.Addr().As16(), int(to.Port())
		u.to6.ZoneId = zoneID(to.Addr())
	} else {
		if !to.Addr().Unmap().Is4() {
			return false, &Error{Op: "write", Port: u.name, Class: ErrUnsuitable, Err: syscall.EAFNOSUPPORT}
		}
		u.to4.Addr, u.to4.Port = to.Addr().Unmap().As4(), int(to.Port())
	}
	err := u.raw.Control(u.attempt)
	u.tryBuf = nil
	if err == nil {
		err = u.tryErr
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOBUFS):
		return false, nil
	}
	return false, u.fault("write", err)
}

// send makes one attempt with the socket's descriptor.
func (u *UDP) send(fd uintptr) {
	var to unix.Sockaddr = &u.to4
	if u.ipv6 {
		to = &u.to6
	}
	for {
		u.tryErr = unix.Sendto(int(fd), u.tryBuf, unix.MSG_DONTWAIT, to)
		if !errors.Is(u.tryErr, syscall.EINTR) {
			return
		}
	}
}

// SetReadDeadline makes a ReadFrom that still blocks at t return
// os.ErrDeadlineExceeded. The zero time means no deadline.
func (u *UDP) SetReadDeadline(t time.Time) error { return u.conn.SetReadDeadline(t) }

// Close frees readers and writers at once. Further calls do nothing.
func (u *UDP) Close() error {
	if u.closed.CompareAndSwap(false, true) {
		_ = u.conn.Close()
	}
	return nil
}

func (u *UDP) fault(op string, err error) error {
	switch {
	case u.closed.Load():
		return &Error{Op: op, Port: u.name, Class: ErrClosed}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	class := ErrGone
	if op == "write" {
		class = ErrUnsuitable // this peer or this datagram, not the socket
	}
	return &Error{Op: op, Port: u.name, Class: class, Err: errnoOf(err)}
}

func listenError(url string, err error) error {
	e := &Error{Op: "open", Port: url, Class: ErrUnsuitable, Err: errnoOf(err)}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Class = ErrBusy
		e.Fix = "another program listens there; stop it, or write another port number"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Class = ErrMissing
		e.Fix = "no interface of this machine has that address now; write udp://0.0.0.0:PORT for all of them"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Class = ErrPermission
		e.Fix = "port numbers below 1024 are the system's; write a higher one, 1884 is usual"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		e.Class, e.Err = ErrMissing, dns
	}
	return e
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// zoneID returns the index of the interface that a link-local peer is on.
func zoneID(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	ifi, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return 0
	}
	return uint32(ifi.Index)
}
