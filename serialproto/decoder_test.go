package serialproto

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// line is a script: what arrives, what is found, and when the decoder wants to
// be asked again.
type line struct {
	t   *testing.T
	d   Decoder
	now time.Time
}

func newLine(t *testing.T) *line { return &line{t: t, now: time.Unix(1000, 0)} }

// feed says what arrives now.
func (l *line) feed(s string) { l.d.Feed([]byte(s), l.now) }

// pass lets time go by, and wakes the decoder if it has asked for it.
func (l *line) pass(d time.Duration) {
	l.now = l.now.Add(d)
	if due := l.d.Deadline(); !due.IsZero() && !l.now.Before(due) {
		l.d.Feed(nil, l.now)
	}
}

// want says what is found: kinds, and for text and frames the bytes.
func (l *line) want(what string, events ...string) {
	l.t.Helper()
	var got []string
	for ev, ok := l.d.Next(); ok; ev, ok = l.d.Next() {
		if ev.Kind.Noise() {
			got = append(got, ev.Kind.String())
		} else {
			got = append(got, ev.Kind.String()+" "+string(ev.Body))
		}
	}
	if !slices.Equal(got, events) {
		l.t.Errorf("%s: found %q, want %q", what, got, events)
	}
}

// wantIdle says that the decoder waits for bytes and for nothing else.
func (l *line) wantIdle(what string) {
	l.t.Helper()
	if due := l.d.Deadline(); !due.IsZero() {
		l.t.Errorf("%s: woken in %v, want never", what, due.Sub(l.now))
	}
}

// wantWake says that the decoder is to be woken after d.
func (l *line) wantWake(what string, d time.Duration) {
	l.t.Helper()
	if due := l.d.Deadline(); !due.Equal(l.now.Add(d)) {
		l.t.Errorf("%s: woken in %v, want %v", what, due.Sub(l.now), d)
	}
}

func TestTextIsShownAfterSilence(t *testing.T) {
	l := newLine(t)
	l.wantIdle("nothing has arrived")
	l.feed("hello ")
	l.want("the line is not finished")
	l.wantWake("and is shown after a silence", Silence)
	l.pass(60 * time.Millisecond)
	l.feed("world")
	l.want("still not finished")
	l.wantWake("the silence begins anew", Silence)
	l.pass(99 * time.Millisecond)
	l.want("99 ms are not enough")
	l.pass(time.Millisecond)
	l.want("100 ms are", "text hello world")
	l.wantIdle("all is shown")
	l.pass(time.Hour)
	l.feed("!\n")
	l.want("a burst of its own")
	l.pass(Silence)
	l.want("without what was shown before", "text !\n")
}

func TestSilenceIsSeenWithoutWaking(t *testing.T) {
	l := newLine(t)
	l.feed("one")
	l.want("not finished")
	l.now = l.now.Add(Silence)
	l.feed("two\x00")
	l.want("the next chunk tells that there was a silence", "text one", "text two")
}

func TestPausedFrameIsAFrame(t *testing.T) {
	body := "!" + strings.Repeat("~", 40) + "\x00done"
	frame := string(AppendFrame(nil, []byte(body)))
	l := newLine(t)
	l.feed(frame[:10])
	l.want("half a frame is nothing")
	l.pass(Silence)
	l.want("it looks like text", "text "+frame[1:10])
	l.wantIdle("the half that was shown waits for no time-out")
	l.pass(time.Hour)
	l.feed(frame[10:])
	l.want("an hour later it is a frame, and nothing is shown twice", "frame "+body)
	l.wantIdle("nothing is left of it")
}

func TestPausedDamagedFrameIsNotShownAsText(t *testing.T) {
	frame := string(AppendFrame(nil, []byte("\x07\x0c\x20 broken \x80\x81")))
	l := newLine(t)
	l.feed(frame[:6])
	l.want("half a frame is nothing")
	l.pass(Silence)
	l.want("binary is no text")
	l.wantIdle("it was judged")
	l.feed(frame[7:])
	l.want("a byte is missing: noise, once", "cobs")
	l.feed(frame)
	l.want("the next frame is whole", "frame \x07\x0c\x20 broken \x80\x81")
}

func TestHalfCharacterDoesNotWakeForEver(t *testing.T) {
	l := newLine(t)
	l.feed("caf\xc3")
	l.want("not finished")
	l.pass(Silence)
	l.want("what is whole is shown", "text caf")
	l.wantIdle("only a byte helps with the rest")
	l.feed("\xa9\x00")
	l.want("and here it is", "text é")
}

func TestOversizeNoiseWakesOnceASilence(t *testing.T) {
	l := newLine(t)
	l.feed(strings.Repeat("\x80", 5000))
	l.want("reported when it is too long", "oversize")
	l.wantWake("after a silence a console may begin", Silence)
	l.pass(Silence)
	l.want("but nothing has")
	l.wantIdle("one silence is enough")
	l.feed(strings.Repeat("\x80", 5000))
	l.want("the same noise goes on")
	l.feed("\x00still here\n\x00")
	l.want("a delimiter ends it", "text still here\n")
}

func TestConsoleWithoutDelimiters(t *testing.T) {
	l := newLine(t)
	var want, got []string
	for i := range 1000 {
		s := strings.Repeat("x", i%97) + "\n"
		want = append(want, "text "+s)
		l.feed(s)
		for ev, ok := l.d.Next(); ok; ev, ok = l.d.Next() {
			got = append(got, ev.Kind.String()+" "+string(ev.Body))
		}
	}
	if len(want)-len(got) > 40 {
		t.Errorf("of %d lines printed without a pause only %d are shown", len(want), len(got))
	}
	l.pass(Silence)
	for ev, ok := l.d.Next(); ok; ev, ok = l.d.Next() {
		got = append(got, ev.Kind.String()+" "+string(ev.Body))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines shown, %d printed, or not the same", len(got), len(want))
	}
}

func TestLongLineIsCutBetweenCharacters(t *testing.T) {
	l := newLine(t)
	l.d.MaxFrame = 20 // the longest run has 25 bytes
	l.feed(strings.Repeat("é", 20) + "\x00")
	l.want("24 bytes, not 25", "text "+strings.Repeat("é", 12), "text "+strings.Repeat("é", 8))
}

func TestNoiseInAStreamedConsole(t *testing.T) {
	l := newLine(t)
	l.d.MaxFrame = 20
	l.feed("a line of console text that is too long\nok\n\x80\n\x81\x82\nok\n\x83\n\x84 and a long, long line\n")
	l.want("noise is reported once between two lines of text",
		"text a line of console text th", "text at is too long\n", "text ok\n", "oversize", "text ok\n", "oversize")
}

func TestNoiseBeforeAStreamedConsole(t *testing.T) {
	l := newLine(t)
	l.d.MaxFrame = 20
	l.feed("\x80\x81")
	l.want("no delimiter yet")
	l.pass(Silence)
	l.want("noise waits for what it will be")
	l.feed("a\nand a line of console text that is too long\n")
	l.want("it was not a frame", "oversize", "text a\n", "text and a line of console tex", "text t that is too long\n")
}

func TestSameNoiseIsNotCountedTwice(t *testing.T) {
	l := newLine(t)
	l.d.MaxFrame = 20
	l.feed("\x80")
	l.want("no delimiter yet")
	l.pass(Silence)
	l.want("noise waits for what it will be")
	l.feed(strings.Repeat("x", 24) + "\xff\n")
	l.want("the line is noise too, and no text came between", "oversize", "text \n")

	l = newLine(t)
	l.feed(strings.Repeat("\x80", 5000))
	l.want("reported when it is too long", "oversize")
	l.pass(Silence)
	l.want("but no text has begun")
	l.feed("\xc3")
	l.want("half a character may be text")
	l.pass(Silence)
	l.want("or not")
	l.feed("\xff\n")
	l.want("it was not, but the same noise as before")
}

func TestTextBetweenNoiseSeparatesIt(t *testing.T) {
	l := newLine(t)
	l.d.MaxFrame = 20
	l.feed("\x80")
	l.want("no delimiter yet")
	l.pass(Silence)
	l.want("noise waits for what it will be")
	l.feed("ok\n" + strings.Repeat("x", 21) + "\xff\n")
	l.want("a line came between", "oversize", "text ok\n", "oversize")
}

func TestMaxFrame(t *testing.T) {
	for _, c := range []struct{ configured, longest int }{
		{0, DefaultMaxFrame}, {-1, DefaultMaxFrame}, {64, 64}, {MaxFrame, MaxFrame}, {1 << 30, MaxFrame},
	} {
		fits, tooLong := bytes.Repeat([]byte{'a'}, c.longest), bytes.Repeat([]byte{0x80}, c.longest+1)
		d := Decoder{MaxFrame: c.configured}
		got := listen(&d, [][]byte{AppendFrame(nil, fits), AppendFrame(nil, tooLong), AppendFrame(nil, fits)}, 4096)
		if len(got) != 3 || got[0] != (found{Frame, string(fits)}) || got[1].kind != Oversize || got[2] != got[0] {
			t.Errorf("MaxFrame %d: found %v, want a frame of %d bytes, oversize, the frame again", c.configured, got, c.longest)
		}
	}
}

// The buffer grows with what arrives, up to twice the longest frame and what
// append adds to that.
func TestMemoryIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var small Decoder
	listen(&small, [][]byte{AppendFrame(nil, []byte("small"))}, 3)
	if cap(small.buf) > 64 {
		t.Errorf("a small frame takes a buffer of %d bytes", cap(small.buf))
	}
	d := Decoder{MaxFrame: 1000}
	for range 200 {
		play(r, &d, chatter(r, 5000))
		play(r, &d, AppendFrame(nil, randomBody(r, 1000, 100)))
	}
	if cap(d.buf) > 3000 {
		t.Errorf("frames of 1000 bytes take a buffer of %d bytes", cap(d.buf))
	}
}

func TestDecoderDoesNotAllocate(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var stream []byte
	for range 50 {
		stream = append(stream, chatter(r, DefaultMaxFrame)...)
		stream = append(stream, AppendFrame(nil, randomBody(r, r.IntN(DefaultMaxFrame), 30))...)
	}
	var d Decoder
	now := time.Unix(1000, 0)
	run := func() {
		for chunk := range slices.Chunk(stream, 100) {
			d.Feed(chunk, now)
			for _, ok := d.Next(); ok; _, ok = d.Next() {
			}
			now = now.Add(3 * time.Millisecond)
		}
	}
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("Decoder allocates %v times for %d bytes", n, len(stream))
	}
}
