package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/test/umqttd"
)

const (
	backlog = 100_000 // messages
	senders = 8       // clients that they are of
)

// BenchmarkReplay starts umqttd with a backlog in its outbox, and compares how fast a
// subscriber has it with as many clients that publish the same straight to the broker.
func BenchmarkReplay(b *testing.B) {
	broker := startBroker(b)
	program := build(b)
	dialer, err := mqttcore.NewDialer(broker.URL(), mqttcore.FileTLS{})
	if err != nil {
		b.Fatal(err)
	}
	arrived := subscribe(b, dialer)
	var direct, replayed time.Duration
	var resident int
	for b.Loop() {
		begun := time.Now()
		publishAll(b, dialer)
		count(b, arrived, backlog)
		direct += time.Since(begun)

		dir := b.TempDir()
		fill(b, filepath.Join(dir, "field"))
		config := fmt.Sprintf("broker: {url: %q}\noutbox: {dir: %s}\ndevices:\n  - {name: field, port: /none/field}\n", broker.URL(), dir)
		gateway := umqttd.Start(b, program, config)
		count(b, arrived, 1) // it is connected
		begun = time.Now()
		count(b, arrived, backlog-1)
		replayed += time.Since(begun)
		resident = max(resident, status(b, gateway.PID(), "VmHWM"))
		gateway.Stop()
	}
	rate := func(d time.Duration) float64 { return float64(backlog*b.N) / d.Seconds() }
	b.ReportMetric(rate(direct), "direct-msg/s")
	b.ReportMetric(rate(replayed), "replay-msg/s")
	b.ReportMetric(float64(resident)/1024, "peak-MiB")
}

// subscribe returns what has an element for every message under bench/.
func subscribe(b *testing.B, dialer *mqttcore.Dialer) <-chan struct{} {
	b.Helper()
	arrived := make(chan struct{}, 2*backlog)
	client := run(b, mqttcore.Config{Dial: dialer.Dial, ClientID: "subscriber", CleanSession: true, MaxInbox: 2 * backlog, MaxInboxBytes: 1 << 30})
	_, err := client.Subscribe(b.Context(), "bench/#", 0, func(mqttcore.Delivery) { arrived <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	return arrived
}

// run keeps a client connected until the benchmark ends.
func run(b *testing.B, config mqttcore.Config) *mqttcore.Client {
	b.Helper()
	client, err := mqttcore.New(config)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = client.Run(ctx) })
	b.Cleanup(func() { cancel(); work.Wait(); client.Close() })
	return client
}

// count waits for n messages.
func count(b *testing.B, arrived <-chan struct{}, n int) {
	b.Helper()
	late := time.After(time.Minute)
	for i := range n {
		select {
		case <-arrived:
		case <-late:
			b.Fatalf("%d of %d messages have come", i, n)
		}
	}
}

// publishAll publishes the backlog straight to the broker.
func publishAll(b *testing.B, dialer *mqttcore.Dialer) {
	b.Helper()
	var work sync.WaitGroup
	for i := range senders {
		room := make(chan struct{}, 100) // more than are in flight at once
		client := run(b, mqttcore.Config{
			Dial: dialer.Dial, ClientID: fmt.Sprintf("direct-%d", i), CleanSession: true,
			OnPublished: func(mqttcore.Completion) { <-room },
		})
		work.Go(func() {
			m := mqttcore.Message{Topic: []byte("bench/direct"), Payload: make([]byte, 200), QoS: 1}
			for j := range backlog / senders {
				room <- struct{}{}
				if err := client.PublishAsync(m, uint64(j)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	work.Wait()
}

// fill makes an outbox with the backlog in it.
func fill(b *testing.B, dir string) {
	b.Helper()
	log, err := outbox.Open(outbox.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	m := outbox.Message{Topic: []byte("bench/replay"), Payload: make([]byte, 200), QoS: 1, Accepted: time.Now()}
	for i := range backlog {
		m.Client = fmt.Sprintf("board-%d", i%senders)
		if _, err = log.Append(&m); err == nil && i%1000 == 999 {
			err = log.Commit()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}
