package board

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func TestRTO(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name    string
		samples []time.Duration
		backOff int
		want    time.Duration
	}{
		{"nothing measured", nil, 0, time.Second},
		{"the first sample R: R + 4*R/2", []time.Duration{100 * ms}, 0, 300 * ms},
		{"then 3/4 of the deviation, and 7/8 of the mean", []time.Duration{100 * ms, 100 * ms}, 0, 250 * ms},
		{"a slower answer", []time.Duration{80 * ms, 160 * ms}, 0, 290 * ms}, // 90 + 4*(40 + (80-40)/4)
		{"the floor", []time.Duration{ms, ms, ms}, 0, 25 * ms},
		{"a clock that jumps back", []time.Duration{-time.Hour}, 0, 25 * ms},
		{"back-off", []time.Duration{100 * ms}, 2, 1200 * ms},
		{"the ceiling", nil, 10, 15 * time.Second},
	} {
		var r rto
		for _, d := range test.samples {
			r.sample(d)
		}
		for range test.backOff {
			r.backOff()
		}
		if got := r.value(); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Karn's rule: the answer to a retransmission says nothing about the round
// trip, and the longer timeout stays until one does.
func TestRetransmissionsAreNoSamples(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.publish(Message{Topic: "m5/t", QoS: 1})
	s.take("REGISTER", mqttsn.Register)
	s.advance(initialRTO)
	s.take("again", mqttsn.Register)
	s.gateway(regack(1, 1, mqttsn.Accepted))
	s.wantEvent("registered", Registered)
	s.take("the message", mqttsn.Publish)
	s.advance(initialRTO)
	s.take("again", mqttsn.Publish)
	s.gateway(puback(1, 2, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
	if s.b.line.measured || s.b.ack.measured {
		t.Fatal("a retransmission was taken for a sample")
	}
	s.publish(Message{Topic: "m5/t", QoS: 1})
	s.take("the next message", mqttsn.Publish)
	s.advance(2*initialRTO - 1)
	s.wantIdle("has the longer timeout")
	s.gateway(puback(1, 3, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
}
