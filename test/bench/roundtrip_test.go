package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/umqttd"
)

// startBroker starts a mosquitto that does not log every packet, which would make the direct path look slow.
func startBroker(b *testing.B) *mosquitto.Broker {
	b.Helper()
	return mosquitto.Start(b, mosquitto.Config{Lines: []string{
		"log_type none", "log_type error", "log_type warning", "log_type notice", "log_type information",
	}})
}

func build(b *testing.B) string {
	b.Helper()
	program, err := umqttd.Build(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return program
}

// BenchmarkRoundTrip publishes with QoS 1 from a board on a pty through umqttd, and the same straight to the same mosquitto, in turn, and compares the times until
// PUBACK.
func BenchmarkRoundTrip(b *testing.B) {
	payload := []byte(strings.Repeat("x", 32))
	broker := startBroker(b)
	serial, link := plug(b, payload)
	gateway := umqttd.Start(b, build(b), fmt.Sprintf("broker: {url: %q}\ndevices: [{name: bench, port: %s}]\n", broker.URL(), link))
	spread(b, broker.PID())
	straight := dialDirect(b, broker.Addr(), []byte("bench/topic"), payload)
	serial.connect(b, "board", "bench/topic")
	for range 1000 { // caches, heap and the estimators of round trips settle
		straight.publish(b)
		serial.publish(b)
	}
	var byHand, through []time.Duration
	before := cpuTime(b, gateway.PID())
	for b.Loop() {
		byHand = append(byHand, timed(b, straight))
		through = append(through, timed(b, serial))
	}
	cpu := (cpuTime(b, gateway.PID()) - before) / time.Duration(len(through))
	slices.Sort(byHand)
	slices.Sort(through)
	ratio := float64(quantile(through, 0.5)) / float64(quantile(byHand, 0.5))
	b.ReportMetric(ratio, "p50-ratio")
	b.ReportMetric(float64(cpu.Microseconds()), "cpu-us/msg")
	b.Logf("QoS 1 round trips of %d bytes, %d of each kind, in turn\n\n"+
		"| path | p50 | p99 |\n| --- | --- | --- |\n| straight to mosquitto | %s | %s |\n| board, pty, umqttd, mosquitto | %s | %s |\n\n"+
		"p50 ratio %.2f, umqttd's processor time %s a message",
		len(payload), len(through), micros(quantile(byHand, 0.5)), micros(quantile(byHand, 0.99)),
		micros(quantile(through, 0.5)), micros(quantile(through, 0.99)), ratio, micros(cpu))
}

// spread puts the measuring thread and the broker on two processors and leaves umqttd to the kernel. Otherwise the kernel puts them now on one and now on two, and
// the direct path takes 10 or 60 µs by chance.
func spread(b *testing.B, broker int) {
	b.Helper()
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		b.Fatal(err)
	}
	if all.Count() < 2 {
		b.Log("one processor: everything shares it")
		return
	}
	b.Cleanup(func() { _ = unix.SchedSetaffinity(0, &all) })
	processes := []int{0, broker} // 0 is this thread
	for cpu := 0; len(processes) > 0; cpu++ {
		if !all.IsSet(cpu) {
			continue
		}
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(processes[0], &one); err != nil {
			b.Fatal(err)
		}
		processes = processes[1:]
	}
}

func timed(b *testing.B, p path) time.Duration {
	began := time.Now()
	p.publish(b)
	return time.Since(began)
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func micros(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Nanoseconds())/1000, 'f', 0, 64) + " µs"
}

// cpuTime returns the processor time that a process has used, in steps of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		b.Fatal(err)
	}
	// The name, in parentheses, may hold anything. utime and stime are fields 14 and 15 of proc(5), in clock ticks.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
