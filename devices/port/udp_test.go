package port

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func listenUDP(t testing.TB, path string) *UDP {
	t.Helper()
	u, err := ListenUDP(t.Context(), Spec{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// newPeer returns a socket of another program, and its address.
func newPeer(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestUDPAnswersWhoAsked(t *testing.T) {
	for _, path := range []string{"udp://:0", "udp://127.0.0.1:0", "udp://0.0.0.0:0", "udp://[::]:0"} {
		u := listenUDP(t, path)
		peer, address := newPeer(t)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), u.LocalAddr().Port())
		if _, err := peer.WriteToUDPAddrPort([]byte("ask"), to); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		n, from, err := u.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "ask" || from != address {
			t.Fatalf("%s: read %q from %v, %v, want it from %v", path, buf[:n], from, err, address)
		}
		if sent, err := u.TryWriteTo([]byte("one"), from); !sent || err != nil {
			t.Fatalf("%s: TryWriteTo: %v, %v", path, sent, err)
		}
		if _, err := u.WriteTo([]byte("two"), from); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, want := range []string{"one", "two"} {
			if n, err = peer.Read(buf); err != nil || string(buf[:n]) != want {
				t.Fatalf("%s: the peer read %q, %v, want %q", path, buf[:n], err, want)
			}
		}
	}
}

func TestUDPWithoutHostIsForThisMachineOnly(t *testing.T) {
	for path, loopback := range map[string]bool{
		"udp://:0": true, "udp://localhost:0": true, "udp://127.0.0.1:0": true,
		"udp://0.0.0.0:0": false, "udp://[::]:0": false,
	} {
		if u := listenUDP(t, path); u.Loopback() != loopback {
			t.Errorf("%s: bound %v, loopback %v", path, u.LocalAddr(), u.Loopback())
		}
		if s := (Spec{Path: path}); s.Loopback() != loopback {
			t.Errorf("%s: the spec says loopback %v", path, s.Loopback())
		}
	}
}

// Who writes an IPv4 address means that one, not IPv6 as well.
func TestUDPBindsWhatWasWritten(t *testing.T) {
	for path, want := range map[string]string{
		"udp://:0": "127.0.0.1", "udp://0.0.0.0:0": "0.0.0.0", "udp://[::]:0": "::",
	} {
		if got := listenUDP(t, path).LocalAddr(); got.Addr().String() != want || got.Port() == 0 {
			t.Errorf("%s: bound %v, want %s", path, got, want)
		}
	}
}

func TestUDPListenErrors(t *testing.T) {
	u := listenUDP(t, "udp://:0")
	for path, class := range map[string]error{
		"udp://" + u.LocalAddr().String(): ErrBusy,
		"udp://192.0.2.1:0":               ErrMissing, // an address for documentation
		"udp://nonsense":                  ErrUnsuitable,
	} {
		_, err := ListenUDP(t.Context(), Spec{Path: path})
		wantClass(t, path, err, class, path)
	}
}

func TestUDPPeerOfTheWrongFamily(t *testing.T) {
	u := listenUDP(t, "udp://:0")
	_, err := u.TryWriteTo([]byte("x"), netip.MustParseAddrPort("[2001:db8::1]:1884"))
	wantClass(t, "TryWriteTo", err, ErrUnsuitable)
	if strings.Contains(err.Error(), "gone") {
		t.Errorf("one peer's fault is not the socket's: %v", err)
	}
}

func TestUDPCloseFreesReader(t *testing.T) {
	u := listenUDP(t, "udp://:0")
	reading := make(chan error)
	go func() {
		_, _, err := u.ReadFrom(make([]byte, 1))
		reading <- err
	}()
	for range 2 {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
	wantClass(t, "ReadFrom", <-reading, ErrClosed)
	_, err := u.TryWriteTo([]byte("x"), u.LocalAddr())
	wantClass(t, "TryWriteTo", err, ErrClosed)
	_, err = u.WriteTo([]byte("x"), u.LocalAddr())
	wantClass(t, "WriteTo", err, ErrClosed)
}

func TestDatagramsCostNoAllocation(t *testing.T) {
	for _, path := range []string{"udp://:0", "udp://[::]:0"} {
		u := listenUDP(t, path)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), u.LocalAddr().Port())
		buf := make([]byte, 64)
		n := testing.AllocsPerRun(100, func() {
			if sent, err := u.TryWriteTo(buf[:32], to); !sent || err != nil {
				t.Fatal(sent, err)
			}
			if _, err := u.WriteTo(buf[:32], to); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if n, _, err := u.ReadFrom(buf); n != 32 || err != nil {
					t.Fatal(n, err)
				}
			}
		})
		if n != 0 {
			t.Errorf("%s: a datagram allocates %v times", path, n)
		}
	}
}

// BenchmarkEchoUDP is the round trip of 32 bytes through the loopback interface.
func BenchmarkEchoUDP(b *testing.B) {
	u := listenUDP(b, "udp://:0")
	peer, address := newPeer(b)
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		buf := make([]byte, 64)
		for {
			n, from, err := peer.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if _, err := peer.WriteToUDPAddrPort(buf[:n], from); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if sent, err := u.TryWriteTo(buf, address); !sent || err != nil {
			b.Fatal(sent, err)
		}
		if _, _, err := u.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = peer.Close()
	<-echoed
}
