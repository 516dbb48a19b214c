package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// connected returns a board in a session and a program that has seen that.
func connected(t *testing.T, now time.Time, cfg Program) (*board.Board, *program) {
	b, err := board.New(board.Config{ClientID: "b1", MaxQueue: 3})
	if err != nil {
		t.Fatal(err)
	}
	b.Start(now)
	b.Next(now)
	connack := mqttsn.Packet{Type: mqttsn.ConnAck}
	b.Receive(now, connack.Append(nil))
	p := newProgram(cfg, rand.New(rand.NewPCG(1, 1)))
	for _, e := range b.Events() {
		p.event(now, b, e)
	}
	return b, &p
}

// A program that could not run for a second publishes once and goes on; it does
// not publish what it has missed.
func TestLostTimeIsNotMadeUpFor(t *testing.T) {
	now := time.Unix(1000, 0)
	b, p := connected(t, now, Program{Topics: []Topic{{Name: "tt", QoS: 1, Interval: 10 * time.Millisecond}}})
	now = now.Add(time.Second)
	for range 5 {
		p.run(now, b)
	}
	if n := b.Unacknowledged(); n != 2 {
		t.Errorf("%d messages at once, want the one that was due and the next", n)
	}
	if d := p.deadline(b); d != now.Add(10*time.Millisecond) {
		t.Errorf("the next one is due %v from now", d.Sub(now))
	}
}

// What cannot be published has no sequence number.
func TestNoRoom(t *testing.T) {
	now := time.Unix(1000, 0)
	b, p := connected(t, now, Program{Topics: []Topic{{Name: "tt", QoS: 1}}})
	for range 5 {
		p.run(now, b)
		now = now.Add(time.Second)
	}
	if n, seq := b.Unacknowledged(), p.sources[0].seq; n != 3 || seq != 3 {
		t.Errorf("%d messages queued, the last one has number %d", n, seq)
	}
}

func TestQoS0NeedsAConnection(t *testing.T) {
	now := time.Unix(1000, 0)
	b, p := connected(t, now, Program{Topics: []Topic{{Name: "tt"}, {Name: "uu", Interval: -1}}})
	bye := mqttsn.Packet{Type: mqttsn.Disconnect}
	b.Receive(now, bye.Append(nil))
	p.run(now, b)
	if n := b.Unacknowledged(); n != 0 {
		t.Errorf("%d messages queued without a connection", n)
	}
	if d := p.deadline(b); d != now.Add(time.Second) {
		t.Errorf("tried again %v from now", d.Sub(now))
	}
}
