package devices

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/fakebroker"
)

func newOwn(t *testing.T, broker *fakebroker.Broker) *Own {
	t.Helper()
	o, err := NewOwn("pi", mqttcore.Config{Dial: broker.Dial, BackoffMin: time.Millisecond, BackoffMax: time.Millisecond},
		[]string{"shed"}, metrics.New(metrics.Build{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func runOwn(t *testing.T, o *Own) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = o.Run(ctx); close(ended) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// TestOwn: who is online is said at every connection, and taken back at the end.
func TestOwn(t *testing.T) {
	broker := fakebroker.NewTCP(t, fakebroker.Config{})
	o := newOwn(t, broker)
	stop := runOwn(t, o)
	conn := broker.Accept()
	conn.Want(`CONNECT "pi" clean keepalive=30 will=(q1 retain umqttd/pi/status "offline")`)
	conn.Connack(false, 0)
	conn.Want(`PUBLISH q1 id=1 retain umqttd/pi/status "online"`)
	conn.Want(`PUBLISH q1 id=2 retain umqttd/pi/shed/status "offline"`)
	conn.Puback(1, 2)
	o.setDevice("shed", true)
	conn.Want(`PUBLISH q1 id=3 retain umqttd/pi/shed/status "online"`)
	conn.Puback(3)
	o.setDevice("shed", true) // nothing new

	conn.Close()
	again := broker.Welcome(false)
	again.Want(`PUBLISH q1 id=4 retain umqttd/pi/status "online"`)
	again.Puback(4) // the first one goes alone after the broker closed
	again.Want(`PUBLISH q1 id=5 retain umqttd/pi/shed/status "online"`)
	again.Puback(5)
	if err := o.publish([]byte("ab"), []byte("printed")); err != nil {
		t.Fatal(err)
	}
	again.Want(`PUBLISH q0 ab "printed"`)

	go stop()
	again.Want(`PUBLISH q1 id=6 retain umqttd/pi/shed/status "offline"`)
	again.Want(`PUBLISH q1 id=7 retain umqttd/pi/status "offline"`)
	again.Puback(6, 7)
	again.Want(`DISCONNECT`)
}

// TestOwnEndsBeforeItBegins: a stop that comes first is a stop.
func TestOwnEndsBeforeItBegins(t *testing.T) {
	broker := fakebroker.NewTCP(t, fakebroker.Config{})
	for range 50 {
		o := newOwn(t, broker)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = o.Run(ctx)
	}
}

// TestNoOwn: without a session of its own the gateway has nothing to say.
func TestNoOwn(t *testing.T) {
	var o *Own
	o.setDevice("shed", true)
	if err := o.publish([]byte("ab"), nil); err == nil {
		t.Error("a line that goes nowhere went somewhere")
	}
	met := metrics.New(metrics.Build{}).Device("shed")
	o.publishFor(met, &gateway.Command{Topic: []byte("ab")})
	if value(t, met.Dropped[metrics.DropBrokerOffline]) != 1 {
		t.Error("a message that goes nowhere must be counted")
	}
}

// TestQoSMinus1IsCounted: as a message when it is written, as dropped if there
// is no broker, and never as both.
func TestQoSMinus1IsCounted(t *testing.T) {
	broker := fakebroker.NewTCP(t, fakebroker.Config{})
	o := newOwn(t, broker)
	met := metrics.New(metrics.Build{}).Device("shed")
	o.publishFor(met, &gateway.Command{Topic: []byte("ab"), Payload: []byte("early"), Received: time.Now()})
	runOwn(t, o)
	conn := broker.Accept()
	conn.WantConnect()
	conn.Connack(false, 0)
	conn.WantPublish()
	conn.WantPublish()
	conn.Puback(1, 2)
	o.publishFor(met, &gateway.Command{Topic: []byte("ab"), Payload: []byte("there"), Received: time.Now()})
	conn.Want(`PUBLISH q0 ab "there"`)
	conn.Close()
	broker.Accept() // so the completion was told
	o.mu.Lock()
	defer o.mu.Unlock()
	if up, dropped := value(t, met.Uplink(-1).Messages), value(t, met.Dropped[metrics.DropBrokerOffline]); up != 1 || dropped != 1 || len(o.loose) != 0 {
		t.Errorf("%v messages, %v dropped, %d on their way", up, dropped, len(o.loose))
	}
}
