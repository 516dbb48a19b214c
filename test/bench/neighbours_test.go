package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/e2e/pest"
	"github.com/umqttd/umqttd/test/umqttd"
)

// BenchmarkNeighbours measures the round trips of five boards that behave beside three that flood, never acknowledge and send garbage, and the same while those three
// are quiet, in turn. What counts is the ratio.
func BenchmarkNeighbours(b *testing.B) {
	const good, pace, turn = 5, 2 * time.Millisecond, 250
	broker := startBroker(b)
	var config strings.Builder
	fmt.Fprintf(&config, "broker: {url: %q}\noutbox: {dir: %s}\ndevices:\n", broker.URL(), b.TempDir())
	boards := make([]*board, good)
	for i := range boards {
		var link string
		boards[i], link = plug(b, make([]byte, 32))
		fmt.Fprintf(&config, "  - {name: good-%d, port: %s}\n", i, link)
	}
	lines := []*cable.Cable{cable.New(b), cable.New(b), cable.New(b)}
	for i, line := range lines {
		fmt.Fprintf(&config, "  - {name: bad-%d, port: %s, limits: {messages_per_second: 200}}\n", i, line.Path())
	}
	gateway := umqttd.Start(b, build(b), config.String())
	for i, d := range boards {
		d.connect(b, fmt.Sprintf("good-%d", i), fmt.Sprintf("bench/%d", i))
	}
	pests := []*pest.Pest{pest.Flood(b, lines[0]), pest.Mute(b, lines[1]), pest.Garbage(b, lines[2])}
	gateway.WaitMetricAtLeast(`umqttd_frames_total{device="bad-1",direction="tx"}`, 3) // it is subscribed
	speaker := dialDirect(b, broker.Addr(), []byte(pest.MuteTopic), make([]byte, 100))
	for range 200 {
		speaker.publish(b)
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var calm, noisy []time.Duration
	for n := 0; b.Loop(); n++ {
		quiet := n/turn%2 == 0
		if n%turn == 0 {
			for _, p := range pests {
				p.Pause(quiet)
			}
		}
		<-tick.C
		took := timed(b, boards[n%good])
		switch {
		case n%turn < turn/10: // what one turn leaves to the next
		case quiet:
			calm = append(calm, took)
		default:
			noisy = append(noisy, took)
		}
	}
	if len(noisy) == 0 {
		return // a first run, of a few messages
	}
	slices.Sort(calm)
	slices.Sort(noisy)
	ratio := float64(quantile(noisy, 0.99)) / float64(quantile(calm, 0.99))
	b.ReportMetric(ratio, "p99-ratio")
	b.ReportMetric(float64(gateway.Status("VmHWM"))/1024, "MiB")
	b.Logf("QoS 1 round trips of 32 bytes, %d boards in turn, one every %v, %d and %d of them\n\n"+
		"| neighbours | p50 | p99 |\n| --- | --- | --- |\n| quiet | %s | %s |\n| flood, no acknowledgement, garbage | %s | %s |\n\np99 ratio %.2f",
		good, pace, len(calm), len(noisy), micros(quantile(calm, 0.5)), micros(quantile(calm, 0.99)),
		micros(quantile(noisy, 0.5)), micros(quantile(noisy, 0.99)), ratio)
}
