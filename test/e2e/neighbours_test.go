package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/e2e/pest"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// memoryBound is what umqttd may take at most, in KiB, with 8 boards of which three do their worst. It needs about 25 MiB with boards that behave.
const memoryBound = 64 << 10

// TestNeighbours puts boards that behave beside one that floods, one that acknowledges nothing and one that sends garbage. The limits hold for the bad ones, which are
// told so, memory stays bounded, and the others lose nothing.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	const good, messages = 5, 1000
	broker := mosquitto.Start(t, mosquitto.Config{})
	names := []string{"flood", "mute", "garbage"}
	for i := range good {
		names = append(names, fmt.Sprintf("good-%d", i))
	}
	var config strings.Builder
	fmt.Fprintf(&config, "broker: {url: %q}\noutbox: {dir: %s}\ndevices:\n", broker.URL(), file(t, "outbox"))
	lines := make(map[string]*cable.Cable)
	for _, name := range names {
		lines[name] = cable.New(t)
		fmt.Fprintf(&config, "  - {name: %s, port: %s, limits: {messages_per_second: 2000}}\n", name, lines[name].Path())
	}
	gateway := umqttd.Start(t, program, strings.Replace(config.String(), "2000", "50", 1))
	for _, name := range names {
		gateway.WaitMetric(fmt.Sprintf("umqttd_device_up{device=%q}", name), 1)
	}
	flood := pest.Flood(t, lines["flood"])
	pest.Mute(t, lines["mute"])
	pest.Garbage(t, lines["garbage"])
	patience.Wait(t, "mosquitto has the subscription of the mute board", func() bool {
		return gateway.Metric(`umqttd_frames_total{device="mute",direction="tx"}`) >= 3
	})
	publish(t, broker, pest.MuteTopic, numbered(strings.Repeat("down", 50), 2000))

	judge := subscribe(t, broker, "judge", "good/+")
	boards := make([]*cable.Board, good)
	for i := range boards {
		boards[i] = cable.NewBoard(t, lines[names[3+i]], board.Config{ClientID: names[3+i], Window: 4, MaxQueue: messages})
		boards[i].Wait(board.Connected, 1)
		send(boards[i], fmt.Sprintf("good/%d", i), numbered("up", messages))
	}
	for _, b := range boards {
		b.WaitAcknowledged()
	}
	got := make(map[string][]string)
	for _, m := range judge.wait(good * messages) {
		got[m.topic] = append(got[m.topic], m.payload)
	}
	for i := range boards {
		wantOnce(t, got[fmt.Sprintf("good/%d", i)], numbered("up", messages))
		wantUndisturbed(t, boards[i])
	}
	gateway.WaitMetricAtLeast(`umqttd_dropped_total{device="flood",reason="rate_limit"}`, 1000)
	patience.Wait(t, "the flooding board is told to wait", func() bool { return flood.Heard(mqttsn.Congestion) >= 100 })
	gateway.WaitMetricAtLeast(`umqttd_retransmits_total{device="mute",direction="downlink"}`, 1)
	gateway.WaitMetricAtLeast(`umqttd_frame_errors_total{device="garbage",reason="cobs"}`, 1000)
	t.Logf("memory: %d KiB now, %d KiB at its peak", gateway.Status("VmRSS"), gateway.Status("VmHWM"))
	if peak := gateway.Status("VmHWM"); peak > memoryBound {
		t.Errorf("umqttd took %d KiB", peak)
	}
}
