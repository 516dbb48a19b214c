package e2e

import (
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestAllow lets a board do what its configuration allows, and refuses the rest with "not supported".
func TestAllow(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{`allow: {publish: ["m5/#"], subscribe: ["cmd/m5/#", "all"]}`}})
	judge := r.judge("#")
	b := r.board(board.Config{ClientID: "m5"})
	forbidden := []string{"other/t", "m6", "umqttd/gw/status", "$SYS/x", "homeassistant/x/config"}
	for _, topic := range forbidden {
		send(b, topic, []string{"no"})
	}
	send(b, "m5/t", []string{"yes"})
	judge.waitFor("m5/t", "yes")
	for i, ev := range b.Events(board.Dropped) {
		if ev.ReturnCode != mqttsn.NotSupported {
			t.Errorf("%s was refused with %v", forbidden[i], ev.ReturnCode)
		}
	}
	if n := b.Count(board.Dropped); n != len(forbidden) {
		t.Errorf("%d messages were refused, want %d", n, len(forbidden))
	}
	r.gateway.WaitMetric(metric("dropped_total", `reason="forbidden"`), float64(len(forbidden)))
	for _, filter := range []string{"#", "cmd/#", "cmd/+/x", "m5/t"} {
		if ev := b.Subscribe(filter, 1); ev.ReturnCode != mqttsn.NotSupported {
			t.Errorf("SUBSCRIBE %s was answered with %v", filter, ev.ReturnCode)
		}
	}
	r.gateway.WaitMetric(metric("refused_total", `request="subscribe"`), 4)
	for _, filter := range []string{"cmd/m5/#", "cmd/m5/+/x", "all"} {
		if ev := b.Subscribe(filter, 1); ev.ReturnCode != mqttsn.Accepted {
			t.Errorf("SUBSCRIBE %s was answered with %v", filter, ev.ReturnCode)
		}
	}
	for _, m := range judge.all() {
		if m.payload == "no" {
			t.Errorf("a forbidden message came on %s", m.topic)
		}
	}
}

// TestForbiddenWill refuses a CONNECT for its will.
func TestForbiddenWill(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{`allow: {publish: ["m5/#"]}`}})
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5", Will: &board.Will{Topic: "other/will", Message: []byte("gone")}})
	if ev := b.Wait(board.Refused, 1); ev.ReturnCode != mqttsn.NotSupported {
		t.Errorf("CONNACK says %v", ev.ReturnCode)
	}
	r.gateway.WaitMetricAtLeast(metric("refused_total", `request="will"`), 1)
	r.gateway.WaitMetric(metric("board_connected"), 0)
}

// TestReservedTopics are not for boards even where everything is allowed.
func TestReservedTopics(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("#")
	b := r.board(board.Config{ClientID: "m5"})
	for _, topic := range []string{"umqttd/gw/status", "umqttd/x", "$SYS/x", "$share/x", "homeassistant/x/config"} {
		send(b, topic, []string{"no"})
	}
	send(b, "m5/t", []string{"yes"})
	judge.waitFor("m5/t", "yes")
	if n := b.Count(board.Dropped); n != 5 {
		t.Errorf("%d messages were refused, want 5", n)
	}
	for _, m := range judge.all() {
		if m.payload == "no" {
			t.Errorf("a forbidden message came on %s", m.topic)
		}
	}
}

// TestLimits slows a board that is too fast, and refuses what is too large.
func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{"limits: {messages_per_second: 10, max_payload: 20}"}})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: 1})
	sent := numbered("up", 15)
	send(b, "m5/t", sent)
	send(b, "m5/t", []string{"more than twenty bytes"})
	b.WaitAcknowledged()
	wantOnce(t, payloads(judge.wait(len(sent))), sent)
	if b.Count(board.Congested) == 0 {
		t.Error("the board was not slowed down")
	}
	r.gateway.WaitMetricAtLeast(metric("dropped_total", `reason="rate_limit"`), 1)
	r.gateway.WaitMetric(metric("dropped_total", `reason="too_large"`), 1)
	if ev := b.Wait(board.Dropped, 1); ev.ReturnCode != mqttsn.NotSupported {
		t.Errorf("a payload that is too large was answered with %v", ev.ReturnCode)
	}
}

// TestClientIDs guards the client ids: one that is live on another port, that of the gateway and one that is configured for another device are refused.
func TestClientIDs(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Config{})
	attic, shed, barn := cable.New(t), cable.New(t), cable.New(t)
	gateway := umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`", reconnect: {min: 20ms, max: 200ms}}
gateway: gw
devices:
  - {name: attic, port: `+attic.Path()+`}
  - {name: shed, port: `+shed.Path()+`}
  - {name: barn, port: `+barn.Path()+`, client_id: barn-1}
`)
	first := cable.NewBoard(t, attic, board.Config{ClientID: "m5"})
	first.Wait(board.Connected, 1)
	refused := func(clientID string) {
		t.Helper()
		b := cable.NewBoard(t, shed, board.Config{ClientID: clientID})
		defer b.PowerOff()
		if ev := b.Wait(board.Refused, 1); ev.ReturnCode != mqttsn.NotSupported {
			t.Errorf("client id %s: CONNACK says %v", clientID, ev.ReturnCode)
		}
	}
	refused("m5")
	refused("gw")
	refused("barn-1")
	wantUndisturbed(t, first)
	gateway.WaitMetricAtLeast(`umqttd_refused_total{device="shed",request="connect"}`, 3)

	first.Disconnect()
	second := cable.NewBoard(t, shed, board.Config{ClientID: "m5"})
	second.Wait(board.Connected, 1)
	cable.NewBoard(t, barn, board.Config{ClientID: "whatever"}).Wait(board.Connected, 1)
	if (&rig{broker: broker}).connections("barn-1") != 1 {
		t.Error("the configured client id was not used")
	}
}
