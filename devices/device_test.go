package devices

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// patience bounds what a test waits for; it is never slept through.
const patience = 10 * time.Second

// bench is one device with a broker behind it and a board's end of its port.
type bench struct {
	t      testing.TB
	broker *fakebroker.Broker
	device *Device
	path   string // link to the slave
	master *os.File
	slave  *os.File // kept open: a master without a slave reads EIO
	dec    serialproto.Decoder
	stop   func()
}

func newBench(t *testing.T, change func(*Config)) *bench {
	b := &bench{t: t, broker: fakebroker.NewTCP(t, fakebroker.Config{})}
	b.start(func(c *Config) {
		c.Session = mqttcore.Config{Dial: b.broker.Dial, BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond}
		if change != nil {
			change(c)
		}
	})
	return b
}

// start runs the device on a pty.
func (b *bench) start(change func(*Config)) {
	t := b.t
	b.path = filepath.Join(t.TempDir(), "board")
	b.plug()
	cfg := Config{Name: "greenhouse", Port: port.Spec{Path: b.path}, RxBuffer: 240}
	if change != nil {
		change(&cfg)
	}
	watcher := new(port.Watcher)
	b.device = New(cfg, Shared{
		Opener: new(port.Opener), Watcher: watcher, Clients: NewClients(100, nil),
		Metrics: metrics.New(metrics.Build{}), Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	go func() { _ = b.device.Run(ctx); ended <- struct{}{} }()
	go func() { _ = watcher.Run(ctx); ended <- struct{}{} }()
	b.stop = func() {
		cancel()
		<-ended
		<-ended
		if err := b.device.shared.Opener.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		b.stop = func() {}
	}
	t.Cleanup(func() { b.stop(); b.unplug() })
}

// plug makes a pty and the link by which the device finds it.
func (b *bench) plug() {
	b.t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		b.t.Fatal(err)
	}
	_ = os.Remove(b.path)
	if err := os.Symlink(slave.Name(), b.path); err != nil {
		b.t.Fatal(err)
	}
	b.master, b.slave = master, slave
}

// unplug closes the board's end, which the gateway sees as a pulled cable.
func (b *bench) unplug() {
	_ = os.Remove(b.path)
	_ = b.master.Close()
	_ = b.slave.Close()
}

// frame returns a message as it is on the wire.
func frame(p mqttsn.Packet) []byte { return serialproto.AppendFrame(nil, p.Append(nil)) }

// send writes messages as the board would.
func (b *bench) send(ps ...mqttsn.Packet) {
	b.t.Helper()
	for _, p := range ps {
		if _, err := b.master.Write(frame(p)); err != nil {
			b.t.Fatal(err)
		}
	}
}

// next returns the next message for the board.
func (b *bench) next() mqttsn.Packet {
	b.t.Helper()
	buf := make([]byte, 256)
	for {
		if ev, ok := b.dec.Next(); ok {
			var p mqttsn.Packet
			if ev.Kind != serialproto.Frame {
				b.t.Fatalf("the gateway wrote %s %q", ev.Kind, ev.Body)
			}
			if err := mqttsn.Parse(append([]byte(nil), ev.Body...), &p); err != nil {
				b.t.Fatal(err)
			}
			return p
		}
		_ = b.master.SetReadDeadline(time.Now().Add(patience))
		n, err := b.master.Read(buf)
		if err != nil {
			b.t.Fatalf("nothing came: %v", err)
		}
		b.dec.Feed(buf[:n], time.Now())
	}
}

// want reads one message, which must be p.
func (b *bench) want(what string, p mqttsn.Packet) {
	b.t.Helper()
	if got := b.next(); !reflect.DeepEqual(got, p) {
		b.t.Fatalf("%s:\n got %s %+v\nwant %s %+v", what, got.Type, got, p.Type, p)
	}
}

// connect brings the board up with a clean session.
func (b *bench) connect() *fakebroker.Conn {
	b.t.Helper()
	b.want("whoever is there is asked to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1"), Duration: 60})
	conn := b.broker.Accept()
	conn.Want(`CONNECT "b1" clean keepalive=30`)
	conn.Connack(false, 0)
	b.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck})
	return conn
}

const short = mqttsn.Flags(mqttsn.ShortName)

var ab = mqttsn.ShortTopic('a', 'b')

// TestFrameToPubackAndBack is the main job, over a real pty.
func TestFrameToPubackAndBack(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.send(mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: 7, Data: []byte("21.5")})
	conn.Want(`PUBLISH q1 id=1 ab "21.5"`)
	conn.Puback(1)
	b.want("safe", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 7})

	b.send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: 8})
	conn.Want(`SUBSCRIBE id=2 ab:1`)
	conn.Suback(2, 1)
	b.want("subscribed", mqttsn.Packet{Type: mqttsn.SubAck, Flags: mqttsn.QoS1, MsgID: 8})
	conn.SendRaw([]byte("\x32\x08\x00\x02ab\x00\x09on"))
	b.want("delivered", mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: 1, Data: []byte("on")})
	b.send(mqttsn.Packet{Type: mqttsn.Publish, Flags: short, TopicID: ab, Data: []byte("0")})
	conn.Want(`PUBLISH q0 ab "0"`) // no PUBACK came before: the board does not have it yet
	b.send(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 1})
	conn.Want(`PUBACK id=9`)

	b.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	b.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	conn.Want(`DISCONNECT`)
}
