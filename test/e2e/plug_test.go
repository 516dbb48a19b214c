package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

var will = &board.Will{Topic: "m5/will", Message: []byte("gone"), QoS: 1}

// connections returns how many MQTT connections a client has made.
func (r *rig) connections(clientID string) int {
	return strings.Count(r.broker.Log(), " as "+clientID+" (")
}

// TestReplug pulls the cable for less than 3 s, with messages under way: the session at the broker goes on, nothing is lost and nothing comes twice.
func TestReplug(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: 4, Will: will, AskSession: true})
	b.Subscribe("cmd/m5", 1)
	up, down := numbered("up", 300), numbered("down", 300)
	send(b, "m5/t", up)
	r.publish("cmd/m5", down...)
	for i := range 3 {
		judge.wait(80 * (i + 1))
		r.line.Unplug()
		r.gateway.WaitMetric(metric("device_up"), 0)
		r.line.Plug()
		r.gateway.WaitMetric(metric("device_up"), 1)
		if ev := b.Wait(board.Connected, i+2); !ev.SessionPresent {
			t.Error("the session was lost")
		}
	}
	b.WaitAcknowledged()
	wantBothWays(t, r, b, judge, up, down)
	if n := r.connections("m5"); n != 1 {
		t.Errorf("the broker has seen %d connections of the board, want 1", n)
	}
	r.gateway.WaitMetric(metric("reconnects_total", `side="port"`), 3)
	r.gateway.WaitMetric(metric("reconnects_total", `side="board"`), 3)
}

// TestUnplugged pulls the cable for good: after 3 s the board is lost and its will goes out. It comes back all the same.
func TestUnplugged(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Will: will})
	b.Subscribe("cmd/m5", 1)
	r.line.Unplug()
	began := time.Now()
	judge.waitFor("m5/will", "gone")
	if took := time.Since(began); took < 2900*time.Millisecond {
		t.Errorf("the will went out after %v, before 3 s", took)
	}
	r.gateway.WaitMetric(metric("board_connected"), 0)
	down := numbered("down", 20)
	r.publish("cmd/m5", down...)
	send(b, "m5/t", []string{"1"})
	r.line.Plug()
	judge.waitFor("m5/t", "1")
	b.Wait(board.Received, len(down))
	wantOnce(t, received(b), down)
}
