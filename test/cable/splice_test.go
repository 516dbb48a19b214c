package cable

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/test/patience"
)

// openPath opens a pty as a program does.
func openPath(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { _ = f.Close() })
	if err := f.SetDeadline(time.Now().Add(patience.Limit)); err != nil {
		t.Fatal(err)
	}
	return f
}

// spliced returns both ends of a splice.
func spliced(t *testing.T) (s *Splice, gateway, board *os.File) {
	t.Helper()
	c := New(t)
	s = NewSplice(t, c)
	return s, open(t, c), openPath(t, s.BoardPath())
}

func write(t *testing.T, f *os.File, p []byte) {
	t.Helper()
	if _, err := f.Write(p); err != nil {
		t.Fatal(err)
	}
}

// TestSplice passes every byte both ways as it is, in order and more than any buffer holds.
func TestSplice(t *testing.T) {
	_, gateway, board := spliced(t)
	const times = 500
	for _, ends := range [][2]*os.File{{gateway, board}, {board, gateway}} {
		sent := make(chan error, 1)
		go func() {
			var err error
			for range times {
				if _, e := ends[0].Write(every()); e != nil {
					err = e
				}
			}
			sent <- err
		}()
		if got := readFull(t, ends[1], 256*times); !bytes.Equal(got, bytes.Repeat(every(), times)) {
			t.Error("what came is not what was sent")
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

// TestSpliceReplug lets the gateway's end be unplugged, and the board's program be another.
func TestSpliceReplug(t *testing.T) {
	c := New(t)
	s := NewSplice(t, c)
	first := openPath(t, s.BoardPath())
	gateway := open(t, c)
	write(t, gateway, []byte("stale"))
	patience.Wait(t, "it has arrived", func() bool { return s.Unread() == 5 })
	_ = first.Close()
	c.Unplug()
	c.Plug()
	gateway = open(t, c)
	second := openPath(t, s.BoardPath())
	if got := readFull(t, second, 5); string(got) != "stale" {
		t.Errorf("the second program read %q", got)
	}
	write(t, gateway, []byte("stale"))
	patience.Wait(t, "it has arrived", func() bool { return s.Unread() == 5 })
	_ = second.Close()
	s.Flush()
	third := openPath(t, s.BoardPath())
	write(t, gateway, []byte("down"))
	if got := readFull(t, third, 4); string(got) != "down" {
		t.Errorf("the third program read %q", got)
	}
	write(t, third, []byte("up"))
	if got := readFull(t, gateway, 2); string(got) != "up" {
		t.Errorf("the gateway read %q", got)
	}
}

// TestSpliceNoise disturbs one direction and not the other, the same with the same seed.
func TestSpliceNoise(t *testing.T) {
	s, gateway, board := spliced(t)
	in := bytes.Repeat([]byte("abcdefgh"), 125)
	pass := func(from, to *os.File) []byte {
		before := s.Faults()
		write(t, from, in)
		write(t, from, []byte{0xfe}) // which no flip makes of another
		got := readFull(t, to, len(in)+1)
		if same := bytes.Equal(got[:len(in)], in); same != (s.Faults() == before) {
			t.Errorf("%d faults; the same bytes came: %v", s.Faults()-before, same)
		}
		return got
	}
	for _, up := range []bool{true, false} {
		from, to, noise := gateway, board, [2]Noise{{}, {Flip: 0.1}}
		if up {
			from, to, noise = board, gateway, [2]Noise{{Flip: 0.1}, {}}
		}
		s.Disturb(noise[0], noise[1])
		s.Seed(7)
		first := pass(from, to)
		s.Seed(7)
		again := pass(from, to)
		s.Seed(8)
		if other := pass(from, to); !bytes.Equal(first, again) || bytes.Equal(first, other) || bytes.Equal(first[:len(in)], in) {
			t.Errorf("up %v: the seed does not decide", up)
		}
		before := s.Faults()
		if back := pass(to, from); !bytes.Equal(back[:len(in)], in) || s.Faults() != before {
			t.Errorf("up %v: the other direction is disturbed too", up)
		}
	}
}

// TestLostFrames loses frames as a whole, and no other bytes, however they are cut.
func TestLostFrames(t *testing.T) {
	const frames = 1000
	var in []byte
	for i := range frames {
		in = serialproto.AppendFrame(in, []byte{4, 2, byte(i >> 8), byte(i)})
	}
	var results [][]byte
	for _, size := range []int{len(in), 1, 7} {
		d := disturbance{Noise: Noise{Frame: 0.1}}
		var got []byte
		for chunk := range slices.Chunk(in, size) {
			got = append(got, d.pass(chunk)...)
		}
		results = append(results, got)
		arrived := 0
		for run := range bytes.SplitSeq(got, []byte{0}) {
			if len(run) > 0 {
				arrived++
				if !bytes.Contains(in, slices.Concat([]byte{0}, run, []byte{0})) {
					t.Errorf("% x was not sent", run)
				}
			}
		}
		if d.faults < frames*5/100 || d.faults > frames*15/100 || arrived != frames-d.faults || bytes.Count(got, []byte{0}) != 2*frames {
			t.Errorf("%d frames of %d came, %d were lost", arrived, frames, d.faults)
		}
	}
	if !bytes.Equal(results[0], results[1]) || !bytes.Equal(results[0], results[2]) {
		t.Error("how the bytes are cut matters")
	}
}

// TestPace takes 10 bits a byte, both ways at once and from the first byte to the last, however they are written.
func TestPace(t *testing.T) {
	const baud, total = 115200, 5760 // half a second
	s, gateway, board := spliced(t)
	s.Pace(baud)
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range total / 64 {
			_, _ = board.Write(make([]byte, 64))
		}
	}()
	write(t, gateway, make([]byte, total))
	for _, f := range []*os.File{gateway, board} {
		readFull(t, f, total/2)
		if took := time.Since(began); took < airtime(total/2, baud) {
			t.Errorf("half of it took %v, the wire needs %v", took, airtime(total/2, baud))
		}
		readFull(t, f, total/2)
		if took := time.Since(began); took < airtime(total, baud) {
			t.Errorf("all of it took %v, the wire needs %v", took, airtime(total, baud))
		}
	}
	<-done
}

// TestSchedule holds that the wire does not drift: lateness of the one who looks adds up to nothing.
func TestSchedule(t *testing.T) {
	var out []byte
	w := &wire{baud: 1000, out: func(p []byte) { out = append(out, p...) }}
	start := time.Now()
	for i := range 10 {
		w.take(make([]byte, 10), start.Add(time.Duration(i)*time.Millisecond)) // each takes 100 ms
	}
	for _, at := range []struct{ ms, want int }{{9, 0}, {10, 1}, {25, 2}, {995, 99}, {1000, 100}} {
		w.deliver(start.Add(time.Duration(at.ms) * time.Millisecond))
		if len(out) != at.want || w.queued != 100-at.want {
			t.Errorf("after %d ms %d bytes have come and %d are queued, want %d", at.ms, len(out), w.queued, at.want)
		}
	}
	out = nil
	w.take(make([]byte, 10), start.Add(5*time.Second))
	if w.deliver(start.Add(5*time.Second + 99*time.Millisecond)); len(out) != 9 {
		t.Errorf("%d bytes have come, want 9", len(out))
	}
}

// TestDelay delays one direction and not the other.
func TestDelay(t *testing.T) {
	s, gateway, board := spliced(t)
	const delay = 100 * time.Millisecond
	for i, delays := range [][2]time.Duration{{delay, 0}, {0, delay}} {
		s.Delay(delays[0], delays[1])
		for j, ends := range [][2]*os.File{{board, gateway}, {gateway, board}} {
			began := time.Now()
			write(t, ends[0], []byte("word"))
			readFull(t, ends[1], 4)
			if took := time.Since(began); took < delays[j] {
				t.Errorf("%d: what is delayed by %v took %v", i, delays[j], took)
			}
		}
	}
}

// TestDelayEnds keeps the order when the delay becomes less, and does not slow the wire down.
func TestDelayEnds(t *testing.T) {
	var out []byte
	w := &wire{baud: 1000, delay: time.Second, out: func(p []byte) { out = append(out, p...) }}
	start := time.Now()
	w.take([]byte("ab"), start)
	w.take([]byte("cd"), start)
	w.delay = 0
	w.take([]byte("ef"), start)
	for _, at := range []struct {
		ms   int
		want string
	}{{1009, ""}, {1010, "a"}, {1040, "abcd"}, {1060, "abcdef"}} {
		w.deliver(start.Add(time.Duration(at.ms) * time.Millisecond))
		if string(out) != at.want {
			t.Errorf("after %d ms %q has come, want %q", at.ms, out, at.want)
		}
	}
}

// TestOverrun loses what a board has no room for, and nothing when it reads.
func TestOverrun(t *testing.T) {
	s, gateway, board := spliced(t)
	const room = 100
	s.Buffer(room)
	in := every()
	write(t, gateway, in[:60])
	patience.Wait(t, "60 bytes have arrived", func() bool { return s.Unread() == 60 })
	write(t, gateway, in[60:])
	patience.Wait(t, "the rest has arrived", func() bool { return s.Unread() == room })
	patience.Wait(t, "what did not fit is counted", func() bool { return s.Lost() == len(in)-room })
	if got := readFull(t, board, room); !bytes.Equal(got, in[:room]) {
		t.Errorf("the board read % x", got)
	}
	for i := range 10 { // as much at a time as fits
		write(t, gateway, in[:room])
		if got := readFull(t, board, room); !bytes.Equal(got, in[:room]) {
			t.Errorf("%d: the board read % x", i, got)
		}
	}
	if s.Lost() != len(in)-room {
		t.Errorf("%d bytes are lost, want %d", s.Lost(), len(in)-room)
	}
	s.Buffer(0)
	write(t, gateway, bytes.Repeat(in, 8))
	readFull(t, board, 8*len(in))
}

// TestNobodyReadsThere holds that a board that is off holds nobody up, and that what it does not take is counted.
func TestNobodyReadsThere(t *testing.T) {
	s, gateway, _ := spliced(t)
	patience.Wait(t, "the board's pty is full", func() bool {
		write(t, gateway, make([]byte, 4096))
		return s.Lost() > 0
	})
}

// TestText puts text between two frames, and not into one that is on its way.
func TestText(t *testing.T) {
	s, gateway, board := spliced(t)
	s.Text("boot\n")
	if got := readFull(t, gateway, 5); string(got) != "boot\n" {
		t.Errorf("the gateway read %q", got)
	}
	frame := "\x00abc\x00"
	write(t, board, []byte(frame[:2]))
	if got := readFull(t, gateway, 2); string(got) != frame[:2] {
		t.Fatalf("the gateway read %q", got)
	}
	s.Text("text")
	s.Text("more")
	write(t, board, []byte(frame[2:]+frame))
	want := frame[2:] + "textmore" + frame
	if got := readFull(t, gateway, len(want)); string(got) != want {
		t.Errorf("the gateway read %q, want %q", got, want)
	}
	s.Text("end")
	if got := readFull(t, gateway, 3); string(got) != "end" {
		t.Errorf("the gateway read %q", got)
	}
}

// TestGaps holds that no frame becomes part of a text, whatever the board does with its delimiters and prints itself.
func TestGaps(t *testing.T) {
	for _, stream := range []string{
		"\x00a\x00\x00b\x00\x00c\x00", "\x00a\x00b\x00c\x00", "\x00a\x00print\x00b\x00\x00c\x00", "rest\x00\x00a\x00\x00\x00b\x00\x00c\x00", "a\x00\x00b\x00print\x00c\x00d\x00",
	} {
		for _, size := range []int{1, 2, 3, len(stream)} {
			var g gaps
			var got []byte
			said := 0
			for chunk := range slices.Chunk([]byte(stream), size) {
				out, left := g.fill(chunk, []string{"TEXT"})
				said += 1 - len(left)
				got = append(got, out...)
			}
			runs := strings.FieldsFunc(string(got), func(r rune) bool { return r == 0 })
			runs = slices.DeleteFunc(runs, func(run string) bool { return strings.Trim(run, "TEX") == "" })
			want := strings.FieldsFunc(stream, func(r rune) bool { return r == 0 })
			if !slices.Equal(runs, want) || said == 0 {
				t.Errorf("%q by %d became %q", stream, size, got)
			}
		}
	}
}
