package serialproto

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// The constant that is sent to boards that have not spoken yet.
func TestDisconnectFrame(t *testing.T) {
	got := AppendFrame(nil, []byte{0x02, 0x18})
	want := []byte{0x00, 0x07, 0x02, 0x18, 0x2b, 0xe8, 0x83, 0x60, 0x00}
	if !bytes.Equal(got, want) {
		t.Fatalf("the frame of DISCONNECT is % x, want % x", got, want)
	}
}

// randomBody returns n bytes of which about one in every is zero.
func randomBody(r *rand.Rand, n, every int) []byte {
	body := make([]byte, n)
	for i := range body {
		if r.IntN(every) > 0 {
			body[i] = byte(1 + r.IntN(255))
		}
	}
	return body
}

// checkFrame holds AppendFrame and Decoder to the second implementation.
func checkFrame(t *testing.T, body []byte) {
	t.Helper()
	frame := AppendFrame(nil, body)
	if want := naiveFrame(body, false); !bytes.Equal(frame, want) {
		t.Fatalf("body % x\nframe % x\nwant  % x", body, frame, want)
	}
	if n := FrameLen(len(body)); len(frame) > n {
		t.Fatalf("frame of %d bytes has %d, more than FrameLen's %d", len(body), len(frame), n)
	}
	if bytes.IndexByte(frame[1:len(frame)-1], 0) >= 0 {
		t.Fatalf("a zero inside the frame % x", frame)
	}
	for _, wire := range [][]byte{frame, naiveFrame(body, true)} {
		d := Decoder{MaxFrame: len(body)}
		d.Feed(wire, time.Time{})
		ev, ok := d.Next()
		switch {
		case !ok:
			t.Fatalf("nothing found in % x", wire)
		case len(body) == 0 && ev.Kind != Short:
			t.Fatalf("an empty body is %v, want it too short", ev.Kind)
		case len(body) > 0 && (ev.Kind != Frame || !bytes.Equal(ev.Body, body)):
			t.Fatalf("body % x comes back as %v % x", body, ev.Kind, ev.Body)
		}
	}
}

func TestFramesOfAllLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 1100 {
		for _, every := range []int{1, 2, 20, 300, 1 << 30} {
			checkFrame(t, randomBody(r, n, every))
		}
	}
	checkFrame(t, randomBody(r, MaxFrame, 1<<30))
}

func FuzzAppendFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 24})
	f.Add(bytes.Repeat([]byte{1}, 250))
	f.Add(make([]byte, 600))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) <= MaxFrame {
			checkFrame(t, body)
		}
	})
}

func TestAppendFrameDoesNotAllocate(t *testing.T) {
	body := randomBody(rand.New(rand.NewPCG(1, 2)), 700, 20)
	dst := make([]byte, 0, FrameLen(len(body)))
	if n := testing.AllocsPerRun(100, func() { dst = AppendFrame(dst[:0], body) }); n != 0 {
		t.Errorf("AppendFrame allocates %v times", n)
	}
}
