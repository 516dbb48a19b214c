package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// shortDir returns a folder whose name is short: that of a Unix socket must be.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "um")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// viewer is a client of the monitor socket.
type viewer struct {
	conn   net.Conn
	in     *bufio.Reader
	answer string // to the device's name
}

// view asks for a device.
func view(t *testing.T, path, device string) *viewer {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(conn, device); err != nil {
		t.Fatal(err)
	}
	v := &viewer{conn: conn, in: bufio.NewReader(conn)}
	answer, err := v.in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	v.answer = strings.TrimSpace(answer)
	return v
}

// startMonitored runs a daemon with a monitor socket and one device, d.
func startMonitored(t *testing.T) (r *runner, path, addr string) {
	t.Helper()
	path, addr = filepath.Join(shortDir(t), "m.sock"), freeUDP(t)
	r = start(t, base+fmt.Sprintf("devices: [{name: d, port: \"udp://%s\"}]\n", addr), func(o *Options) { o.Socket = path })
	return r, path, addr
}

// TestMonitorShowsWhatPasses a device to whoever asks for it.
func TestMonitorShowsWhatPasses(t *testing.T) {
	r, path, addr := startMonitored(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("socket %v, %v; want mode 0660", info, err)
	}
	if v := view(t, path, "nosuch"); v.answer != `no device "nosuch"; configured: d` {
		t.Errorf("answer %q", v.answer)
	}
	v := view(t, path, "d")
	if v.answer != "ok" {
		t.Fatalf("answer %q", v.answer)
	}
	dialBoard(t, addr).exchange(mqttsn.Packet{Type: mqttsn.PingReq})
	dec := json.NewDecoder(v.in)
	for _, kind := range []devices.WatchKind{devices.FrameIn, devices.FrameOut} {
		var ev MonitorEvent
		if err := dec.Decode(&ev); err != nil {
			t.Fatal(err)
		}
		if ev.Kind != kind {
			t.Errorf("saw kind %d % x, want %d", ev.Kind, ev.Body, kind)
		}
	}
	r.stop()
	if _, err := v.in.ReadByte(); err == nil {
		t.Error("the connection outlives the gateway")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// TestMonitorHasPlaces: one viewer too many is told so, and gets the place of one who
// goes.
func TestMonitorHasPlaces(t *testing.T) {
	_, path, _ := startMonitored(t)
	var all []*viewer
	for i := range maxMonitors {
		v := view(t, path, "d")
		if v.answer != "ok" {
			t.Fatalf("viewer %d: answer %q", i, v.answer)
		}
		all = append(all, v)
	}
	full := fmt.Sprintf("%d monitors are open already", maxMonitors)
	if v := view(t, path, "d"); v.answer != full {
		t.Errorf("answer %q, want %q", v.answer, full)
	}
	_ = all[0].conn.Close()
	for end := time.Now().Add(patience); ; {
		v := view(t, path, "d")
		if v.answer == "ok" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the place is not given to another: %q", v.answer)
		}
	}
}

// TestMonitorThatDoesNotRead holds up neither the board, nor other viewers, nor the
// end.
func TestMonitorThatDoesNotRead(t *testing.T) {
	r, path, addr := startMonitored(t)
	if v := view(t, path, "d"); v.answer != "ok" {
		t.Fatalf("answer %q", v.answer)
	}
	reader := view(t, path, "d")
	const messages = 500 // of 1 kB, and as many bytes again as base64: more than a socket holds
	seen := make(chan int)
	go func() { seen <- reader.count(mqttsn.PubAck, messages) }()
	b := dialBoard(t, addr)
	b.connect("b1")
	for id := uint16(1); id <= messages; id++ {
		b.publish(id, strings.Repeat("x", 1000))
	}
	if n := <-seen; n != messages {
		t.Errorf("the viewer who reads saw %d of %d acknowledgements", n, messages)
	}
	r.stop()
}

// count counts the messages of a type that go to the board, until there are enough
// or no more.
func (v *viewer) count(of mqttsn.Type, enough int) (n int) {
	dec := json.NewDecoder(v.in)
	for n < enough {
		var ev MonitorEvent
		var p mqttsn.Packet
		if dec.Decode(&ev) != nil {
			break
		}
		if ev.Kind == devices.FrameOut && mqttsn.Parse(ev.Body, &p) == nil && p.Type == of {
			n++
		}
	}
	return n
}

// TestSecondDaemonWithOneConfiguration goes on without a monitor socket, and leaves
// that of the first alone.
func TestSecondDaemonWithOneConfiguration(t *testing.T) {
	_, path, _ := startMonitored(t)
	second := start(t, base, func(o *Options) { o.Socket = path })
	second.wantLog("belongs to another umqttd with this configuration")
	second.stop()
	if v := view(t, path, "d"); v.answer != "ok" {
		t.Errorf("answer %q", v.answer)
	}
}

// TestSocketThatWasLeftBehind by a daemon that was killed is replaced.
func TestSocketThatWasLeftBehind(t *testing.T) {
	path := filepath.Join(shortDir(t), "m.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	start(t, base, func(o *Options) { o.Socket = path })
	if v := view(t, path, "d"); v.answer != `no device "d"; configured:` {
		t.Errorf("answer %q", v.answer)
	}
}

// TestSocketPaths: each configuration has a socket of its own, in the folder that
// systemd made.
func TestSocketPaths(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
	a, b := SocketPath("/etc/a.yaml"), SocketPath("/etc/b.yaml")
	if filepath.Dir(a) != "/run/one" || a == b {
		t.Errorf("sockets %s and %s", a, b)
	}
	if paths := SocketPaths("/etc/a.yaml"); len(paths) != 2 || paths[0] != a || filepath.Dir(paths[1]) != "/run/umqttd" {
		t.Errorf("looked for in %v", paths)
	}
}

// TestMonitorFollows a device that a reload restarts, and ends with one that is removed.
func TestMonitorFollows(t *testing.T) {
	path, addr, elsewhere := filepath.Join(shortDir(t), "m.sock"), freeUDP(t), freeUDP(t)
	r := startReloader(t, base+"devices:\n"+udpDevice("d", addr), func(o *Options) { o.Socket = path })
	v := view(t, path, "d")
	r.reload(base + "devices:\n" + udpDevice("d", elsewhere))
	r.wantGood()
	b := dialBoard(t, elsewhere)
	seen := make(chan error, 1)
	go func() {
		_, err := v.in.ReadString('\n')
		seen <- err
	}()
	for waiting := true; waiting; { // what passes before it has found the device is not shown
		b.exchange(mqttsn.Packet{Type: mqttsn.PingReq})
		select {
		case err := <-seen:
			if err != nil {
				t.Fatal(err)
			}
			waiting = false
		default:
		}
	}
	r.reload(base)
	r.wantGood()
	for {
		if _, err := v.in.ReadString('\n'); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
