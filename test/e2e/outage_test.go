package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
)

var lasting = mosquitto.Config{Persistence: true}

// wantUndisturbed demands that the board, once connected, has noticed nothing: no DISCONNECT, and no CONNECT of its own.
func wantUndisturbed(t *testing.T, b *cable.Board) {
	t.Helper()
	if n := b.Reconnects(); n != 0 {
		t.Errorf("the board sent CONNECT %d times more", n)
	}
	if n := b.Count(board.Disconnected); n != 0 {
		t.Errorf("the board lost its session %d times: %v", n, b.Events(board.Disconnected))
	}
}

// TestBrokerKilled takes the broker away with SIGKILL while nothing is under way, and lets the board go on meanwhile: nothing is lost, nothing comes twice,
// and the board notices nothing but "congestion" when there are more messages than may be in flight.
func TestBrokerKilled(t *testing.T) {
	for name, s := range map[string]setup{"plain": {broker: lasting}, "mutual TLS": {broker: lasting, tls: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, s)
			judge := r.judge("m5/#")
			b := r.board(board.Config{ClientID: "m5", Window: 8})
			b.Subscribe("cmd/m5", 1)
			up, down := numbered("up", 120), numbered("down", 60)
			send(b, "m5/t", up[:60])
			r.publish("cmd/m5", down[:30]...)
			b.WaitAcknowledged()
			b.Wait(board.Received, 30)
			judge.wait(60)
			for i := range 2 {
				r.settle()
				r.broker.Kill()
				r.gateway.WaitMetric(metric("broker_connected"), 0)
				send(b, "m5/t", up[60+30*i:][:30])
				r.broker.Restart()
				r.publish("cmd/m5", down[30+15*i:][:15]...)
				b.WaitAcknowledged()
				b.Wait(board.Received, 45+15*i)
				judge.wait(90 + 30*i)
			}
			wantBothWays(t, r, b, judge, up, down)
			wantUndisturbed(t, b)
			r.gateway.WaitMetric(metric("reconnects_total", `side="broker"`), 2)
		})
	}
}

// settle waits until the broker has taken note, for good, that all that was acknowledged was acknowledged.
func (r *rig) settle() {
	r.t.Helper()
	r.publish("settle", "1")
	r.publish("settle", "2")
}

// TestBrokerKilledInMidStream lets messages flow while the broker is killed. What was under way may come twice, MQTT says; what was acknowledged may not be
// lost, and order holds.
func TestBrokerKilledInMidStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: 4})
	up := numbered("up", 400)
	send(b, "m5/t", up)
	for i := range 3 {
		judge.wait(100 * (i + 1))
		r.broker.Kill()
		r.broker.Restart()
	}
	b.WaitAcknowledged()
	send(b, "m5/t", []string{"last"})
	judge.waitFor("m5/t", "last")
	wantAll(t, payloads(judge.all()), append(up, "last"))
	// The judge gets more copies than that: a killed mosquitto forgets what it has sent.
	if n := strings.Count(r.broker.Log(), "Received PUBLISH from m5 ("); n > len(up)+1+3*4 {
		t.Errorf("the broker was sent %d messages, of %d and 4 under way at each of 3 kills", n, len(up)+1)
	}
	wantUndisturbed(t, b)
}

// TestBrokerFrozen stops the broker's process: the connection stands and nobody answers.
func TestBrokerFrozen(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{connect: []string{"max_inflight: 5"}})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: 8})
	r.broker.Pause()
	up := numbered("up", 16)
	send(b, "m5/t", up)
	b.Wait(board.Congested, 1)
	if n := b.Count(board.Published); n != 0 {
		t.Errorf("%d messages were acknowledged that no broker has", n)
	}
	r.broker.Resume()
	b.WaitAcknowledged()
	got := payloads(judge.wait(len(up)))
	slices.Sort(got) // "congestion" in the middle of a window costs the order
	wantOnce(t, got, up)
	wantUndisturbed(t, b)
}

// TestSubscribeWithoutBroker asks for what only the broker can give: "congestion", until it is back.
func TestSubscribeWithoutBroker(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting})
	b := r.board(board.Config{ClientID: "m5"})
	r.broker.Kill()
	r.gateway.WaitMetric(metric("broker_connected"), 0)
	s := b.SubscribeLater("cmd/m5", 1)
	b.Wait(board.Congested, 1)
	r.gateway.WaitMetricAtLeast(metric("refused_total", `request="subscribe"`), 1)
	r.broker.Restart()
	if ev := s(); ev.ReturnCode != mqttsn.Accepted {
		t.Fatalf("SUBACK says %v", ev.ReturnCode)
	}
	r.publish("cmd/m5", "on")
	b.Wait(board.Received, 1)
	wantUndisturbed(t, b)
}

// TestConnectWithoutBroker connects a board while the broker is away: "congestion" within 5 s, and success when it is back.
func TestConnectWithoutBroker(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting})
	r.broker.Kill()
	began := time.Now()
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5"})
	b.Wait(board.Congested, 1)
	if took := time.Since(began); took > 5500*time.Millisecond {
		t.Errorf("CONNECT was answered after %v", took)
	}
	r.gateway.WaitMetricAtLeast(metric("refused_total", `request="connect"`), 1)
	r.broker.Restart()
	b.Wait(board.Connected, 1)
}

// TestBrokerAwayAtStart starts the gateway before its broker.
func TestBrokerAwayAtStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting})
	r.gateway.Stop()
	r.broker.Kill()
	r.gateway.Restart()
	if !r.gateway.ReadyWithin(patience.Limit) {
		t.Fatal("a broker that is away made the gateway unready")
	}
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5"})
	r.broker.Restart()
	b.Wait(board.Connected, 1)
	judge := r.judge("m5/#")
	send(b, "m5/t", []string{"1"})
	judge.waitFor("m5/t", "1")
}
