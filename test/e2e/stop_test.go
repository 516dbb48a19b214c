package e2e

import (
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// TestStop ends umqttd in order in hard times. Stop itself demands status 0 within 5 s.
func TestStop(t *testing.T) {
	for name, trouble := range map[string]func(*testing.T, *rig){
		"broker away":   func(_ *testing.T, r *rig) { r.broker.Kill(); r.gateway.WaitMetric(metric("broker_connected"), 0) },
		"broker frozen": func(t *testing.T, r *rig) { r.broker.Pause(); t.Cleanup(r.broker.Resume) },
		"port stalled":  stall,
		"port missing":  func(_ *testing.T, r *rig) { r.line.Unplug(); r.gateway.WaitMetric(metric("device_up"), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{device: []string{"rx_buffer: 65535"}})
			b := r.board(board.Config{ClientID: "m5", Window: 8})
			b.Subscribe("cmd/m5", 0)
			send(b, "m5/t", numbered("up", 10))
			trouble(t, r)
			send(b, "m5/t", numbered("up", 10))
			r.gateway.Stop()
		})
	}
}

// stall makes the board stop reading, and sends it more than a pty holds.
func stall(t *testing.T, r *rig) {
	r.line.Stall()
	big := strings.Repeat("x", 1500)
	messages := make([]string, 60)
	for i := range messages {
		messages[i] = big
	}
	publishWith(t, r.broker, "cmd/m5", messages, []string{"-q", "0"})
	patience.Wait(t, "the gateway can write no more", func() bool {
		return r.gateway.Metric(metric("serial_bytes_total", `direction="tx"`)) > 8_000
	})
}

// TestInterrupt ends umqttd as Ctrl-C does.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	r.gateway.Interrupt()
	b.Wait(board.Disconnected, 1)
}

// TestGoodbye reads the last bytes of a gateway that is stopped: DISCONNECT, so that the board connects anew as soon as there is a gateway again.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	s := cable.NewScript(t, r.line)
	s.Connect("m5", mqttsn.CleanSession)
	r.gateway.Stop()
	s.Want(mqttsn.Disconnect)
}
