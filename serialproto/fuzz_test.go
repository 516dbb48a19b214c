package serialproto

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/umqttd/umqttd/serialproto/internal/vectors"
)

// FuzzDecoder feeds a Decoder with anything. 0xFA in the input is a silence, so
// that those are found too.
func FuzzDecoder(f *testing.F) {
	for _, row := range vectors.Rows(f, spec, "S") {
		f.Add(bytes.Join(vectors.Bursts(f, row[1]), []byte{0xFA}), uint64(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		const maxFrame = 40
		bursts := bytes.Split(stream, []byte{0xFA})
		whole := listen(&Decoder{MaxFrame: maxFrame}, bursts, len(stream)+1)

		r := rand.New(rand.NewPCG(seed, 0))
		chopped := Decoder{MaxFrame: maxFrame}
		if got := listen(&chopped, bursts, 1+r.IntN(10)); !slices.Equal(got, whole) {
			t.Fatalf("in small chunks %v\nat once      %v", got, whole)
		}
		if cap(chopped.buf) > 4*stuffedLen(maxFrame+crcLen) {
			t.Fatalf("the buffer has grown to %d bytes", cap(chopped.buf))
		}

		var frames []string
		bytesOut := 0
		for _, ev := range whole {
			bytesOut += len(ev.body)
			switch {
			case ev.kind == Frame:
				frames = append(frames, ev.body)
			case ev.kind == Text:
				if n, ok := textLen([]byte(ev.body)); !ok || n != len(ev.body) {
					t.Fatalf("%q is no text", ev.body)
				}
			}
			if len(ev.body) == 0 {
				t.Fatalf("an empty %v", ev.kind)
			}
		}
		if want := naiveFrames(bytes.Join(bursts, nil), maxFrame); !slices.Equal(frames, want) {
			t.Fatalf("frames %q, want %q", frames, want)
		}
		if bytesOut > 2*len(stream) {
			t.Fatalf("%d bytes came out of %d", bytesOut, len(stream))
		}
	})
}
