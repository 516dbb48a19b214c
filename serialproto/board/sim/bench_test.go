package sim

import (
	"context"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// BenchmarkRoundTrip is a QoS 1 message and its PUBACK over a line that takes
// no time: what the simulated board and a pipe add to a measurement.
func BenchmarkRoundTrip(b *testing.B) {
	h, line := newHost(b)
	h.forget = true
	ctx, cancel := context.WithCancel(b.Context())
	n := 0
	m := board.Message{Topic: "tt", Data: make([]byte, 32), QoS: 1}
	s, err := New(Config{
		Board: board.Config{ClientID: "b1"},
		OnEvent: func(_ time.Time, bd *board.Board, e board.Event) {
			switch {
			case e.Kind == board.Published && n >= b.N:
				cancel()
			case e.Kind == board.Published, e.Kind == board.Connected:
				n++
				if err := bd.Publish(m); err != nil {
					b.Error(err)
				}
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	go h.serve()
	if err := s.Run(ctx, line); err != nil {
		b.Fatal(err)
	}
	<-h.done
}
