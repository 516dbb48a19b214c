package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const (
	shortQoS1 = mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName)
	ab        = uint16('a')<<8 | 'b'
)

// TestAdaptiveRetransmission: after a few round trips of 10 ms the time-out is
// near the floor, and doubles with each retransmission.
func TestAdaptiveRetransmission(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	for i := range uint16(20) {
		s.deliver(id, "ab", "x", 1)
		s.now = s.now.Add(10 * time.Millisecond)
		s.board(puback(ab, i+1, mqttsn.Accepted))
	}
	s.frames = nil
	s.deliver(id, "ab", "lost", 1)
	s.want("sent", publish(shortQoS1, ab, 21, "lost"))
	for _, wait := range []time.Duration{25, 50, 100, 200} {
		s.advance(wait*time.Millisecond - 1)
		s.frames = s.frames[:0:0]
		s.advance(1)
		s.want("retransmitted", publish(shortQoS1|mqttsn.DUP, ab, 21, "lost"))
	}
}

// TestLineThatBecameSlow: Karn's rule must not keep a time-out that is too
// short for ever.
func TestLineThatBecameSlow(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.frames = nil
	copies := 0
	for i := range uint16(40) {
		delay := 5 * time.Millisecond
		if i >= 20 {
			delay = 200 * time.Millisecond
		}
		s.deliver(id, "ab", "x", 1)
		s.advance(delay)
		copies = len(s.frames)
		s.frames = nil
		s.board(puback(ab, i+1, mqttsn.Accepted))
	}
	if copies != 1 {
		t.Errorf("after 20 round trips of 200 ms every message is still sent %d times", copies)
	}
}

// TestSlowLine: a time-out begins when the last byte has left.
func TestSlowLine(t *testing.T) {
	s := newScript(t, Config{Baud: 9600})
	id := s.connect(mqttsn.CleanSession)
	for i := range uint16(20) {
		s.deliver(id, "ab", "x", 1)
		s.now = s.now.Add(20 * time.Millisecond)
		s.board(puback(ab, i+1, mqttsn.Accepted))
	}
	s.frames, s.sizes, s.commands = nil, nil, nil
	s.deliver(id, "ab", strings.Repeat("x", 900), 1)
	wire := time.Duration(s.sizes[0]) * 10 * time.Second / 9600
	s.frames = nil
	s.advance(wire + minRTO - time.Millisecond)
	s.wantIdle("it has hardly left")
	s.advance(minRTO)
	s.want("now it is late", publish(shortQoS1|mqttsn.DUP, ab, 21, strings.Repeat("x", 900)))
}

// TestLineFasterThanSaid: a pty or native USB has no speed, whatever is configured.
func TestLineFasterThanSaid(t *testing.T) {
	s := newScript(t, Config{Baud: 9600})
	id := s.connect(mqttsn.CleanSession)
	for i := range uint16(100) {
		s.deliver(id, "ab", strings.Repeat("x", 900), 1)
		s.now = s.now.Add(time.Millisecond)
		s.board(puback(ab, i+1, mqttsn.Accepted))
	}
	s.frames, s.commands = nil, nil
	s.deliver(id, "ab", "lost", 1)
	s.frames = nil
	s.advance(2 * minRTO)
	s.want("nothing is before it", publish(shortQoS1|mqttsn.DUP, ab, 101, "lost"))
	s.board(puback(ab, 101, mqttsn.Accepted))
	s.commands = nil
	for range 100 {
		s.deliver(id, "ab", strings.Repeat("x", 900), 0)
	}
	s.deliver(id, "ab", "lost", 1)
	s.frames, s.commands = nil, nil
	s.advance(s.g.lineTime(lineBuffer) + 2*minRTO)
	s.want("no more than a line can hold", publish(shortQoS1|mqttsn.DUP, ab, 102, "lost"))
}

// TestEncapsulationCounts: what is sent is never longer than max_frame, with
// the forwarder's header too.
func TestEncapsulationCounts(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 100})
	inner := connectPacket(mqttsn.CleanSession, "b1", 10)
	s.board(mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: []byte{1, 2, 3, 4}, Data: inner.Append(nil)})
	id := s.wantCommand("open", OpenSession).Node
	s.up(id, false)
	s.frames = nil
	s.deliver(id, "ab", strings.Repeat("x", 87), 1) // 94 bytes, and 7 of the forwarder's
	s.wantNotice("dropped", MessageDropped, ReasonTooLarge)
	s.wantIdleFrames("it does not fit")
	s.deliver(id, "ab", strings.Repeat("x", 86), 0)
	if len(s.frames) != 1 {
		t.Error("this one fits")
	}
	s.deliver(id, strings.Repeat("t", 88), "", 1) // REGISTER has 94 bytes
	s.wantNotice("its topic does not fit", MessageDropped, ReasonTooLarge)
}
