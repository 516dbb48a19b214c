package e2e

import (
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
)

// TestNoise drops, alters and invents bytes both ways, with text printed in between: about one frame in ten is damaged, and still all messages arrive, once and in
// order.
func TestNoise(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{"console: {log: false}"}})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", AskSession: true})
	b.Subscribe("cmd/m5", 1)
	noise := cable.Noise{Drop: 1.5e-3, Flip: 1.5e-3, Insert: 1e-3}
	r.line.Disturb(noise, noise)
	up, down := numbered("up", 200), numbered("down", 200)
	r.publish("cmd/m5", down...)
	for i, p := range up {
		send(b, "m5/t", []string{p})
		if i%4 == 0 {
			b.WaitAcknowledged()
			b.Print(fmt.Sprintf("I (%d) m5: the temperature is %d\r\n", i, i%40))
		}
	}
	b.WaitAcknowledged()
	b.Wait(board.Received, len(down))
	r.line.Disturb(cable.Noise{}, cable.Noise{})
	wantBothWays(t, r, b, judge, up, down)
	m := r.gateway.Metrics()
	for _, series := range []string{
		metric("frame_errors_total", `reason="crc"`),
		metric("retransmits_total", `direction="uplink"`),
		metric("retransmits_total", `direction="downlink"`),
		metric("duplicates_suppressed_total"),
		metric("console_lines_total"),
	} {
		if m[series] == 0 {
			t.Errorf("%s is 0 after %d damaged bytes", series, r.line.Faults())
		}
	}
}
