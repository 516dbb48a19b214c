package packet

import "testing"

func BenchmarkPublishAppend(b *testing.B) {
	m := Publish{Topic: []byte("sensors/greenhouse/temperature"), Payload: make([]byte, 64), ID: 9, QoS: 1}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkPublishParse(b *testing.B) {
	m := Publish{Topic: []byte("sensors/greenhouse/temperature"), Payload: make([]byte, 64), ID: 9, QoS: 1}
	buf := m.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := Size(buf, 1<<20); n == 0 || err != nil {
			b.Fatal(err)
		}
		if _, err := ParsePublish(buf); err != nil {
			b.Fatal(err)
		}
	}
}
