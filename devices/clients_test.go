package devices

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestClientsAreKeptApart: two boards with one client id would push each other
// out at the broker for ever.
func TestClientsAreKeptApart(t *testing.T) {
	c := NewClients(2, map[string]string{"pi": "", "fixed": "greenhouse"})
	for _, step := range []struct {
		id, device string
		want       gateway.Reason
	}{
		{"pi", "greenhouse", gateway.ReasonClientIDInUse},
		{"fixed", "shed", gateway.ReasonClientIDInUse},
		{"fixed", "greenhouse", gateway.NoReason},
		{"fixed", "greenhouse", gateway.ReasonClientIDInUse},
		{"b1", "shed", gateway.NoReason},
		{"b2", "shed", gateway.ReasonTooManyNodes},
	} {
		if got := c.claim(step.id, step.device); got != step.want {
			t.Errorf("%s claims %s: %s, want %s", step.device, step.id, got, step.want)
		}
	}
	c.release("fixed")
	if got := c.claim("fixed", "shed"); got != gateway.ReasonClientIDInUse {
		t.Errorf("a reserved id stays reserved: %s", got)
	}
	c.release("b1")
	if got := c.claim("b1", "greenhouse"); got != gateway.NoReason {
		t.Errorf("a released id is free: %s", got)
	}
}

// value returns what a gauge or counter stands at.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetGauge().GetValue() + d.GetCounter().GetValue()
}

// TestAfterAPanic: a device that failed leaves nothing behind that keeps the next
// one from doing its work, or the metrics from telling the truth.
func TestAfterAPanic(t *testing.T) {
	b := &bench{t: t, broker: fakebroker.NewTCP(t, fakebroker.Config{}), path: filepath.Join(t.TempDir(), "board")}
	b.plug()
	t.Cleanup(b.unplug)
	shared := Shared{
		Opener: new(port.Opener), Watcher: new(port.Watcher), Clients: NewClients(10, nil),
		Metrics: metrics.New(metrics.Build{}), Log: slog.New(slog.DiscardHandler),
	}
	for _, fail := range []bool{true, false} {
		var failing atomic.Bool
		shared.Beat = func() {
			if failing.Load() {
				panic("as planned")
			}
		}
		d := New(Config{Name: "greenhouse", Port: port.Spec{Path: b.path}, Session: mqttcore.Config{Dial: b.broker.Dial}}, shared)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() { _ = recover() }()
			_ = d.Run(ctx)
		}()
		b.connect()
		if fail {
			failing.Store(true)
			d.post(event{kind: watchEnded}) // one more turn
		} else {
			cancel()
			b.want("goodbye", mqttsn.Packet{Type: mqttsn.Disconnect})
		}
		<-ended
		cancel()
		for what, gauge := range map[string]prometheus.Gauge{"up": d.met.Up, "boards": d.met.BoardsConnected, "broker": d.met.BrokerConnected} {
			if v := value(t, gauge); v != 0 {
				t.Errorf("%s is %v afterwards", what, v)
			}
		}
		if err := shared.Opener.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
