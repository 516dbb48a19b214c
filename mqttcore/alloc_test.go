package mqttcore

import (
	"testing"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// The whole way of a message through the engine, both ways, and through the
// hooks' item, without an allocation.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.events()
	buf := make([]byte, 0, smallBuffer)
	ack := make([]byte, 0, 64)
	payload := make([]byte, 100)
	topic := []byte("sensors/greenhouse/temperature")
	down := (&packet.Publish{Topic: topic, Payload: payload, QoS: 1, ID: 3}).Append(nil)
	var box inbox
	round := func() {
		for qos := range byte(2) {
			for range 20 {
				m := Message{Topic: topic, Payload: payload, QoS: qos}
				if err := s.e.publish(s.now, &m, 1, nil); err != nil {
					t.Fatal(err)
				}
			}
			out := s.e.take(buf)
			s.e.wrote(s.now)
			for qos > 0 && len(out) > 0 {
				n, _ := packet.Size(out, 0)
				m, err := packet.ParsePublish(out[:n])
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.e.receive(s.now, packet.AppendPuback(ack, m.ID)); err != nil {
					t.Fatal(err)
				}
				out = out[n:]
			}
			for it := s.e.nextEvent(); it != nil; it = s.e.nextEvent() {
				if c := it.completion(); c.Err != nil {
					t.Fatal(c)
				}
				recycle(it)
			}
		}
		for range 20 {
			in, err := s.e.receive(s.now, down)
			if err != nil {
				t.Fatal(err)
			}
			it := newItem(itemInbound)
			it.text = append(append(it.text, in.Topic...), in.Payload...)
			box.push(it)
			s.e.release(in.id)
			recycle(box.pop())
		}
		s.e.take(buf)
		s.e.wrote(s.now)
	}
	for range 10 {
		round() // fills the pool
	}
	allocs := testing.AllocsPerRun(100, round)
	if raceEnabled() {
		return // the race detector makes pools forget on purpose
	}
	if allocs > 0.5 { // of 60 messages; a collection may empty the pool in between
		t.Errorf("%v allocations for 60 messages, want none", allocs)
	}
}

// raceEnabled finds out whether pools forget.
func raceEnabled() bool {
	return testing.AllocsPerRun(1, func() {
		for range 1000 {
			recycle(newItem(itemState))
		}
	}) > 50
}
