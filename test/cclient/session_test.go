package cclient

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/witness"
)

// umqtt_session and umqtt_reason of umqtt_serial.h.
const (
	sessionNew       = 1
	sessionPresent   = 2
	reasonUnanswered = 2
)

// witnessed waits for a message at the witness.
func (r *rig) witnessed(topic, payload string) {
	r.t.Helper()
	want := witness.Message{Topic: topic, Payload: payload}
	ok := patience.Within(patience.Limit, func() bool {
		return slices.Contains(r.witness.Arrived(0), want)
	})
	if !ok {
		r.t.Fatalf("the witness has not got %v, only %v", want, r.witness.Arrived(0))
	}
}

// TestWill publishes the will of a board that is gone, the one that it named last, and none of a board that said goodbye.
func TestWill(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "keepalive=1", "will=up/will", "willmsg=first words", "willqos=1")
	b := r.connect()
	b.Must("disconnect")
	b.Wait("disconnected", 1)
	b.Connect()
	b.Kill()
	r.witnessed("up/will", "first words")
	if n := len(r.witness.Arrived(0)); n != 1 {
		t.Errorf("the witness has %v", r.witness.Arrived(0))
	}
	b = r.connect()
	b.Must("will 1 0 up/last last words")
	if ev := b.Wait("will", 1); ev.Code != 0 {
		t.Errorf("a will's update was answered with %+v", ev)
	}
	b.Kill()
	r.witnessed("up/last", "last words")
	b = r.connect()
	b.Must("will 0 0  ") // no topic
	b.Wait("will", 1)
	b.Must("pub 1 0 up/alive yes")
	b.Wait("published", 1)
	b.Kill()
	r.gateway.WaitMetric(metric("board_connected"), 0)
	r.witness.Publish("up/end", "")
	r.witnessed("up/end", "")
	if n := len(r.witness.Arrived(0)); n != 4 {
		t.Errorf("the witness has %v", r.witness.Arrived(0))
	}
}

// TestRetained publishes a retained message, and is told that one is.
func TestRetained(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.connect()
	b.Must("pub 1 1 up/state on")
	b.Wait("published", 1)
	r.witnessed("up/state", "on")
	b.Must("sub 1 up/+")
	if m := b.WaitMessages(1)[0]; m != (Message{Topic: "up/state", Payload: "on", QoS: 1, Retain: true}) {
		t.Errorf("the board was given %+v", m)
	}
	b.Must("pub 1 0 up/state off")
	if m := b.WaitMessages(2)[1]; m != (Message{Topic: "up/state", Payload: "off", QoS: 1}) {
		t.Errorf("the board was given %+v", m)
	}
	b.Quit()
}

// TestSession keeps a session over goodbyes and reboots, and is told so; and forgets it when it wants to.
func TestSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.switchOn("ask=1")
	if ev := b.Connect(); ev.Code != sessionNew {
		t.Errorf("a new session: %+v", ev)
	}
	b.Must("sub 1 down/+/x")
	b.Wait("subscribed", 1)
	b.Must("disconnect")
	b.Wait("disconnected", 1)
	r.witness.Publish("down/1/x", "while it is away")
	if ev := b.Connect(); ev.Code != sessionPresent {
		t.Errorf("a session that was kept: %+v", ev)
	}
	if m := b.WaitMessages(1)[0]; m.Payload != "while it is away" {
		t.Errorf("the board was given %+v", m)
	}
	b.Kill()
	r.witness.Publish("down/2/x", "while it is off")
	b = r.switchOn("ask=1", "first=777")
	if ev := b.Connect(); ev.Code != sessionPresent {
		t.Errorf("a session that was kept over a reboot: %+v", ev)
	}
	if m := b.WaitMessages(1)[0]; m.Topic != "down/2/x" || m.Payload != "while it is off" {
		t.Errorf("the board was given %+v", m)
	}
	b.Kill()
	b = r.switchOn("ask=1", "clean=1")
	if ev := b.Connect(); ev.Code != sessionNew {
		t.Errorf("a clean session: %+v", ev)
	}
	r.witness.Publish("down/3/x", "to nobody")
	b.Must("sub 1 down/end")
	b.Wait("subscribed", 1)
	r.witness.Publish("down/end", "")
	if m := b.WaitMessages(1)[0]; m.Topic != "down/end" {
		t.Errorf("the board was given %+v", m)
	}
	b.Quit()
}

// TestSubscriptions have wildcards and two levels of QoS, are taken back, and come back by themselves when the gateway has forgotten the board.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "clean=1", "topics=512")
	b := r.connect()
	for i, filter := range []string{"a/+/c", "b/#", "ab", "plain"} {
		b.Must("sub %d %s", i%2, filter)
		if ev := b.Wait("subscribed", i+1); ev.Code != 0 || ev.QoS != i%2 || ev.Topic != filter {
			t.Errorf("SUBACK of %s is %+v", filter, ev)
		}
	}
	round := func(n int, topics ...string) {
		t.Helper()
		for _, topic := range topics {
			r.witness.Publish(topic, fmt.Sprint("round ", n))
		}
		for i, m := range b.WaitMessages(n + len(topics))[n:] {
			if m.Topic != topics[i] || m.Payload != fmt.Sprint("round ", n) {
				t.Errorf("the board was given %+v, want one on %s", m, topics[i])
			}
		}
	}
	topics := []string{"a/1/c", "b/x/y/z", "b", "ab", "plain", "a/2/c"}
	round(0, topics...)
	r.gateway.Stop()
	r.gateway.Restart()
	b.Wait("connected", 2)
	b.Wait("subscribed", 8)
	round(6, topics...)
	b.Must("unsub b/#")
	b.Wait("unsubscribed", 1)
	r.witness.Publish("b", "nobody")
	round(12, "a/3/c", "ab")
	b.Quit()
}

// TestSleep wakes up to what has come meanwhile.
func TestSleep(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.connect()
	b.Must("sub 1 down/#")
	b.Wait("subscribed", 1)
	b.Must("sleep 10")
	b.Wait("asleep", 1)
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("message %d", i))
		r.witness.Publish(fmt.Sprintf("down/%d", i%3), want[i])
	}
	patience.Wait(t, "the broker has them", func() bool { return r.witness.Unsure() == 0 })
	if code := b.Do("pub 1 0 up/m5 no"); code != errState {
		t.Errorf("publishing asleep returned %d, want UMQTT_ERR_STATE", code)
	}
	for n := 2; len(b.Messages(0)) < len(want); n++ { // what is on its way to umqttd waits for the next time
		b.Must("wake")
		if ev := b.Wait("asleep", n); ev.Code != 0 {
			t.Errorf("the gateway said nothing to a board that is awake")
		}
	}
	var got []string
	for _, m := range b.Messages(0) {
		got = append(got, m.Payload)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the board was given %v", got)
	}
	b.Connect()
	b.Must("pub 1 0 up/m5 awake")
	r.witnessed("up/m5", "awake")
	b.Quit()
}

// TestTime asks for the time.
func TestTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.connect()
	b.Must("time")
	ev := b.Wait("time", 1)
	if off := time.Since(time.Unix(ev.Seconds, 0)); ev.Code != 0 || off < 0 || off > time.Minute {
		t.Errorf("the time is %+v", ev)
	}
	b.Quit()
}

// TestLog prints between frames, and the gateway shows it.
func TestLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.connect()
	for i := range 20 {
		b.Send("log line %d", i)
		b.Send("pub 1 0 up/m5 %d", i)
	}
	b.Wait("published", 20)
	r.gateway.WaitMetric(metric("console_lines_total"), 20)
	r.witnessed("up/m5", "19")
	for i, m := range r.witness.Arrived(0) {
		if m.Payload != fmt.Sprint(i) {
			t.Errorf("the witness has %v", r.witness.Arrived(0))
		}
	}
	b.Quit()
}
