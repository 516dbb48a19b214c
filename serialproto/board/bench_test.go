package board

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// steady returns a board in the middle of a session that knows topic id 1.
func steady(b testing.TB) (*Board, time.Time) {
	board, err := New(Config{ClientID: "b1"})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	board.Start(now)
	board.Next(now)
	for _, p := range []mqttsn.Packet{
		connack(mqttsn.Accepted),
		{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("m5/t")},
	} {
		board.Receive(now, p.Append(nil))
	}
	board.Next(now)
	board.Events()
	return board, now
}

// publishOnce sends one QoS 1 message and takes its PUBACK.
func publishOnce(b testing.TB, board *Board, now time.Time, m Message, ack *[]byte) {
	if err := board.Publish(m); err != nil {
		b.Fatal(err)
	}
	body, ok := board.Next(now)
	if !ok {
		b.Fatal("nothing to send")
	}
	p := mqttsn.Packet{Type: mqttsn.PubAck, TopicID: 1, MsgID: uint16(body[5])<<8 | uint16(body[6])}
	*ack = p.Append((*ack)[:0])
	board.Receive(now, *ack)
	if events := board.Events(); len(events) != 1 || events[0].Kind != Published {
		b.Fatalf("got %+v", events)
	}
}

func BenchmarkPublish(b *testing.B) {
	board, now := steady(b)
	m := Message{Topic: "m5/t", Data: make([]byte, 32), QoS: 1}
	var ack []byte
	b.ReportAllocs()
	for b.Loop() {
		publishOnce(b, board, now, m, &ack)
	}
}

func TestNoAllocationInSteadyState(t *testing.T) {
	board, now := steady(t)
	m := Message{Topic: "m5/t", Data: make([]byte, 32), QoS: 1}
	var ack []byte
	in := publish(0, 1, 0, "on")
	inbound := in.Append(nil)
	n := testing.AllocsPerRun(100, func() {
		publishOnce(t, board, now, m, &ack)
		board.Receive(now, inbound)
		board.Events()
	})
	if n != 0 {
		t.Fatalf("%v allocations for a message in each direction", n)
	}
}
