package serialproto

import (
	"fmt"
	"testing"
	"time"
)

// benchSizes are the bodies measured: a sensor reading, a long topic with
// JSON, the longest frame of the default configuration.
var benchSizes = []int{32, 256, 2048}

// benchBody returns n bytes with zeros where a PUBLISH has them.
func benchBody(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(' ' + i%90)
	}
	b[3], b[5] = 0, 0
	return b
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			body := benchBody(n)
			dst := make([]byte, 0, FrameLen(n))
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendFrame(dst[:0], body)
			}
		})
	}
}

func BenchmarkDecoder(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			frame := AppendFrame(nil, benchBody(n))
			var d Decoder
			now := time.Now()
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				d.Feed(frame, now)
				if ev, ok := d.Next(); !ok || ev.Kind != Frame {
					b.Fatalf("got %v, %v", ev.Kind, ok)
				}
				if _, ok := d.Next(); ok {
					b.Fatal("got a second event")
				}
			}
		})
	}
}
