package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// TestRetained publishes a retained message from a board, and delivers one to it.
func TestRetained(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	b.Publish(board.Message{Topic: "m5/state", Data: []byte("on"), QoS: 1, Retain: true})
	b.WaitAcknowledged()
	if m := r.judge("m5/#").waitFor("m5/state", "on"); !m.retain {
		t.Error("a subscriber that came later got it without the retain flag")
	}
	b.Subscribe("m5/+", 1)
	if ev := b.Wait(board.Received, 1); ev.Topic != "m5/state" || !ev.Retain {
		t.Errorf("the board received %+v", ev)
	}
}

// TestQueuedWhileAway lets the broker keep messages for a board with CleanSession=0 that has said DISCONNECT.
func TestQueuedWhileAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5", AskSession: true})
	if b.Wait(board.Connected, 1).SessionPresent {
		t.Error("a new session was said to be an old one")
	}
	b.Subscribe("cmd/m5", 1)
	b.Disconnect()
	r.gateway.WaitMetric(metric("broker_connected"), 0)
	sent := numbered("down", 100)
	r.publish("cmd/m5", sent...)
	b.Start()
	if !b.Wait(board.Connected, 2).SessionPresent {
		t.Error("the session was not said to be there")
	}
	b.Wait(board.Received, len(sent))
	wantOnce(t, received(b), sent)
	if n := b.Sent(mqttsn.Subscribe); n != 1 {
		t.Errorf("the board subscribed %d times", n)
	}
}

// TestCleanSession forgets: what was subscribed before is not delivered after a CONNECT with CleanSession=1.
func TestCleanSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	b.Subscribe("cmd/m5", 1)
	b.PowerOff()
	again := r.board(board.Config{ClientID: "m5", CleanSession: true, AskSession: true})
	if again.Wait(board.Connected, 1).SessionPresent {
		t.Error("a clean session was said to be an old one")
	}
	r.publish("cmd/m5", "lost")
	again.Subscribe("cmd/+", 1)
	r.publish("cmd/m5", "heard")
	again.Wait(board.Received, 1)
	wantOnce(t, received(again), []string{"heard"})
}

// TestRebootedBoard swaps the board for one that has forgotten all topic ids: with CleanSession=0 it gets its messages, each topic registered anew.
func TestRebootedBoard(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	b.Subscribe("cmd/#", 1)
	r.publish("cmd/a", "1")
	b.Wait(board.Received, 1)
	b.PowerOff()
	r.publish("cmd/a", "2")
	again := r.board(board.Config{ClientID: "m5"})
	again.Wait(board.Received, 1)
	wantOnce(t, received(again), []string{"2"})
	if n := again.Heard(mqttsn.Register); n == 0 {
		t.Error("a board that forgot its topics was not told anew")
	}
}

// TestWildcards registers each new topic before its first message, and no topic twice.
func TestWildcards(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	if ev := b.Subscribe("house/+/light/#", 1); ev.ReturnCode != mqttsn.Accepted || ev.TopicID != 0 {
		t.Fatalf("SUBACK says %v, topic id %d", ev.ReturnCode, ev.TopicID)
	}
	want := make(map[string]int)
	for i := range 10 {
		topic := fmt.Sprintf("house/%d/light/a", i%5)
		r.publish(topic, fmt.Sprint(i))
		want[topic]++
	}
	r.publish("house/1/door", "no")
	r.publish("house/1/light", "last")
	patience.Wait(t, "the last message is here", func() bool { return b.Count(board.Received) == 11 })
	got := make(map[string]int)
	for _, ev := range b.Events(board.Received) {
		got[ev.Topic]++
	}
	want["house/1/light"]++
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("received %v, want %v", got, want)
	}
	again := int(r.gateway.Metric(metric("retransmits_total", `direction="downlink"`)))
	if n := b.Heard(mqttsn.Register); n < len(want) || n > len(want)+again {
		t.Errorf("%d REGISTERs for %d topics, with %d retransmissions", n, len(want), again)
	}
	b.Unsubscribe("house/+/light/#")
	b.Subscribe("end", 1)
	r.publish("house/1/light/a", "no")
	r.publish("end", "end")
	b.Wait(board.Received, 12)
	if ev := b.Events(board.Received)[11]; ev.Topic != "end" {
		t.Errorf("received %q on %s after UNSUBSCRIBE", ev.Data, ev.Topic)
	}
}

// TestFixedTopics uses predefined ids and two-byte names both ways: nothing is registered.
func TestFixedTopics(t *testing.T) {
	t.Parallel()
	names := map[uint16]string{1: "sensors/attic/temperature", 7: "commands/attic"}
	r := newRig(t, setup{device: []string{"topics: {1: sensors/attic/temperature, 7: commands/attic}"}})
	judge := r.judge("#")
	b := r.board(board.Config{ClientID: "m5", Predefined: names})
	b.Subscribe("commands/attic", 1)
	b.Subscribe("ab", 1)
	send(b, "sensors/attic/temperature", []string{"21.5"})
	send(b, "xy", []string{"1"})
	judge.waitFor("sensors/attic/temperature", "21.5")
	judge.waitFor("xy", "1")
	r.publish("commands/attic", "on")
	r.publish("ab", "2")
	b.Wait(board.Received, 2)
	wantOnce(t, received(b), []string{"on", "2"})
	if up, down := b.Sent(mqttsn.Register), b.Heard(mqttsn.Register); up+down != 0 {
		t.Errorf("%d REGISTERs up and %d down for topics with fixed ids", up, down)
	}
}

// TestQoSMinus1 publishes from a board that never connects.
func TestQoSMinus1(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{"topics: {1: sensors/attic/temperature}"}})
	judge := r.judge("#")
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	s := cable.NewScript(t, r.line)
	s.Want(mqttsn.Disconnect)
	flags := mqttsn.QoSMinus1
	s.Send(
		mqttsn.Packet{Type: mqttsn.Publish, Flags: flags.WithTopicIDType(mqttsn.PredefinedID), TopicID: 1, Data: []byte("21.5")},
		mqttsn.Packet{Type: mqttsn.Publish, Flags: flags.WithTopicIDType(mqttsn.ShortName), TopicID: mqttsn.ShortTopic('x', 'y'), Data: []byte("1")},
	)
	judge.waitFor("sensors/attic/temperature", "21.5")
	judge.waitFor("xy", "1")
	r.gateway.WaitMetric(metric("messages_total", `direction="uplink"`, `qos="-1"`), 2)
	s.Send(mqttsn.Packet{Type: mqttsn.Publish, Flags: flags.WithTopicIDType(mqttsn.PredefinedID), TopicID: 2, Data: []byte("no")})
	r.gateway.WaitMetric(metric("dropped_total", `reason="invalid_topic_id"`), 1)
	s.Send(mqttsn.Packet{Type: mqttsn.SearchGW})
	s.Want(mqttsn.GWInfo) // and no answer came before it
}

// TestTime asks the gateway for the time, which a board without a network has from nowhere else. The broker hears nothing of it.
func TestTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("#")
	b := r.board(board.Config{ClientID: "m5"})
	before := time.Now().Truncate(time.Millisecond)
	got := b.AskTime()
	if got.Before(before) || got.After(time.Now()) {
		t.Errorf("the gateway says %v at %v", got, before)
	}
	judge.wantNone(r, "$umqttd/time")
}
