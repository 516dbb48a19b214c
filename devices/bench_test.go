package devices

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// bareBroker accepts one connection, acknowledges everything, and allocates
// nothing meanwhile: what is counted is the device's.
type bareBroker struct {
	listener net.Listener
	conn     net.Conn
	acked    chan struct{} // a PUBACK has come
	out      [4]byte
	in       [4096]byte
}

func newBareBroker(tb testing.TB) *bareBroker {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &bareBroker{listener: l, acked: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.serve()
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return b
}

func (b *bareBroker) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", b.listener.Addr().String())
}

func (b *bareBroker) serve() {
	conn, err := b.listener.Accept()
	if err != nil {
		return
	}
	b.conn = conn
	defer func() { _ = conn.Close() }()
	for {
		if _, err := io.ReadFull(conn, b.in[:2]); err != nil {
			return
		}
		p := b.in[2 : 2+int(b.in[1])] // none is longer than 127 bytes
		if _, err := io.ReadFull(conn, p); err != nil {
			return
		}
		switch b.in[0] & 0xF0 {
		case 0x10: // CONNECT
			b.out = [4]byte{0x20, 2, 0, 0}
		case 0x30: // PUBLISH, QoS 1
			id := p[2+int(binary.BigEndian.Uint16(p)):]
			b.out = [4]byte{0x40, 2, id[0], id[1]}
		case 0x40: // PUBACK
			b.acked <- struct{}{}
			continue
		}
		if _, err := conn.Write(b.out[:]); err != nil {
			return
		}
	}
}

// track is a board on a pty, the device, and a broker.
type track struct {
	tb     testing.TB
	broker *bareBroker
	board  *os.File
	dec    serialproto.Decoder
	body   []byte
	frame  []byte
	in     [4096]byte
	p      mqttsn.Packet
	msgID  uint16 // of the last message from the board
	acked  uint16 // of the last message to it
	down   []byte
}

func newTrack(tb testing.TB, change func(*Config)) *track {
	broker := newBareBroker(tb)
	b := &bench{t: tb}
	b.start(func(c *Config) {
		c.Session = mqttcore.Config{Dial: broker.dial, KeepAlive: -1}
		if change != nil {
			change(c)
		}
	})
	tr := &track{tb: tb, broker: broker, board: b.master, down: []byte("\x32\x11\x00\x02ab\x00\x0921.5 degree")}
	if err := b.master.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	tr.want(mqttsn.Disconnect)
	tr.send(&mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1")})
	tr.want(mqttsn.ConnAck)
	return tr
}

func (tr *track) send(p *mqttsn.Packet) {
	tr.body = p.Append(tr.body[:0])
	tr.frame = serialproto.AppendFrame(tr.frame[:0], tr.body)
	if _, err := tr.board.Write(tr.frame); err != nil {
		tr.tb.Fatal(err)
	}
}

// want reads until a message of that type comes. It answers PINGREQ.
func (tr *track) want(kind mqttsn.Type) {
	for {
		for ev, ok := tr.dec.Next(); ok; ev, ok = tr.dec.Next() {
			if err := mqttsn.Parse(ev.Body, &tr.p); err != nil {
				tr.tb.Fatal(err)
			}
			if tr.p.Type == mqttsn.PingReq {
				tr.send(&mqttsn.Packet{Type: mqttsn.PingResp})
			}
			if tr.p.Type == kind {
				return
			}
		}
		n, err := tr.board.Read(tr.in[:])
		if err != nil {
			tr.tb.Fatal(err)
		}
		tr.dec.Feed(tr.in[:n], time.Time{})
	}
}

var uplinkPayload = []byte("21.5 degrees")

// uplink is one QoS 1 message from the board to the broker, and its PUBACK.
func (tr *track) uplink() {
	tr.msgID = tr.msgID%0xFFFF + 1
	tr.send(&mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: tr.msgID, Data: uplinkPayload})
	tr.want(mqttsn.PubAck)
}

// downlink is one QoS 1 message from the broker to the board, and its PUBACK.
func (tr *track) downlink() {
	if _, err := tr.broker.conn.Write(tr.down); err != nil {
		tr.tb.Fatal(err)
	}
	tr.want(mqttsn.Publish)
	for tr.p.MsgID == tr.acked { // on a busy machine the gateway may have sent the last one twice
		tr.want(mqttsn.Publish)
	}
	tr.acked = tr.p.MsgID
	tr.send(&mqttsn.Packet{Type: mqttsn.PubAck, TopicID: tr.p.TopicID, MsgID: tr.p.MsgID})
	<-tr.broker.acked
}

// TestHotPathDoesNotAllocate: from a frame on the port to an MQTT packet, and back.
func TestHotPathDoesNotAllocate(t *testing.T) {
	for name, do := range map[string]func(*track){"uplink": (*track).uplink, "downlink": (*track).downlink} {
		tr := newTrack(t, nil)
		for range 500 {
			do(tr)
		}
		if n := testing.AllocsPerRun(2000, func() { do(tr) }); n > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations a message", name, n)
		}
	}
}

// TestStoringDoesNotAllocate: from a frame on the port to the disk.
func TestStoringDoesNotAllocate(t *testing.T) {
	tr := newTrack(t, func(c *Config) {
		c.Session.Dial, c.Session.BackoffMin = nobody, time.Hour
		c.Outbox.Dir = filepath.Join(t.TempDir(), "greenhouse")
	})
	for range 500 {
		tr.uplink()
	}
	if n := testing.AllocsPerRun(2000, tr.uplink); n > 0 && !raceEnabled {
		t.Errorf("%v allocations a message", n)
	}
}

func BenchmarkUplinkQoS1(b *testing.B) { benchmark(b, (*track).uplink) }

func BenchmarkDownlinkQoS1(b *testing.B) { benchmark(b, (*track).downlink) }

func benchmark(b *testing.B, do func(*track)) {
	tr := newTrack(b, nil)
	for range 500 {
		do(tr)
	}
	b.ReportAllocs()
	for b.Loop() {
		do(tr)
	}
}
