package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// wantNone demands that nothing has come on a topic, after something published later has.
func (s *subscriber) wantNone(r *rig, topic string) {
	s.t.Helper()
	r.publish("m5/after", "now")
	s.waitFor("m5/after", "now")
	for _, m := range s.all() {
		if m.topic == topic {
			s.t.Errorf("%q came on %s", m.payload, topic)
		}
	}
}

// TestWillAfterSilence switches a board off without a word: 1.5 times Duration later its will goes out, retained as asked for.
func TestWillAfterSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", KeepAlive: time.Second, Will: &board.Will{Topic: "m5/will", Message: []byte("gone"), QoS: 1, Retain: true}})
	send(b, "m5/t", []string{"1"})
	b.WaitAcknowledged()
	b.PowerOff()
	silent := time.Now()
	judge.waitFor("m5/will", "gone")
	if took := time.Since(silent); took < time.Second {
		t.Errorf("the will went out after %v, want 1.5 s after the last message", took)
	}
	r.gateway.WaitMetric(metric("board_connected"), 0)
	late := subscribe(t, r.broker, "late", "m5/will")
	if m := late.waitFor("m5/will", "gone"); !m.retain {
		t.Error("the will is not retained")
	}
}

// TestKeepaliveHolds lets a board be idle for longer than its Duration: its PINGREQs keep the session.
func TestKeepaliveHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", KeepAlive: time.Second, Will: will})
	patience.Wait(t, "three keepalives pass", func() bool { return b.Heard(mqttsn.PingResp) >= 3 })
	judge.wantNone(r, "m5/will")
	wantUndisturbed(t, b)
}

// TestNoWillAfterDisconnect ends a session in order.
func TestNoWillAfterDisconnect(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Will: will})
	b.Disconnect()
	patience.Wait(t, "the broker is told", func() bool { return strings.Contains(r.broker.Log(), "Received DISCONNECT from m5") })
	r.gateway.WaitMetric(metric("board_connected"), 0)
	judge.wantNone(r, "m5/will")
}

// TestWillOfKeptSession follows a will through CONNECTs with CleanSession=0: without the Will flag it stays, an empty WILLTOPIC deletes it.
func TestWillOfKeptSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	keep := board.Config{ClientID: "m5", KeepAlive: time.Second}
	first := keep
	first.Will = will
	r.board(first).PowerOff()
	r.board(keep).PowerOff()
	judge.waitFor("m5/will", "gone") // the second board has not repeated it
	without := keep
	without.Will = &board.Will{}
	r.board(without).PowerOff()
	r.gateway.WaitMetric(metric("board_connected"), 0)
	r.publish("m5/after", "now")
	judge.waitFor("m5/after", "now")
	if n := len(judge.all()); n != 2 {
		t.Errorf("received %v, want one will", judge.all())
	}
}

// TestWillOutlivesGateway ends umqttd with SIGKILL: the broker publishes the will of its board by itself.
func TestWillOutlivesGateway(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("#")
	r.board(board.Config{ClientID: "m5", Will: will})
	r.gateway.Kill()
	judge.waitFor("m5/will", "gone")
	judge.waitFor("umqttd/gw/status", "offline")
}

// TestWillHandshakeOnTheWire reads the four messages before CONNACK.
func TestWillHandshakeOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	s := cable.NewScript(t, r.line)
	s.Want(mqttsn.Disconnect)
	s.Send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.Will | mqttsn.CleanSession, ClientID: []byte("m5"), Duration: 60})
	s.Want(mqttsn.WillTopicReq)
	s.Send(mqttsn.Packet{Type: mqttsn.WillTopic, Topic: []byte("m5/will")})
	s.Want(mqttsn.WillMsgReq)
	s.Send(mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte("gone")})
	if p := s.Want(mqttsn.ConnAck); p.ReturnCode != mqttsn.Accepted {
		t.Fatalf("CONNACK says %v", p.ReturnCode)
	}
}
