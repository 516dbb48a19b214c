package daemon

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
)

// manager is systemd's end of NOTIFY_SOCKET.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager listens on a socket and points the environment at it.
func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(shortDir(t), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// next returns the next message, or "" if none comes in time.
func (m *manager) next(wait time.Duration) string {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// want reads until there is a message that begins so, and returns what stood before it.
func (m *manager) want(prefix string) (before []string) {
	m.t.Helper()
	for {
		got := m.next(patience)
		if got == "" {
			m.t.Fatalf("systemd was not told %s, but %q", prefix, before)
		}
		if strings.HasPrefix(got, prefix) {
			return before
		}
		before = append(before, got)
	}
}

// wantNothing wants that no message has come. It has when the sender's call returns.
func (m *manager) wantNothing() {
	m.t.Helper()
	if got := m.next(time.Millisecond); got != "" {
		m.t.Errorf("systemd was told %q", got)
	}
}

// TestSystemdIsTold: ready once everything runs, how it goes, that it lives, and that
// it stops.
func TestSystemdIsTold(t *testing.T) {
	systemd := newManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", "")
	addr := freeUDP(t)
	r := start(t, base+fmt.Sprintf("devices: [{name: d, port: \"udp://%s\"}]\n", addr), func(o *Options) {
		o.Reload = func() (*config.Config, []config.Warning, error) { return parse(t, base), nil, nil }
	})
	for _, before := range systemd.want("READY=1") {
		if before != "WATCHDOG=1" {
			t.Errorf("systemd was told %q before READY=1", before)
		}
	}
	systemd.want("STATUS=")
	begun := time.Now()
	for range 3 {
		systemd.want("WATCHDOG=1")
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the loop of a device that has nothing to do kept the watchdog waiting for %v", took)
	}
	r.Reload()
	systemd.want("RELOADING=1\nMONOTONIC_USEC=")
	systemd.want("READY=1")
	r.stop()
	systemd.want("STOPPING=1")
	systemd.wantNothing()
}

// TestWatchdogThatIsNoNumber: an environment that cannot be right is said before
// anything runs.
func TestWatchdogThatIsNoNumber(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := New(parse(t, base), Options{}); err == nil {
		t.Error("WATCHDOG_USEC=soon was accepted")
	}
}
