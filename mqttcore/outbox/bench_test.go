package outbox_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// counting counts what is written to the operating system's files.
type counting struct {
	outbox.OS

	bytes *atomic.Int64
}

type countingFile struct {
	outbox.File

	bytes *atomic.Int64
}

func (c counting) Open(path string, mode outbox.Mode) (outbox.File, error) {
	f, err := c.OS.Open(path, mode)
	return countingFile{f, c.bytes}, err
}

func (f countingFile) WriteAt(p []byte, off int64) (int, error) {
	f.bytes.Add(int64(len(p)))
	return f.File.WriteAt(p, off)
}

// kernelBytes is what the kernel has written, or will, for this process: whole
// pages.
func kernelBytes(b *testing.B) (n int64) {
	p, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	var rchar, wchar, syscr, syscw, read int64
	if _, err := fmt.Sscanf(string(p), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d\nread_bytes: %d\nwrite_bytes: %d",
		&rchar, &wchar, &syscr, &syscw, &read, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

var benchMessage = outbox.Message{
	Client: "greenhouse-1", Topic: []byte("sensors/greenhouse/temperature"), Payload: make([]byte, 200), QoS: 1,
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var written atomic.Int64
			l := openBench(b, outbox.Config{Dir: b.TempDir(), FS: counting{bytes: &written}})
			kernel := kernelBytes(b)
			for i := 0; b.Loop(); i++ {
				seq, err := l.Append(&benchMessage)
				if err == nil && i%n == n-1 {
					err = l.Commit()
					l.Ack(benchMessage.Client, seq)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(written.Load())/float64(b.N), "written-B/msg")
			b.ReportMetric(float64(kernelBytes(b)-kernel)/float64(b.N), "kernel-B/msg")
		})
	}
}

func openBench(b *testing.B, cfg outbox.Config) *outbox.Log {
	l, err := outbox.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l
}

// store appends n messages of eight clients.
func store(b *testing.B, l *outbox.Log, n int) {
	m := benchMessage
	for i := range n {
		m.Client = fmt.Sprint("board-", i%8)
		if _, err := l.Append(&m); err != nil {
			b.Fatal(err)
		}
		if i%500 == 499 || i == n-1 {
			if err := l.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Each turn replays 100,000 messages of eight clients.
func BenchmarkReplay(b *testing.B) {
	b.ReportAllocs()
	const messages = 100_000
	l := openBench(b, outbox.Config{Dir: b.TempDir()})
	store(b, l, messages)
	var buf []outbox.Message
	for b.Loop() {
		var after [8]uint64
		for n := 0; n < messages; {
			for i := range after {
				var err error
				buf, err = l.Read(fmt.Sprint("board-", i), after[i], buf[:0], 32*200)
				if err != nil {
					b.Fatal(err)
				}
				if len(buf) > 0 {
					after[i] = buf[len(buf)-1].Seq
					n += len(buf)
				}
			}
		}
	}
	b.ReportMetric(messages*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkOpen64MiB(b *testing.B) {
	b.ReportAllocs()
	cfg := outbox.Config{Dir: b.TempDir()}
	l, err := outbox.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	store(b, l, 215_000)
	b.SetBytes(l.Stats().DiskBytes)
	_ = l.Close()
	for b.Loop() {
		l, err := outbox.Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
