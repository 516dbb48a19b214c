package sim

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// wireTime is how long a message takes at that speed.
func wireTime(p mqttsn.Packet, baud int) time.Duration {
	return time.Duration(frameLen(p)) * (10 * time.Second / time.Duration(baud))
}

// At 1200 baud CONNECT arrives when its last bit has, and so does the answer.
func TestBytesTakeTheirTime(t *testing.T) {
	const baud = 1200
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var connected time.Time
		s, err := run(t, ctx, Config{
			Line: Line{Baud: baud},
			OnEvent: onConnected(func(now time.Time, _ *board.Board) {
				connected = now
				cancel()
			}),
		}, h, line)
		if err != nil || s.Overruns() != 0 {
			t.Fatalf("error %v, %d overruns", err, s.Overruns())
		}
		connect := h.frames[0]
		if d := connect.at.Sub(began); d != wireTime(connect.Packet, baud) {
			t.Errorf("CONNECT took %v, want %v", d, wireTime(connect.Packet, baud))
		}
		answer := wireTime(mqttsn.Packet{Type: mqttsn.ConnAck}, baud)
		if d := connected.Sub(connect.at); d < answer || d > answer+quantum {
			t.Errorf("CONNACK took %v, want %v", d, answer)
		}
	})
}

// A host that writes faster than the line must wait: what it has written and
// what has not arrived is never much more than its driver holds.
func TestSlowLineHoldsTheHostBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		h.silent = true
		ctx, cancel := context.WithCancel(t.Context())
		s := power(t, Config{Line: Line{Baud: 9600}})
		go h.serve()
		done := make(chan error)
		go func() { done <- s.Run(ctx, line) }()
		began := time.Now()
		for range 10 {
			if _, err := h.conn.Write(make([]byte, 4096)); err != nil {
				t.Fatal(err)
			}
		}
		if d, want := time.Since(began), 7*4096*10*time.Second/9600; d < want {
			t.Errorf("40 KiB were taken in %v, want at least %v", d, want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		<-h.done
	})
}

func TestRing(t *testing.T) {
	const baud = 115200
	looks := Line{Baud: baud, Poll: 50 * time.Millisecond}
	for _, test := range []struct {
		name  string
		line  Line
		bytes int
		lost  int
	}{
		{"240 bytes fit", looks, 240, 0},
		{"256 bytes just fit", looks, 256, 0},
		{"the rest is lost in silence", looks, 300, 44},
		{"a ring of another size", Line{Baud: baud, Poll: looks.Poll, Ring: 100}, 300, 200},
		{"576 bytes come between two looks", looks, 1000, 576 - 256 + 424 - 256},
		{"a program that always looks", Line{Baud: baud}, 1000, 0},
		{"a program that looks often", Line{Baud: baud, Poll: 10 * time.Millisecond}, 1000, 0},
		{"native USB", Line{Poll: looks.Poll}, 1000, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.line.Ring == 0 {
				test.line.Ring = 256
			}
			r := receiver{perByte: perByte(test.line.Baud), size: test.line.Ring, poll: test.line.Poll}
			sent := bytes.Repeat([]byte("0123456789"), 100)[:test.bytes]
			now := time.Unix(1000, 0)
			r.send(now, func(dst []byte) []byte { return append(dst, sent...) })
			var got []byte
			for next := r.next(); !next.IsZero(); next = r.next() {
				if next.Before(now) {
					t.Fatal("time goes back")
				}
				now = next
				got = r.read(got, now)
			}
			if r.overruns != test.lost || len(got) != test.bytes-test.lost {
				t.Errorf("%d of %d bytes read, %d lost; want %d lost", len(got), test.bytes, r.overruns, test.lost)
			}
			if !bytes.HasPrefix(got, sent[:min(len(got), test.line.Ring)]) {
				t.Errorf("read %q", got)
			}
		})
	}
}

// A machine too busy to wake up in time loses nothing that a board would not.
func TestRingDoesNotDependOnWakeUps(t *testing.T) {
	line := receiver{perByte: perByte(115200), size: 256, poll: 10 * time.Millisecond}
	now := time.Unix(1000, 0)
	line.send(now, func(dst []byte) []byte { return append(dst, make([]byte, 2000)...) })
	if got := line.read(nil, now.Add(time.Minute)); len(got) != 2000 || line.overruns != 0 {
		t.Fatalf("%d bytes read, %d lost", len(got), line.overruns)
	}
}

// What vanishes on the line has kept it busy all the same.
func TestTransmitter(t *testing.T) {
	for _, mute := range []bool{false, true} {
		tx := transmitter{perByte: perByte(115200)}
		now := time.Unix(1000, 0)
		sent := bytes.Repeat([]byte("0123456789"), 10)
		tx.load(now, func(dst []byte) []byte { return append(dst, sent...) })
		tx.mute = mute
		var got []byte
		for tx.busy() {
			now = tx.next()
			got = append(got, tx.due(now)...)
		}
		if took := now.Sub(time.Unix(1000, 0)); took != 100*tx.perByte {
			t.Errorf("100 bytes took %v", took)
		}
		if arrived := bytes.Equal(got, sent); arrived == mute || mute && len(got) > 0 {
			t.Errorf("mute=%t: %q arrived", mute, got)
		}
	}
}

func TestNoiseIsRepeatable(t *testing.T) {
	src := bytes.Repeat([]byte{0x55}, 10_000)
	damage := func(seed uint64, p float64) []byte {
		f := faults{Faults{Noise: p}, rand.New(rand.NewPCG(seed, 1))}
		return f.appendDamaged([]byte("x"), src)[1:]
	}
	if !bytes.Equal(damage(1, 0), src) {
		t.Error("without noise the bytes are others")
	}
	a := damage(1, 0.01)
	if !bytes.Equal(a, damage(1, 0.01)) || bytes.Equal(a, damage(2, 0.01)) {
		t.Error("noise depends on something else than the seed")
	}
	same := 0
	for _, c := range a {
		if c == 0x55 {
			same++
		}
	}
	if damaged := len(src) - same; damaged < 30 || damaged > 130 { // 2/3 of 100 are missing or flipped
		t.Errorf("%d of %d bytes are not there", damaged, len(src))
	}
}

// With every tenth frame lost and every thousandth byte damaged, in both
// directions, all messages arrive.
func TestFaultyLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		seen := make(map[ObservationKind]int)
		_, err := run(t, t.Context(), Config{
			Seed:    7,
			Line:    Line{Baud: 115200},
			Faults:  Faults{Loss: 0.1, Noise: 0.001},
			Program: Program{Count: 300, Topics: []Topic{{Name: "m5/t", QoS: 1, Interval: 20 * time.Millisecond}}},
			Observe: func(o Observation) { seen[o.Kind]++ },
		}, h, line)
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]bool)
		for _, data := range h.payloads(4) {
			all[data] = true
		}
		if len(all) != 300 {
			t.Errorf("%d of 300 messages arrived", len(all))
		}
		if seen[Lost] == 0 || seen[Missed] == 0 || seen[Noise] == 0 || h.noise == 0 || h.retries == 0 {
			t.Errorf("lost %d, missed %d, noise here %d and there %d, retries %d",
				seen[Lost], seen[Missed], seen[Noise], h.noise, h.retries)
		}
	})
}
