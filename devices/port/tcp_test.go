package port

import (
	"context"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTCPCarriesBytesUnchanged(t *testing.T) {
	server, tcp := dialTCP(t)
	if _, err := tcp.Write(allBytes()); err != nil {
		t.Fatal(err)
	}
	wantRead(t, "the server", server, allBytes())
	if _, err := server.Write(allBytes()); err != nil {
		t.Fatal(err)
	}
	wantRead(t, "the port", tcp, allBytes())
}

func TestTCPPeerThatHangsUpIsGone(t *testing.T) {
	server, tcp := dialTCP(t)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := tcp.Read(make([]byte, 1))
	wantClass(t, "Read", err, ErrGone, "tcp://127.0.0.1:")
}

// A frame must not wait for the next one, and a serial server that was switched
// off must be noticed.
func TestTCPOptions(t *testing.T) {
	_, tcp := dialTCP(t)
	for _, c := range []struct {
		name                string
		level, option, want int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 5},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 2},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10_000},
	} {
		err := tcp.raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), c.level, c.option); err != nil || got != c.want {
				t.Errorf("%s is %d, %v, want %d", c.name, got, err, c.want)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTCPNobodyThereIsMissing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := schemeTCP + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = (&Opener{}).Open(t.Context(), Spec{Path: url})
	wantClass(t, "Open", err, ErrMissing, url, "refused", "raw mode")
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%v does not unwrap to ECONNREFUSED", err)
	}
}

func TestTCPDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := DialTCP(ctx, Spec{Path: "tcp://127.0.0.1:1"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
