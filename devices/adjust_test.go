package devices

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestAdjust bounds a board anew within its session, which goes on, and shows payloads or
// not.
func TestAdjust(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	publish := func(id uint16, text string) mqttsn.Packet {
		return mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: id, Data: []byte(text)}
	}
	b.send(publish(1, "long"))
	conn.Want(`PUBLISH q1 id=1 ab "long"`)
	conn.Puback(1)
	b.want("no limit", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 1})
	cfg := b.device.cfg
	cfg.Limits, cfg.ShowPayloads = gateway.Limits{MaxPayload: 2}, true
	b.device.Adjust(cfg)
	b.send(publish(2, "long"), publish(3, "ok"))
	b.want("too long now", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 2, ReturnCode: mqttsn.NotSupported})
	conn.Want(`PUBLISH q1 id=2 ab "ok"`)
	conn.Puback(2)
	b.want("short enough", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 3})
	shown := func() string {
		s, ok := b.device.Status(t.Context())
		if !ok || len(s.Boards) != 1 || len(s.Boards[0].Topics) != 1 {
			t.Fatalf("got %+v, %v", s, ok)
		}
		return string(s.Boards[0].Topics[0].Payload)
	}
	if got := shown(); got != "ok" {
		t.Errorf("payload %q is shown", got)
	}
	cfg.Limits, cfg.ShowPayloads = gateway.Limits{MessagesPerSecond: 1}, false
	b.device.Adjust(cfg)
	b.send(publish(4, "long"))
	conn.Want(`PUBLISH q1 id=3 ab "long"`)
	conn.Puback(3)
	b.want("long again", mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: 4})
	if got := shown(); got != "" {
		t.Errorf("payload %q is still shown", got)
	}
}

// TestAdjustBeforeRun is not lost, and does not wait, not even for a full queue of events.
func TestAdjustBeforeRun(t *testing.T) {
	d := New(Config{Name: "shed"}, Shared{Clients: NewClients(100, nil), Metrics: metrics.New(metrics.Build{}), Log: slog.New(slog.DiscardHandler)})
	for range eventQueue + 1 {
		d.Adjust(Config{Name: "shed", ConsoleTopic: "printed"})
	}
	d.adjust()
	if d.cfg.ConsoleTopic != "printed" {
		t.Error("it was lost")
	}
}

// TestReserve: limits and reserved ids change while boards are live.
func TestReserve(t *testing.T) {
	c := NewClients(1, map[string]string{"old": ""})
	if got := c.claim("b1", "shed"); got != gateway.NoReason {
		t.Fatal(got)
	}
	if err := c.Reserve(9, map[string]string{"b1": ""}, nil); err == nil || !strings.Contains(err.Error(), "b1 is that of a board of device shed") {
		t.Errorf("a live board would be pushed out: %v", err)
	}
	if got := c.claim("b2", "attic"); got != gateway.ReasonTooManyNodes {
		t.Errorf("what failed changed something: %s", got)
	}
	if err := c.Reserve(3, map[string]string{"b1": "", "fixed": "attic"}, []string{"shed"}); err != nil {
		t.Errorf("its device is about to end: %v", err)
	}
	for _, step := range []struct {
		id, device string
		want       gateway.Reason
	}{
		{"old", "shed", gateway.NoReason}, {"b1", "shed", gateway.ReasonClientIDInUse},
		{"fixed", "shed", gateway.ReasonClientIDInUse}, {"fixed", "attic", gateway.NoReason},
	} {
		if got := c.claim(step.id, step.device); got != step.want {
			t.Errorf("%s claims %s: %s, want %s", step.device, step.id, got, step.want)
		}
	}
}

// TestOwnIsReplaced: the old session says goodbye under its name before the new one
// connects, and with none there is silence.
func TestOwnIsReplaced(t *testing.T) {
	broker := fakebroker.NewTCP(t, fakebroker.Config{})
	o := newOwn(t, broker)
	runOwn(t, o)
	conn := broker.Accept()
	conn.WantConnect()
	conn.Connack(false, 0)
	conn.Want(`PUBLISH q1 id=1 retain umqttd/pi/status "online"`)
	conn.Want(`PUBLISH q1 id=2 retain umqttd/pi/shed/status "offline"`)
	conn.Puback(1, 2)
	o.setDevice("shed", true)
	conn.Want(`PUBLISH q1 id=3 retain umqttd/pi/shed/status "online"`)
	conn.Puback(3)
	next, err := o.Session("berry", mqttcore.Config{Dial: broker.Dial, BackoffMin: time.Millisecond, BackoffMax: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	o.Use(next)
	conn.Want(`PUBLISH q1 id=4 retain umqttd/pi/shed/status "offline"`)
	conn.Want(`PUBLISH q1 id=5 retain umqttd/pi/status "offline"`)
	conn.Puback(4, 5)
	conn.Want(`DISCONNECT`)
	again := broker.Accept()
	again.Want(`CONNECT "berry" clean keepalive=30 will=(q1 retain umqttd/berry/status "offline")`)
	again.Connack(false, 0)
	again.Want(`PUBLISH q1 id=1 retain umqttd/berry/status "online"`)
	again.Want(`PUBLISH q1 id=2 retain umqttd/berry/shed/status "online"`)
	again.Puback(1, 2)

	o.SpeakFor([]string{"attic"})
	again.Want(`PUBLISH q1 id=3 retain umqttd/berry/shed/status ""`)
	again.Want(`PUBLISH q1 id=4 retain umqttd/berry/attic/status "offline"`)
	again.Puback(3, 4)
	o.Use(nil)
	again.Want(`PUBLISH q1 id=5 retain umqttd/berry/status "offline"`)
	again.Puback(5)
	again.Want(`DISCONNECT`)
	if err := o.publish([]byte("ab"), nil); err == nil {
		t.Error("a line that goes nowhere went somewhere")
	}
	met := metrics.New(metrics.Build{}).Device("attic")
	o.publishFor(met, &gateway.Command{Topic: []byte("ab")})
	if value(t, met.Dropped[metrics.DropBrokerOffline]) != 1 {
		t.Error("a message that goes nowhere must be counted")
	}
}

// TestOwnRemovesLater what stands retained for a device that went while the broker was away,
// but not for one that has come back meanwhile.
func TestOwnRemovesLater(t *testing.T) {
	broker := fakebroker.NewTCP(t, fakebroker.Config{})
	o := newOwn(t, broker)
	o.SpeakFor([]string{"attic", "roof"})
	o.SpeakFor([]string{"roof"})
	o.SpeakFor([]string{"roof", "shed"})
	runOwn(t, o)
	conn := broker.Accept()
	conn.WantConnect()
	conn.Connack(false, 0)
	conn.Want(`PUBLISH q1 id=1 retain umqttd/pi/status "online"`)
	heard := map[string]bool{}
	for range 3 {
		p := conn.WantPublish()
		heard[string(p.Topic)+" "+string(p.Payload)] = true
	}
	for _, want := range []string{"umqttd/pi/roof/status offline", "umqttd/pi/shed/status offline", "umqttd/pi/attic/status "} {
		if !heard[want] {
			t.Errorf("not heard: %s, but %v", want, heard)
		}
	}
	conn.Puback(1, 2, 3, 4)
}

// TestOwnWithoutASession runs until it is told to end.
func TestOwnWithoutASession(t *testing.T) {
	o, err := NewOwn("", mqttcore.Config{}, nil, metrics.New(metrics.Build{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	<-o.Ready()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
