package e2e

import (
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
)

// TestInOrderAndOnce is the main job: hundreds of QoS 1 messages each way at the same time.
func TestInOrderAndOnce(t *testing.T) {
	for name, s := range map[string]setup{"plain": {}, "mutual TLS": {tls: true}, "WebSocket": {webSocket: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, s)
			judge := r.judge("m5/#")
			b := r.board(board.Config{ClientID: "m5", Window: 8})
			if ev := b.Subscribe("cmd/m5", 1); ev.ReturnCode != mqttsn.Accepted || ev.QoS != 1 {
				t.Fatalf("SUBACK says %v, QoS %d", ev.ReturnCode, ev.QoS)
			}
			up, down := numbered("up", 300), numbered("down", 300)
			send(b, "m5/t", up)
			r.publish("cmd/m5", down...)
			wantBothWays(t, r, b, judge, up, down)
			r.gateway.WaitMetric(metric("messages_total", `direction="uplink"`, `qos="1"`), 301) // with the last word
			r.gateway.WaitMetric(metric("messages_total", `direction="downlink"`, `qos="1"`), 301)
			r.gateway.WaitMetric(metric("dropped_total", `reason="congestion"`), 0)
		})
	}
}

// wantBothWays sends a last word each way, waits for it and demands that all that was sent before it has come, once and in order.
func wantBothWays(t *testing.T, r *rig, b *cable.Board, judge *subscriber, up, down []string) {
	t.Helper()
	send(b, "m5/t", []string{"last"})
	judge.waitFor("m5/t", "last")
	r.publish("cmd/m5", "last")
	b.Wait(board.Received, len(down)+1)
	wantOnce(t, payloads(judge.all()), append(up, "last"))
	wantOnce(t, received(b), append(down, "last"))
}

func TestQoS0(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5"})
	b.Subscribe("cmd/m5", 0)
	sent := numbered("up", 50)
	for _, p := range sent {
		b.Publish(board.Message{Topic: "m5/t", Data: []byte(p)})
	}
	wantOnce(t, payloads(judge.wait(len(sent))), sent)
	if got := judge.all()[0].qos; got != 0 {
		t.Errorf("a message of QoS 0 arrived with QoS %d", got)
	}
	down := numbered("down", 50)
	r.publish("cmd/m5", down...)
	b.Wait(board.Received, len(down))
	wantOnce(t, received(b), down)
	r.gateway.WaitMetric(metric("messages_total", `direction="uplink"`, `qos="0"`), 50)
	r.gateway.WaitMetric(metric("messages_total", `direction="downlink"`, `qos="0"`), 50)
}
