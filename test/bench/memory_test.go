package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/umqttd"
)

// boards is how many boards the memory is measured with: as many as two large USB hubs hold.
const boards = 16

// BenchmarkMemory connects boards and lets each of them publish, and reads umqttd's resident memory.
func BenchmarkMemory(b *testing.B) {
	broker := startBroker(b)
	var config strings.Builder
	fmt.Fprintf(&config, "broker: {url: %q}\ndevices:\n", broker.URL())
	all := make([]*board, boards)
	for i := range all {
		var link string
		all[i], link = plug(b, make([]byte, 32))
		fmt.Fprintf(&config, "  - {name: board-%d, port: %s}\n", i, link)
	}
	gateway := umqttd.Start(b, build(b), config.String())
	for i, d := range all {
		d.connect(b, fmt.Sprintf("board-%d", i), fmt.Sprintf("bench/%d", i))
	}
	for range 200 {
		for _, d := range all {
			d.publish(b)
		}
	}
	gateway.Page("/metrics")
	for b.Loop() {
		for _, d := range all {
			d.publish(b)
		}
	}
	resident := status(b, gateway.PID(), "VmRSS")
	b.ReportMetric(float64(resident)/1024, "MiB")
	b.Logf("resident memory with %d boards: %.1f MiB, of that %.1f MiB of umqttd's own (the rest is the program file), %d threads",
		boards, float64(resident)/1024, float64(status(b, gateway.PID(), "RssAnon"))/1024, status(b, gateway.PID(), "Threads"))
}

// status returns a number of /proc/PID/status; sizes are in KiB.
func status(b *testing.B, pid int, key string) int {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != key {
			continue
		}
		n, err := strconv.Atoi(strings.Fields(value)[0])
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	b.Fatalf("/proc/%d/status has no %s", pid, key)
	return 0
}
