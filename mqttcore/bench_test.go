package mqttcore

import (
	"context"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// runBench starts a client for a benchmark and waits until it is connected.
func runBench(b *testing.B, cfg Config) *Client {
	b.Helper()
	connected := make(chan struct{})
	cfg.OnState = func(s State) {
		switch {
		case s.Kind == Connected:
			close(connected)
		case s.Retry > 0:
			b.Error(s.Err) // a connection that is lost would make figures of another thing
		}
	}
	c, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-connected:
	case <-time.After(10 * time.Second):
		b.Fatal("no connection")
	}
	return c
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU reports the CPU time of each of n messages.
func reportCPU(b *testing.B, used time.Duration, n int) {
	b.ReportMetric(float64(used.Nanoseconds())/float64(n)/1000, "cpu-us/msg")
}

func benchmarkPublish(b *testing.B, qos byte, window int) {
	slots := make(chan struct{}, window)
	c := runBench(b, Config{
		Dial: startBenchBroker(b), ClientID: "bench", MaxInflight: max(1, window),
		OnPublished: func(Completion) { <-slots },
	})
	m := Message{Topic: []byte("sensors/greenhouse/temperature"), Payload: make([]byte, 64), QoS: qos}
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		slots <- struct{}{}
		if err := c.PublishAsync(m, 1); err != nil {
			b.Fatal(err)
		}
	}
	for range window {
		slots <- struct{}{}
	}
	reportCPU(b, cpuTime()-start, b.N)
}

func BenchmarkPublishQoS0(b *testing.B)          { benchmarkPublish(b, 0, 100) }
func BenchmarkPublishQoS1Window1(b *testing.B)   { benchmarkPublish(b, 1, 1) }
func BenchmarkPublishQoS1Window20(b *testing.B)  { benchmarkPublish(b, 1, 20) }
func BenchmarkPublishQoS1Window200(b *testing.B) { benchmarkPublish(b, 1, 200) }

func benchmarkReceive(b *testing.B, qos byte, inbox int) {
	var received atomic.Int64
	enough := make(chan struct{}, 1)
	c := runBench(b, Config{
		Dial: startBenchBroker(b), ClientID: "bench", CleanSession: true, MaxInbox: inbox, MaxInboxBytes: 1 << 30,
		OnMessage: func(Delivery) {
			if received.Add(-1) == 0 {
				enough <- struct{}{}
			}
		},
	})
	b.ReportAllocs()
	if _, err := c.Subscribe(b.Context(), "flood/"+strconv.Itoa(int(qos)), qos, nil); err != nil {
		b.Fatal(err)
	}
	received.Store(100_000)
	<-enough // pools are warm
	b.ResetTimer()
	start := cpuTime()
	received.Store(int64(b.N))
	<-enough
	reportCPU(b, cpuTime()-start, b.N)
	b.StopTimer()
}

func BenchmarkReceiveQoS0(b *testing.B) { benchmarkReceive(b, 0, 1<<20) } // or it would drop some
func BenchmarkReceiveQoS1(b *testing.B) { benchmarkReceive(b, 1, 0) }

// BenchmarkIdleSessions reports what a connected client costs that has
// published once and now does nothing.
func BenchmarkIdleSessions(b *testing.B) {
	sessions := 2000 // the sockets of ten thousand need a higher limit than most shells give
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur > 11_000 {
		sessions = 10_000
	}
	dial := startBenchBroker(b)
	report := b.ReportMetric
	for b.Loop() {
		idleSessions(b, sessions, dial, report)
		report = func(float64, string) {} // later rounds find memory that the first has left
	}
	b.ReportMetric(0, "ns/op")
}

// idleSessions runs clients, waits until all are idle, and reports what one
// costs.
func idleSessions(b *testing.B, sessions int, dial func(context.Context) (net.Conn, error), report func(float64, string)) {
	before, residentBefore := memory(b)
	goroutines := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(sessions)
	gate := make(chan struct{}, 50) // the broker's backlog
	for i := range sessions {
		gate <- struct{}{}
		startIdle(b, ctx, &running, "idle-"+strconv.Itoa(i), dial, func() { <-gate; ready.Done() })
	}
	ready.Wait()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine()-goroutines > sessions+sessions/100 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // writers linger
	}
	after, residentAfter := memory(b)
	each := func(v int64, unit string) { report(float64(v)/float64(sessions), unit) }
	each(int64(after.HeapAlloc)-int64(before.HeapAlloc), "heap-B/session")
	each(int64(after.StackInuse)-int64(before.StackInuse), "stack-B/session")
	each(residentAfter-residentBefore, "resident-B/session")
	each(int64(runtime.NumGoroutine()-goroutines), "goroutines/session")
	cancel()
	running.Wait()
}

func startIdle(b *testing.B, ctx context.Context, running *sync.WaitGroup, id string, dial func(context.Context) (net.Conn, error), ready func()) {
	cfg := Config{Dial: dial, ClientID: id, KeepAlive: 10 * time.Minute}
	cfg.OnPublished = func(Completion) { ready() }
	c, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.PublishAsync(Message{Topic: []byte("status/" + id), Payload: []byte("online"), QoS: 1}, 0); err != nil {
		b.Fatal(err)
	}
	running.Go(func() { _ = c.Run(ctx) })
}

// memory returns what the runtime and the kernel say this process uses, after
// everything that can be freed is.
func memory(b *testing.B) (m runtime.MemStats, resident int64) {
	b.Helper()
	for range 10 { // stacks shrink by half in each collection
		runtime.GC()
	}
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return m, pages * int64(os.Getpagesize())
}
