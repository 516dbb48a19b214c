package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestSleep lets a board sleep while far more comes for it than the gateway keeps: nothing is sent to it, and when it wakes up everything comes in order.
func TestSleep(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5", Will: will})
	b.Subscribe("cmd/m5", 1)
	b.Sleep(time.Minute)
	down := numbered("down", 300)
	r.publish("cmd/m5", down...)
	if n := len(received(b)); n != 0 {
		t.Errorf("the board received %d messages in its sleep", n)
	}
	for n := 0; len(received(b)) < len(down); n++ {
		if ev := b.Wake(); ev.Reason != 0 {
			t.Fatalf("the board was awake: %v", ev.Reason)
		}
		if n > 10 {
			t.Fatalf("the board has woken up %d times and received %d messages of %d", n, len(received(b)), len(down))
		}
	}
	wantOnce(t, received(b), down)
	b.Start() // active again
	b.Wait(board.Connected, 2)
	send(b, "m5/t", []string{"awake"})
	b.WaitAcknowledged()
	wantOnce(t, received(b), down)
}

// TestSleepOnTheWire reads what a board is sent that sleeps, wakes up and sleeps again: nothing, its messages in order, and PINGRESP when the last is acknowledged.
func TestSleepOnTheWire(t *testing.T) {
	t.Parallel()
	const messages = 5
	r := newRig(t, setup{device: []string{"topics: {1: cmd/m5}"}})
	judge := r.judge("m5/after")
	s := cable.NewScript(t, r.line)
	s.Connect("m5", 0)
	s.Send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1.WithTopicIDType(mqttsn.PredefinedID), MsgID: 1, TopicID: 1})
	s.WantAnswer(mqttsn.SubAck)
	s.Send(mqttsn.Packet{Type: mqttsn.Disconnect, Duration: 60, HasDuration: true})
	s.WantAnswer(mqttsn.Disconnect)
	down := numbered("down", messages)
	r.publish("cmd/m5", down...)
	r.publish("m5/after", "now")
	judge.waitFor("m5/after", "now") // and with it, were it not asleep, the board would have got its own
	s.Send(mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte("m5")})
	for i, want := range down {
		p := s.Want(mqttsn.Publish)
		if string(p.Data) != want {
			t.Fatalf("message %d is %q, want %q", i, p.Data, want)
		}
		s.Send(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: p.TopicID, MsgID: p.MsgID})
	}
	s.Want(mqttsn.PingResp)
}

// TestDeepSleep takes away the port of a board that sleeps, as native USB does, and that of one that does not: only the will of the other goes out. The messages
// are there when the board wakes up.
func TestDeepSleep(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Config{})
	attic, barn := cable.New(t), cable.New(t)
	gateway := umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`", reconnect: {min: 20ms, max: 200ms}}
devices:
  - {name: attic, port: `+attic.Path()+`}
  - {name: barn, port: `+barn.Path()+`}
`)
	gateway.WaitMetric(`umqttd_device_up{device="attic"}`, 1)
	gateway.WaitMetric(`umqttd_device_up{device="barn"}`, 1)
	judge := subscribe(t, broker, "judge", "will/+")
	sleeper := cable.NewBoard(t, attic, board.Config{ClientID: "m5", Will: &board.Will{Topic: "will/m5", Message: []byte("gone"), QoS: 1}})
	waking := cable.NewBoard(t, barn, board.Config{ClientID: "m6", Will: &board.Will{Topic: "will/m6", Message: []byte("gone"), QoS: 1}})
	sleeper.Wait(board.Connected, 1)
	waking.Wait(board.Connected, 1)
	sleeper.Subscribe("cmd/m5", 1)
	sleeper.Sleep(time.Minute)
	attic.Unplug()
	barn.Unplug()
	judge.waitFor("will/m6", "gone")
	down := numbered("down", 20)
	publish(t, broker, "cmd/m5", down)
	attic.Plug()
	gateway.WaitMetric(`umqttd_device_up{device="attic"}`, 1)
	for len(received(sleeper)) < len(down) {
		if ev := sleeper.Wake(); ev.Reason != 0 {
			t.Fatalf("the board was awake: %v", ev.Reason)
		}
	}
	wantOnce(t, received(sleeper), down)
	if n := len(judge.all()); n != 1 {
		t.Errorf("the wills are %v, want that of m6 alone", judge.all())
	}
}

// TestSleepTooLong has a board that never wakes up: its will goes out when its time is over.
func TestSleepTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Will: will})
	b.Sleep(time.Second)
	began := time.Now()
	b.PowerOff()
	judge.waitFor("m5/will", "gone")
	if took := time.Since(began); took < 1400*time.Millisecond {
		t.Errorf("the will went out after %v, want 1.5 s", took)
	}
}

// willUpdate is what changes while messages flow.
var (
	oldWill = board.Will{Topic: "will/old", Message: []byte("old"), QoS: 1}
	newWill = board.Will{Topic: "will/new", Message: []byte("new"), QoS: 1}
)

// TestWillUpdate changes a will while messages flow both ways. None is lost, and it is the new will that is published when the cable is pulled, or umqttd killed.
func TestWillUpdate(t *testing.T) {
	lose := map[string]func(r *rig){
		"cable pulled":  func(r *rig) { r.line.Unplug() },
		"umqttd killed": func(r *rig) { r.gateway.Kill() },
	}
	for how, lost := range lose {
		for _, clean := range []bool{false, true} {
			for _, outbox := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, clean %t, outbox %t", how, clean, outbox), func(t *testing.T) {
					t.Parallel()
					s := setup{}
					if outbox {
						s.outbox = file(t, "outbox")
					}
					r := newRig(t, s)
					judge := r.judge("m5/#")
					wills := subscribe(t, r.broker, "wills", "will/+")
					first := oldWill
					b := r.board(board.Config{ClientID: "m5", CleanSession: clean, Window: 4, Will: &first})
					b.Subscribe("cmd/m5", 1)
					up, down := numbered("up", 300), numbered("down", 300)
					send(b, "m5/t", up)
					published := make(chan struct{})
					go func() { defer close(published); r.publish("cmd/m5", down...) }()
					judge.wait(20)
					if topic, message := b.UpdateWill(newWill); topic != mqttsn.Accepted || message != mqttsn.Accepted {
						t.Errorf("the updates were answered with %v and %v", topic, message)
					}
					<-published
					send(b, "m5/t", []string{"last"})
					judge.waitFor("m5/t", "last")
					r.publish("cmd/m5", "last")
					waitLast(t, b)
					// What was under way when the connection was made anew may come twice.
					wantAll(t, payloads(judge.all()), append(up, "last"))
					wantAll(t, received(b), append(down, "last"))
					if all := wills.all(); len(all) > 0 {
						t.Errorf("the updates published %v", all)
					}
					lost(r)
					wills.waitFor("will/new", "new")
					if all := wills.all(); len(all) != 1 {
						t.Errorf("the wills are %v, want the new one alone", all)
					}
				})
			}
		}
	}
}

// TestCleanSessionLeavesNothing ends the session of a board with CleanSession=1 that has changed its will, for which the broker had to keep its session for a moment.
func TestCleanSessionLeavesNothing(t *testing.T) {
	for name, end := range map[string]func(r *rig, b *cable.Board){
		"DISCONNECT":   func(_ *rig, b *cable.Board) { b.Disconnect() },
		"cable pulled": func(r *rig, _ *cable.Board) { r.line.Unplug() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{})
			first := oldWill
			b := r.board(board.Config{ClientID: "m5", CleanSession: true, Will: &first})
			b.Subscribe("cmd/m5", 1)
			if topic, message := b.UpdateWill(newWill); topic != mqttsn.Accepted || message != mqttsn.Accepted {
				t.Errorf("the updates were answered with %v and %v", topic, message)
			}
			end(r, b)
			r.gateway.WaitMetric(metric("board_connected"), 0)
			r.gateway.WaitMetric(metric("broker_connected"), 0)
			// Whoever asks takes the client id, so that a session that is still being purged is asked for again.
			patience.Wait(t, "the broker has forgotten the session", func() bool { return !sessionPresent(t, r.broker, "m5") })
		})
	}
}

// TestSleepThroughARestart lets the gateway end and begin while a board sleeps. That notices nothing, so it is there for everybody else, too: retained, and counted.
func TestSleepThroughARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting, outbox: t.TempDir()})
	const status = "umqttd/gw/attic/status"
	judge := r.judge(status)
	judge.waitOn(status, "offline")
	b := r.board(board.Config{ClientID: "m5"})
	judge.waitOn(status, "offline", "online")
	b.Sleep(time.Hour)
	r.gateway.Stop()
	judge.waitOn(status, "offline", "online", "offline")
	r.gateway.Restart()
	patience.Wait(t, "the board is online again", func() bool { // after another "offline", or at once
		all := judge.on(status)
		return len(all) > 3 && all[len(all)-1] == "online"
	})
	r.gateway.WaitMetric(metric("board_connected"), 1)
	wantUndisturbed(t, b)
}
