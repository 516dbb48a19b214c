package outbox_test

import (
	"runtime"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

// Whatever the bytes of a segment are, Open refuses it or the log works: what
// it counts can be read, and what is appended is found again. Memory is
// bounded by the segment.
func FuzzOpen(f *testing.F) {
	w := newWorld(f, outbox.Config{})
	w.put("a", "t", "p")
	w.put("b", "topic", "payload")
	w.state("a", []byte("state"))
	w.must(w.flush())
	w.quarantine("a", "why")
	w.ack("b", 1)
	w.must(w.flush())
	w.must(w.log.Close())
	good := w.disk.Get(firstSegment)
	f.Add(good[:64], good[64:600], uint16(0), byte(0))
	f.Add(good[:64], good[64:600], uint16(100), byte(1))
	f.Add([]byte{}, []byte("hello"), uint16(5), byte(7))
	f.Fuzz(func(t *testing.T, header, records []byte, off uint16, bits byte) {
		content := append(append([]byte{}, header...), records...)
		if len(content) > 0 {
			content[int(off)%len(content)] ^= bits
		}
		for _, size := range []int{len(content), max(len(content), 256<<10)} {
			disk := &simdisk.Disk{}
			disk.Put(firstSegment, append(content[:len(content):len(content)], make([]byte, size-len(content))...))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			l, err := outbox.Open(outbox.Config{FS: disk, Dir: folder, MaxBytes: 1 << 20})
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Fatalf("%d bytes allocated for a segment of %d", n, size)
			}
			if err != nil {
				continue
			}
			for _, c := range l.Clients() {
				list, err := l.Read(c.Client, 0, nil, 1<<30)
				if err != nil || len(list) != c.Messages {
					t.Fatalf("%d of %d messages: %v", len(list), c.Messages, err)
				}
			}
			seq, err := l.Append(&outbox.Message{Client: "fuzz", Payload: []byte("good")})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Commit(); err != nil {
				t.Fatal(err)
			}
			disk.CrashWith(0, func(int) (simdisk.Fate, int) { return simdisk.Missing, 0 })
			l, err = outbox.Open(outbox.Config{FS: disk, Dir: folder, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			list, err := l.Read("fuzz", seq-1, nil, 1)
			if err != nil || len(list) != 1 || list[0].Seq != seq {
				t.Fatal(list, err)
			}
		}
	})
}
