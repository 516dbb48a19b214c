package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
)

// handshakeTime is how soon a board is back after its gateway is.
const handshakeTime = 3 * time.Second

// TestGatewayKilled ends umqttd with SIGKILL while messages flow both ways. The boards come back by themselves; what was acknowledged is not lost, what was under
// way may come twice, and order holds.
func TestGatewayKilled(t *testing.T) {
	t.Parallel()
	const kills, window = 3, 4
	r := newRig(t, setup{broker: mosquitto.Config{MaxInflight: window}})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: window, AskSession: true})
	b.Subscribe("cmd/m5", 1)
	up, down := numbered("up", 400), numbered("down", 400)
	send(b, "m5/t", up)
	r.publish("cmd/m5", down...)
	for i := range kills {
		judge.wait(100 * (i + 1))
		r.gateway.Kill()
		r.gateway.Restart()
		began := time.Now()
		if ev := b.Wait(board.Connected, i+2); !ev.SessionPresent {
			t.Error("the session was lost")
		}
		if took := time.Since(began); took > handshakeTime {
			t.Errorf("the board was back after %v", took)
		}
	}
	b.WaitAcknowledged()
	send(b, "m5/t", []string{"last"})
	judge.waitFor("m5/t", "last")
	r.publish("cmd/m5", "last")
	waitLast(t, b)
	wantAll(t, payloads(judge.all()), append(up, "last"))
	wantAll(t, received(b), append(down, "last"))
	if n := len(judge.all()); n > len(up)+1+kills*window {
		t.Errorf("the judge has %d messages, of %d and %d under way at each of %d kills", n, len(up)+1, window, kills)
	}
	if n := len(received(b)); n > len(down)+1+kills*window {
		t.Errorf("the board has %d messages, of %d and %d under way at each of %d kills", n, len(down)+1, window, kills)
	}
}

// waitLast waits until a board has received the payload "last".
func waitLast(t *testing.T, b *cable.Board) {
	t.Helper()
	patience.Wait(t, "the last message is here", func() bool {
		got := received(b)
		return len(got) > 0 && got[len(got)-1] == "last"
	})
}

// TestGatewayStopped ends umqttd in order while messages flow: it says goodbye to the board and to nobody else, so that the broker keeps the session's messages.
func TestGatewayStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: 4, Will: &board.Will{Topic: "m5/will", Message: []byte("gone"), QoS: 1}})
	up := numbered("up", 200)
	send(b, "m5/t", up)
	judge.wait(50)
	r.gateway.Stop()
	judge.waitFor("m5/will", "gone")
	b.Wait(board.Disconnected, 1)
	r.gateway.Restart()
	b.Wait(board.Connected, 2)
	b.WaitAcknowledged()
	send(b, "m5/t", []string{"last"})
	judge.waitFor("m5/t", "last")
	var got []string
	for _, m := range judge.all() {
		if m.topic == "m5/t" {
			got = append(got, m.payload)
		}
	}
	wantAll(t, got, append(up, "last"))
	if n := strings.Count(r.broker.Log(), "Received DISCONNECT from m5"); n != 0 {
		t.Error("umqttd said DISCONNECT for a board that did not")
	}
}
