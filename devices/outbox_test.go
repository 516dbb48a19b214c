package devices

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// newOutboxBench is newBench with an outbox in a folder of its own.
func newOutboxBench(t *testing.T, change func(*Config)) *bench {
	dir := filepath.Join(t.TempDir(), "greenhouse")
	return newBench(t, func(c *Config) {
		c.Outbox, c.RxBuffer = Outbox{Dir: dir}, 0
		if change != nil {
			change(c)
		}
	})
}

// restart stops the device and starts another one with the same configuration, on
// another port.
func (b *bench) restart(change func(*Config)) {
	b.t.Helper()
	b.stop()
	b.unplug()
	cfg := b.device.cfg
	b.dec = serialproto.Decoder{}
	b.start(func(c *Config) {
		spec := c.Port
		*c = cfg
		c.Port = spec
		if change != nil {
			change(c)
		}
	})
}

// await asks for the status until it is as wanted.
func (b *bench) await(what string, wanted func(*Status) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s, ok := b.device.Status(ctx)
		if !ok {
			b.t.Fatalf("waiting for %s: the loop does not answer", what)
		}
		if wanted(&s) {
			return
		}
	}
}

// TestNothingIsWrittenWithAHealthyBroker: an SD card lives as long as it is not
// written.
func TestNothingIsWrittenWithAHealthyBroker(t *testing.T) {
	files := &faultyFS{FS: outbox.OS{}}
	b := newOutboxBench(t, func(c *Config) { c.Outbox.FS = files; c.Outbox.SpillAfter = time.Minute })
	conn := b.connect()
	for i := range uint16(100) {
		b.send(published1(i+1, "21.5"))
		conn.Puback(conn.WantPublish().ID)
		b.want("safe", puback1(i+1))
	}
	b.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	b.want("goodbye", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.stop()
	if n := files.written.Load(); n > 0 {
		t.Errorf("%d bytes were written", n)
	}
	if list, err := os.ReadDir(b.device.cfg.Outbox.Dir); err != nil || len(list) > 0 {
		t.Errorf("on disk: %v, %v", list, err)
	}
}

// TestStoredWhileTheBrokerIsAway: the board is acknowledged at once, and all comes to
// the broker when it is back, in order.
func TestStoredWhileTheBrokerIsAway(t *testing.T) {
	b := newOutboxBench(t, nil)
	conn := b.connect()
	b.broker.SetReach(fakebroker.Refusing)
	conn.Close()
	b.await("the broker to be missed", func(s *Status) bool { return len(s.Boards) == 1 && !s.Boards[0].Broker })
	const n = 100
	for i := range uint16(n) {
		b.send(published1(i+1, fmt.Sprint(i)))
		b.want("stored", puback1(i+1))
	}
	b.await("the figures", func(s *Status) bool { return s.Outbox.Messages == n && s.Outbox.Bytes > 0 })
	if got := b.alive().Boards[0].Stored; got != n {
		t.Errorf("%d messages of the board are stored", got)
	}
	b.broker.SetReach(fakebroker.Reachable)
	conn = b.broker.Welcome(false)
	for i := range n {
		p := conn.WantPublish()
		if string(p.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, p.Payload)
		}
		conn.Puback(p.ID)
	}
	b.await("an empty outbox", func(s *Status) bool { return s.Outbox.Messages == 0 })
	b.send(published1(200, "straight again"))
	p := conn.WantPublish()
	conn.Puback(p.ID)
	b.want("safe", puback1(200))
}

// TestRestartDeliversWithoutTheBoard: what is stored goes out as soon as the gateway
// runs again, whether its board is there or not.
func TestRestartDeliversWithoutTheBoard(t *testing.T) {
	b := newOutboxBench(t, nil)
	conn := b.connect()
	b.broker.SetReach(fakebroker.Refusing)
	conn.Close()
	b.await("the broker to be missed", func(s *Status) bool { return len(s.Boards) == 1 && !s.Boards[0].Broker })
	for i := range uint16(3) {
		b.send(published1(i+1, fmt.Sprint(i)))
		b.want("stored", puback1(i+1))
	}
	b.stop()
	b.broker.SetReach(fakebroker.Reachable)
	b.restart(func(c *Config) { c.Port.Path += "-missing" })
	conn = b.broker.Accept()
	conn.Want(`CONNECT "b1" clean keepalive=30`)
	conn.Connack(false, 0)
	for i := range 3 {
		p := conn.WantPublish()
		if string(p.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, p.Payload)
		}
		conn.Puback(p.ID)
	}
	conn.Want(`DISCONNECT`) // nobody is there who wants it
	b.await("an empty outbox", func(s *Status) bool { return s.Outbox.Messages == 0 })
}

// TestARestartForgetsNothing: topic ids and subscriptions of a board with
// CleanSession=0 are the same after the gateway was started anew.
func TestARestartForgetsNothing(t *testing.T) {
	b := newOutboxBench(t, nil)
	b.want("connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1"), Duration: 60})
	conn := b.broker.Welcome(false)
	b.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck})
	b.send(mqttsn.Packet{Type: mqttsn.Register, MsgID: 1, Topic: []byte("sensors/t")})
	ack := b.next()
	if ack.Type != mqttsn.RegAck || ack.TopicID == 0 {
		t.Fatalf("registered: %s %+v", ack.Type, ack)
	}
	b.send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 2, Topic: []byte("commands/#")})
	conn.Want(`SUBSCRIBE id=1 commands/#:1`)
	conn.Suback(1, 1)
	b.want("subscribed", mqttsn.Packet{Type: mqttsn.SubAck, Flags: mqttsn.QoS1, MsgID: 2})

	b.restart(nil)
	b.want("connect again", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1"), Duration: 60})
	conn = b.broker.Accept()
	conn.Want(`CONNECT "b1" keepalive=30`)
	conn.Connack(false, 0) // the broker was started anew too
	conn.Want(`SUBSCRIBE id=1 commands/#:1`)
	conn.Suback(1, 1)
	b.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck})
	b.send(mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: ack.TopicID, MsgID: 3, Data: []byte("21.5")})
	conn.Want(`PUBLISH q1 id=2 sensors/t "21.5"`)
	conn.Puback(2)
	b.want("the id means what it meant", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ack.TopicID, MsgID: 3})
}

// TestQuarantine: a message on which the broker closes the connection holds up the
// others for a while, not for ever.
func TestQuarantine(t *testing.T) {
	b := newOutboxBench(t, func(c *Config) {
		c.Session.BackoffMax = time.Millisecond
	})
	conn := b.connect()
	b.broker.SetReach(fakebroker.Refusing)
	conn.Close()
	b.await("the broker to be missed", func(s *Status) bool { return len(s.Boards) == 1 && !s.Boards[0].Broker })
	for i, text := range []string{"good", "poison", "good too"} {
		b.send(published1(uint16(i+1), text))
		b.want("stored", puback1(uint16(i+1)))
	}
	b.broker.SetReach(fakebroker.Reachable)
	var got []string
	for len(got) < 2 {
		conn := b.broker.Welcome(false)
		for len(got) < 2 {
			p := conn.WantPublish()
			if string(p.Payload) == "poison" {
				conn.Close()
				break
			}
			got = append(got, string(p.Payload))
			conn.Puback(p.ID)
		}
	}
	if got[0] != "good" || got[1] != "good too" {
		t.Errorf("delivered %q", got)
	}
	b.await("an empty outbox", func(s *Status) bool { return s.Outbox.Messages == 0 && s.Outbox.Quarantined == 1 })
	if n := value(t, b.device.met.Quarantined); n != 1 {
		t.Errorf("%v are counted", n)
	}
	b.stop()
	report, err := outbox.Inspect(b.device.cfg.Outbox.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Quarantine) != 1 || string(report.Quarantine[0].Payload) != "poison" || report.Quarantine[0].Why != quarantineReason {
		t.Errorf("quarantine: %+v", report.Quarantine)
	}
}

// TestForeignFile: a folder that is not an outbox closes the port of its device, until
// somebody has seen to it.
func TestForeignFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "holiday.jpg")
	if err := os.WriteFile(path, []byte("JFIF"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.Outbox.Dir = dir })
	b.await("the problem", func(s *Status) bool { return strings.Contains(s.Outbox.Problem, path) })
	if s := b.alive(); s.Open {
		t.Error("the port is open")
	}
	if why := b.device.NotReady(); !strings.Contains(why, path) {
		t.Errorf("not ready because of %q", why)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestRunWithout: the operator may prefer a device that promises less.
func TestRunWithout(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "holiday.jpg"), []byte("JFIF"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.Outbox = Outbox{Dir: dir, RunWithout: true} })
	conn := b.connect()
	b.send(published1(1, "21.5"))
	conn.Want(`PUBLISH q1 id=1 ab "21.5"`)
	conn.Puback(1)
	b.want("safe", puback1(1))
	if s := b.alive(); !strings.Contains(s.Outbox.Problem, "holiday.jpg") || b.device.NotReady() != "" {
		t.Errorf("%+v, not ready: %q", s.Outbox, b.device.NotReady())
	}
}

// TestDiskFull: the board is told to wait, and what it sends when there is room again
// is taken.
func TestDiskFull(t *testing.T) {
	files := &faultyFS{FS: outbox.OS{}}
	b := newOutboxBench(t, func(c *Config) { c.Outbox.FS = files })
	conn := b.connect()
	b.broker.SetReach(fakebroker.Refusing)
	conn.Close()
	b.await("the broker to be missed", func(s *Status) bool { return len(s.Boards) == 1 && !s.Boards[0].Broker })
	files.full.Store(true)
	b.send(published1(1, "too much"))
	b.want("told to wait", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 1, ReturnCode: mqttsn.Congestion})
	b.await("the problem", func(s *Status) bool { return strings.Contains(s.Outbox.Problem, "no space left on device") })
	if n := value(t, b.device.met.OutboxRefused[metrics.OutboxFull]); n != 1 {
		t.Errorf("%v are counted", n)
	}
	files.full.Store(false)
	for msgID := uint16(2); ; msgID++ { // a second later, it is asked again
		b.send(published1(msgID, "fits"))
		if p := b.next(); p.Type == mqttsn.PubAck && p.MsgID == msgID && p.ReturnCode == mqttsn.Accepted {
			break
		}
	}
	b.broker.SetReach(fakebroker.Reachable)
	conn = b.broker.Welcome(false)
	p := conn.WantPublish()
	if string(p.Payload) != "fits" {
		t.Errorf("delivered %q", p.Payload)
	}
	conn.Puback(p.ID)
	b.await("an empty outbox", func(s *Status) bool { return s.Outbox.Messages == 0 })
}

// TestHungDisk: the loop does not wait for a disk that never answers, but the watchdog
// is told.
func TestHungDisk(t *testing.T) {
	files := &faultyFS{FS: outbox.OS{}}
	answer := make(chan struct{})
	b := newOutboxBench(t, func(c *Config) { c.Outbox.FS = files })
	conn := b.connect()
	b.broker.SetReach(fakebroker.Refusing)
	conn.Close()
	b.await("the broker to be missed", func(s *Status) bool { return len(s.Boards) == 1 && !s.Boards[0].Broker })
	files.hang.Store(&answer)
	b.send(published1(1, "x"))
	b.await("the message", func(s *Status) bool { return s.Boards[0].InFlight == 1 })
	for b.device.disk.since.Load() == 0 {
		b.alive()
	}
	now := time.Now()
	if k := b.device.disk; k.hung(now) || !k.hung(now.Add(hungAfter+time.Second)) {
		t.Error("a disk that hangs is not told from one that is slow")
	}
	b.alive()
	close(answer)
	b.want("stored at last", puback1(1))
}
