package serialproto

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Whatever happens to some frames, and whatever is printed in between, the
// others arrive: damage to frame k loses at most frame k.
func TestDamageLosesOnlyTheDamaged(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	for seed := range rounds {
		if fault := damageRound(uint64(seed)); fault != "" {
			t.Fatalf("seed %d: %s", seed, fault)
		}
	}
}

// damageRound plays one line and returns what went wrong, or nothing.
func damageRound(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 42))
	maxFrame := 20 + r.IntN(600)
	var line []byte
	var sent []string
	damaged := map[string]bool{}
	for k := range 2 + r.IntN(12) {
		line = append(line, chatter(r, maxFrame)...)
		// The number in front makes every body one of its own.
		body := append([]byte{byte(k), 0}, randomBody(r, r.IntN(maxFrame-1), 1+r.IntN(300))...)
		frame := AppendFrame(nil, body)
		sent = append(sent, string(body))
		if r.IntN(3) == 0 {
			frame = damage(r, frame)
			damaged[string(body)] = true
		}
		line = append(line, frame...)
	}
	line = append(line, chatter(r, maxFrame)...)

	got := play(r, &Decoder{MaxFrame: maxFrame}, line)
	for _, body := range sent {
		switch {
		case len(got) > 0 && got[0] == body:
			got = got[1:]
		case !damaged[body]:
			return fmt.Sprintf("undamaged frame %d of %d is lost", body[0], len(sent))
		}
	}
	if len(got) > 0 {
		return fmt.Sprintf("frame % x was never sent, or not in this order", got[0])
	}
	return ""
}

// chatter is what else is on the line between two frames: nothing, text, or
// noise that may hold delimiters.
func chatter(r *rand.Rand, maxFrame int) []byte {
	switch r.IntN(4) {
	case 0:
		return bytes.Repeat([]byte("I (4711) wifi: \x1b[0;32mprêt\x1b[0m\r\n"), 1+r.IntN(3)*maxFrame/20)
	case 1:
		return randomBody(r, r.IntN(3*maxFrame), 1+r.IntN(100))
	}
	return nil
}

// damage flips, drops and inserts bytes anywhere in frame, delimiters included.
func damage(r *rand.Rand, frame []byte) []byte {
	for range 1 + r.IntN(4) {
		if len(frame) == 0 {
			return nil
		}
		at := r.IntN(len(frame))
		switch r.IntN(5) {
		case 0: // a bit
			frame[at] ^= 1 << r.IntN(8)
		case 1: // lost
			frame = slices.Delete(frame, at, at+1+r.IntN(len(frame)-at))
		case 2: // printed by another task
			frame = slices.Insert(frame, at, []byte("E (99) panic\r\n")...)
		case 3: // garbage
			frame = slices.Insert(frame, at, randomBody(r, 1+r.IntN(5), 3)...)
		case 4: // cut off
			frame = frame[:at]
		}
	}
	return frame
}

// play feeds line to d in chunks of all sizes, with silences, and returns the
// frames found.
func play(r *rand.Rand, d *Decoder, line []byte) []string {
	var frames []string
	now := time.Unix(1000, 0)
	for len(line) > 0 {
		n := min(len(line), 1+r.IntN(1+r.IntN(500)))
		if r.IntN(10) == 0 {
			now = now.Add(Silence)
		}
		d.Feed(line[:n], now)
		for ev, ok := d.Next(); ok; ev, ok = d.Next() {
			if ev.Kind == Frame {
				frames = append(frames, string(ev.Body))
			}
		}
		line = line[n:]
	}
	return frames
}
