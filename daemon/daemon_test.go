package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// patience bounds what a test waits for; it is never slept through.
const patience = 20 * time.Second

// runner is a daemon that runs.
type runner struct {
	*Daemon
	t      *testing.T
	log    *logbook
	cancel context.CancelFunc
	ended  chan error
}

// logbook collects log lines.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// base is a gateway with a broker inside, on free ports.
const base = `
broker: {url: embedded}
embedded_broker: {listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
gateway: gw
`

func parse(t *testing.T, yaml string) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse(filepath.Join(t.TempDir(), "test.yaml"), []byte(yaml), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs a daemon and waits until it is ready.
func start(t *testing.T, yaml string, change func(*Options)) *runner {
	t.Helper()
	r := &runner{t: t, log: new(logbook), ended: make(chan error, 1)}
	opts := Options{Version: "1.2.3", Log: slog.New(slog.NewTextHandler(r.log, nil))}
	if change != nil {
		change(&opts)
	}
	d, err := New(parse(t, yaml), opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- d.Run(ctx) }()
	t.Cleanup(r.stop)
	select {
	case <-d.Ready():
	case err := <-r.ended:
		t.Fatalf("ended: %v\n%s", err, r.log)
	case <-time.After(patience):
		t.Fatalf("not ready\n%s", r.log)
	}
	return r
}

func (r *runner) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	begun := time.Now()
	if err := <-r.ended; err != nil {
		r.t.Errorf("stopped with %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		r.t.Errorf("stopping took %v", took)
	}
}

func (r *runner) get(path string) string {
	r.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.HTTPAddr().String() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode) + " " + string(b)
}

// udpBoard is a board on a datagram device.
type udpBoard struct {
	t    *testing.T
	conn net.Conn
}

func dialBoard(t *testing.T, addr string) *udpBoard {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &udpBoard{t, conn}
}

// exchange sends a message and returns the answer. A datagram may be lost
// before the listener is bound, so it asks again.
func (b *udpBoard) exchange(p mqttsn.Packet) mqttsn.Packet {
	b.t.Helper()
	buf := make([]byte, 2048)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := b.conn.Write(p.Append(nil)); err != nil {
			continue // refused: not bound yet
		}
		_ = b.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := b.conn.Read(buf)
		if err != nil {
			continue
		}
		var answer mqttsn.Packet
		if err := mqttsn.Parse(buf[:n], &answer); err != nil {
			b.t.Fatal(err)
		}
		return answer
	}
	b.t.Fatalf("no answer to %s", p.Type)
	return mqttsn.Packet{}
}

// freeUDP returns an address that is free now.
func freeUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().String()
}

// TestOneBrokenPortTouchesNoOther: one port is missing, one is no tty, one
// cannot be bound, and the board on the fourth is served.
func TestOneBrokenPortTouchesNoOther(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	good := freeUDP(t)
	r := start(t, base+fmt.Sprintf(`
devices:
  - {name: missing, port: %s/none}
  - {name: notty, port: %s}
  - {name: taken, port: "udp://%s"}
  - {name: good, port: "udp://%s"}
`, t.TempDir(), os.Args[0], taken.LocalAddr(), good), nil)
	b := dialBoard(t, good)
	connect := mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1"), Duration: 60}
	if a := b.exchange(connect); a.Type != mqttsn.ConnAck || a.ReturnCode != mqttsn.Accepted {
		t.Fatalf("CONNECT was answered %s", a.String())
	}
	pub := mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName), TopicID: mqttsn.ShortTopic('a', 'b'), MsgID: 1, Data: []byte("x")}
	if a := b.exchange(pub); a.Type != mqttsn.PubAck || a.ReturnCode != mqttsn.Accepted {
		t.Fatalf("PUBLISH was answered %s", a.String())
	}
	if got := r.get("/-/ready"); !strings.HasPrefix(got, "200") {
		t.Errorf("a port that is not there is a state: %s", got)
	}
	page := r.get("/")
	for _, want := range []string{"1.2.3", "missing", "notty", "taken", "good", "b1", "no such port"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	metrics := r.get("/metrics")
	for _, want := range []string{
		`umqttd_device_up{device="good"} 1`, `umqttd_device_up{device="missing"} 0`, `umqttd_board_connected{device="good"} 1`,
		`umqttd_messages_total{device="good",direction="uplink",qos="1"} 1`, `umqttd_config_last_reload_successful 1`,
		`umqttd_build_info{`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if s := r.summary(context.Background()); s != "1/4 devices up, broker connected" {
		t.Errorf("systemd is told %q", s)
	}
}

// TestStatusTopics: the gateway's own session says who is online.
func TestStatusTopics(t *testing.T) {
	addr := freeUDP(t)
	r := start(t, base+fmt.Sprintf("devices: [{name: d, port: \"udp://%s\"}]\n", addr), nil)
	heard := make(chan string, 16)
	dialer, err := mqttcore.NewDialer("mqtt://"+r.BrokerAddr().String(), mqttcore.FileTLS{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := mqttcore.New(mqttcore.Config{Dial: dialer.Dial, ClientID: "witness", CleanSession: true, OnMessage: func(m mqttcore.Delivery) {
		heard <- string(m.Topic) + " " + string(m.Payload)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	defer running.Wait()
	defer cancel()
	if _, err := c.Subscribe(ctx, "umqttd/#", 1, nil); err != nil {
		t.Fatal(err)
	}
	want := func(lines ...string) {
		t.Helper()
		missing := map[string]bool{}
		for _, l := range lines {
			missing[l] = true
		}
		for len(missing) > 0 {
			select {
			case l := <-heard:
				delete(missing, l)
			case <-time.After(patience):
				t.Fatalf("not heard: %v", missing)
			}
		}
	}
	want("umqttd/gw/status online", "umqttd/gw/d/status offline")
	dialBoard(t, addr).exchange(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1")})
	want("umqttd/gw/d/status online")
}

// TestMonitorSocket shows a device's messages to whoever asks for them.
func TestMonitorSocket(t *testing.T) {
	addr := freeUDP(t)
	// Unix sockets have short names, shorter than some temporary folders.
	dir, err := os.MkdirTemp("", "um") //nolint:usetesting // as said
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "m.sock")
	r := start(t, base+fmt.Sprintf("devices: [{name: d, port: \"udp://%s\"}]\n", addr), func(o *Options) { o.Socket = path })
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("socket %v, %v; want mode 0660", info, err)
	}
	ask := func(name string) (*bufio.Reader, string) {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintln(conn, name); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		answer, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return in, strings.TrimSpace(answer)
	}
	if _, answer := ask("nosuch"); answer != `no device "nosuch"; configured: d` {
		t.Errorf("answer %q", answer)
	}
	in, answer := ask("d")
	if answer != "ok" {
		t.Fatalf("answer %q", answer)
	}
	dialBoard(t, addr).exchange(mqttsn.Packet{Type: mqttsn.PingReq})
	dec := json.NewDecoder(in)
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
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// TestReload: a file with faults changes nothing, and says so.
func TestReload(t *testing.T) {
	next := func() (*config.Config, error) { return nil, errors.New("test.yaml:1: brokr: unknown key") }
	r := start(t, base, func(o *Options) { o.Reload = func() (*config.Config, error) { return next() } })
	r.Reload()
	if got := r.get("/metrics"); !strings.Contains(got, "umqttd_config_last_reload_successful 0") || !strings.Contains(r.log.String(), "brokr: unknown key") {
		t.Errorf("a bad file must show in metric and log:\n%s", r.log)
	}
	next = func() (*config.Config, error) { return parse(t, base), nil }
	r.Reload()
	if got := r.get("/metrics"); !strings.Contains(got, "umqttd_config_last_reload_successful 1") {
		t.Errorf("the file is good again:\n%s", r.log)
	}
}

// TestAddressInUse: what the operator asked for and cannot be had ends the program.
func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d, err := New(parse(t, strings.Replace(base, `http: {listen: "127.0.0.1:0"}`, fmt.Sprintf("http: {listen: %q}", l.Addr()), 1)),
		Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("ended with %v, want an error that names http.listen", err)
	}
}

// TestPanicStaysInItsDevice: a bug of ours in one device is logged, and the
// device starts anew.
func TestPanicStaysInItsDevice(t *testing.T) {
	book := new(logbook)
	builds := make(chan struct{}, 8)
	s := supervise("d", slog.New(slog.NewTextHandler(book, nil)), func() *devices.Device {
		builds <- struct{}{}
		return nil // whose Run panics
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	for range 2 {
		select {
		case <-builds:
		case <-time.After(patience):
			t.Fatal("not started anew")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(book.String(), "panic") {
		t.Errorf("the log does not say what happened:\n%s", book)
	}
}
