package devices

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// sinkBroker accepts connections, and acknowledges what it is sent as fast as it can.
type sinkBroker struct {
	listener net.Listener
	got      chan int // PUBLISH packets since the last number
}

func newSinkBroker(tb testing.TB) *sinkBroker {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &sinkBroker{listener: l, got: make(chan int, 1<<20)}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { s.serve(conn) })
		}
	})
	tb.Cleanup(func() { _ = l.Close(); work.Wait() })
	return s
}

func (s *sinkBroker) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", s.listener.Addr().String())
}

func (s *sinkBroker) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	body := make([]byte, 1024)
	for n := 0; ; {
		first, err := in.ReadByte()
		if err != nil {
			return
		}
		length, err := binary.ReadUvarint(in) // MQTT's remaining length is one
		if err != nil || length > uint64(len(body)) {
			return
		}
		p := body[:length]
		if _, err := io.ReadFull(in, p); err != nil {
			return
		}
		switch first & 0xF0 {
		case 0x10:
			_, _ = out.Write([]byte{0x20, 2, 0, 0})
		case 0x30:
			id := p[2+int(binary.BigEndian.Uint16(p)):]
			_, _ = out.Write([]byte{0x40, 2, id[0], id[1]})
			n++
		}
		if in.Buffered() == 0 {
			_ = out.Flush()
			s.got <- n
			n = 0
		}
	}
}

// wait returns when n messages have come.
func (s *sinkBroker) wait(n int) {
	for n > 0 {
		n -= <-s.got
	}
}

// startOutbox runs a device on a UDP port with its outbox in dir until stop is called.
func startOutbox(tb testing.TB, dir string, dial func(context.Context) (net.Conn, error)) (d *Device, stop func()) {
	watcher := new(port.Watcher)
	d = New(Config{
		Name: "field", Port: port.Spec{Path: "udp://127.0.0.1:" + freePort(tb)}, Outbox: Outbox{Dir: dir},
		Session: mqttcore.Config{Dial: dial, BackoffMin: 10 * time.Millisecond, BackoffMax: 10 * time.Millisecond},
	}, Shared{
		Opener: new(port.Opener), Watcher: watcher, Clients: NewClients(100, nil),
		Metrics: metrics.New(metrics.Build{}), Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = d.Run(ctx) })
	work.Go(func() { _ = watcher.Run(ctx) })
	return d, func() { cancel(); work.Wait() }
}

// freePort returns a port that was free a moment ago.
func freePort(tb testing.TB) string {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return fmt.Sprint(c.LocalAddr().(*net.UDPAddr).Port)
}

func nobody(context.Context) (net.Conn, error) { return nil, net.ErrClosed }

// udpBoard is a board with a network.
type udpBoard struct {
	conn  net.Conn
	msgID uint16
	body  []byte
	in    [2048]byte
	p     mqttsn.Packet
}

// connect connects the board, which the device's port may not be open for yet.
func connectUDP(tb testing.TB, path, clientID string) *udpBoard {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "udp", strings.TrimPrefix(path, "udp://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	u := &udpBoard{conn: conn}
	for begun := time.Now(); time.Since(begun) < patience; {
		u.send(&mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte(clientID)})
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		if n, err := conn.Read(u.in[:]); err == nil && mqttsn.Parse(u.in[:n], &u.p) == nil && u.p.Type == mqttsn.ConnAck {
			_ = conn.SetReadDeadline(time.Time{})
			return u
		}
	}
	tb.Fatal("the board is not connected")
	return nil
}

func (u *udpBoard) send(p *mqttsn.Packet) {
	u.body = p.Append(u.body[:0])
	_, _ = u.conn.Write(u.body)
}

// publish sends n messages, at most window of them unacknowledged, and returns how
// many were refused.
func (u *udpBoard) publish(n, window int, payload []byte) (refused int) {
	sent, acked := 0, 0
	for acked < n {
		for ; sent < n && sent-acked < window; sent++ {
			u.msgID = u.msgID%0xFFFF + 1
			u.send(&mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: u.msgID, Data: payload})
		}
		size, err := u.conn.Read(u.in[:])
		if err != nil {
			return n
		}
		if mqttsn.Parse(u.in[:size], &u.p) == nil && u.p.Type == mqttsn.PubAck {
			acked++
			if u.p.ReturnCode != mqttsn.Accepted {
				refused++
			}
		}
	}
	return refused
}

// kernelBytes returns how many bytes this process has caused to be written to disks.
func kernelBytes(tb testing.TB) int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		tb.Fatal(err)
	}
	var n int64
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "write_bytes: %d", &n)
	}
	return n
}

// BenchmarkOutboxStore: the broker is away, boards publish 200 bytes with QoS 1. On a
// tmpfs no bytes are written: TMPDIR names another folder.
func BenchmarkOutboxStore(b *testing.B) {
	for _, c := range []struct{ boards, window int }{{1, 1}, {8, 1}, {8, 4}, {8, 20}} {
		boards, window := c.boards, c.window
		b.Run(fmt.Sprintf("boards=%d/window=%d", boards, window), func(b *testing.B) {
			d, stop := startOutbox(b, filepath.Join(b.TempDir(), "field"), nobody)
			defer stop()
			all := make([]*udpBoard, boards)
			for i := range all {
				all[i] = connectUDP(b, d.cfg.Port.Path, fmt.Sprint("b", i))
			}
			payload := make([]byte, 200)
			b.ResetTimer()
			before := kernelBytes(b)
			var work sync.WaitGroup
			for _, u := range all {
				work.Go(func() {
					if refused := u.publish((b.N+boards-1)/boards, window, payload); refused > 0 {
						b.Errorf("%d messages were refused", refused)
					}
				})
			}
			work.Wait()
			b.StopTimer()
			b.ReportMetric(float64(kernelBytes(b)-before)/float64(b.N), "written-B/msg")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// backlog makes an outbox with n messages of 200 bytes in it, of 8 clients.
func backlog(tb testing.TB, n int) (dir string) {
	dir = filepath.Join(tb.TempDir(), "field")
	log, err := outbox.Open(outbox.Config{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	m := outbox.Message{Topic: []byte("ab"), Payload: make([]byte, 200), QoS: 1, Accepted: time.Now()}
	for i := range n {
		m.Client = fmt.Sprint("b", i%8)
		if _, err := log.Append(&m); err != nil {
			tb.Fatal(err)
		}
		if i%1000 == 999 || i == n-1 {
			if err := log.Commit(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := log.Close(); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkOutboxReplay: the gateway is started with 100,000 messages of 8 clients in
// its outbox, and the broker is there.
func BenchmarkOutboxReplay(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		b.StopTimer()
		dir := backlog(b, n)
		broker := newSinkBroker(b)
		b.StartTimer()
		d, stop := startOutbox(b, dir, broker.dial)
		broker.wait(n)
		b.StopTimer()
		(&bench{t: b, device: d}).await("an empty outbox", func(s *Status) bool { return s.Outbox.Messages == 0 })
		stop()
		b.StartTimer()
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// TestMemoryDoesNotGrowWithTheBacklog: what waits on disk is not in memory.
func TestMemoryDoesNotGrowWithTheBacklog(t *testing.T) {
	heap := func(n int) int64 {
		d, stop := startOutbox(t, backlog(t, n), nobody)
		defer stop()
		(&bench{t: t, device: d}).await("the backlog", func(s *Status) bool { return s.Open && s.Outbox.Messages == n })
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	empty := heap(8)
	full := heap(20_000)
	t.Logf("heap with 8 messages %d KiB, with 20,000 %d KiB", empty>>10, full>>10)
	if full-empty > 1<<20 {
		t.Errorf("%d KiB more with 20,000 messages than with 8", (full-empty)>>10)
	}
}
