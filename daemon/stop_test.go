package daemon

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/umqttd/umqttd/devices/port/porttest"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// deafBroker is a broker that answers a CONNECT, and then neither reads nor writes.
// It tells each connection that it has answered.
func deafBroker(t *testing.T) (addr string, connected <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{}, 8)
	var serving sync.WaitGroup
	var conns []net.Conn
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			_, _ = conn.Read(make([]byte, 512))
			_, _ = conn.Write([]byte{0x20, 2, 0, 0})
			answered <- struct{}{}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return l.Addr().String(), answered
}

// stall asks the gateway more than a port can hold answers to, and reads none.
func stall(t *testing.T, board *os.File) {
	t.Helper()
	question := mqttsn.Packet{Type: mqttsn.SearchGW}
	frame := serialproto.AppendFrame(nil, question.Append(nil))
	for sent := 0; sent < 256<<10; sent += len(frame) {
		if _, err := board.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStopIsQuickWhateverHangs: the gateway's own session waits for a broker that
// does not answer, a port takes no bytes, a broker is away, a browser and a viewer do
// not read. All of it together costs less than 5 s.
func TestStopIsQuickWhateverHangs(t *testing.T) {
	deaf, connected := deafBroker(t)
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = away.Close()
	board, tty := porttest.NewPTY(t)
	cut := freeUDP(t)
	socket := filepath.Join(shortDir(t), "m.sock")
	r := start(t, fmt.Sprintf(`
broker: {url: "mqtt://%s"}
http: {listen: "127.0.0.1:0"}
gateway: gw
devices:
  - {name: stalled, port: %s}
  - {name: cut, port: "udp://%s", broker: {url: "mqtt://%s"}}
`, deaf, tty, cut, away.Addr()), func(o *Options) { o.Socket = socket })
	<-connected
	r.wantLog("gateway's own session is up")
	b := dialBoard(t, cut)
	r.wantLog("port=udp://" + cut)
	connect := mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1")}
	if _, err := b.conn.Write(connect.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if a := b.exchange(mqttsn.Packet{Type: mqttsn.SearchGW}); a.Type != mqttsn.GWInfo {
		t.Errorf("SEARCHGW was answered %s", a.String())
	}
	if v := view(t, socket, "stalled"); v.answer != "ok" {
		t.Errorf("answer %q", v.answer)
	}
	browser, err := net.Dial("tcp", r.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = browser.Close() }()
	if _, err := browser.Write([]byte("GET / HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	stall(t, board)
	r.stop()
	if metrics := scrape(r.Daemon); strings.Contains(metrics, `umqttd_dropped_total{device="stalled",reason="congestion"} 0`) {
		t.Error("the port did not stall")
	}
}
