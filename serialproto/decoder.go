package serialproto

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Silence is how long a line must be quiet before unfinished console text is
// shown.
const Silence = 100 * time.Millisecond

// Decoder tells frames, console text and noise apart in the bytes that arrive
// from a serial line. It reads nothing by itself and has no clock: give it what
// arrives, and when, and ask for what it found until there is no more.
//
//	d.Feed(chunk, now)
//	for ev, ok := d.Next(); ok; ev, ok = d.Next() {
//		...
//	}
//	timer.Reset(d.Deadline() - now) // then d.Feed(nil, now), and Next again
//
// Two words help to understand it. A run is what stands between two
// delimiters; whether it is a frame is judged run by run, when it is complete.
// A burst is the part of a run that arrived between two silences; whether it
// is text is judged burst by burst. So a frame that pauses in the middle is
// still a frame, although the pause may have shown its first bytes as text;
// and garbage from a board that is reset does not hide the banner that follows.
//
// A run too long for a frame is read on in another way, up to its delimiter:
// as lines of text if it began as text (streaming), else not at all (dropping)
// until the line has been silent.
//
// What is found does not depend on how the bytes were cut into chunks. The
// zero value is ready for use. A Decoder is for one goroutine at a time.
type Decoder struct {
	// MaxFrame is the longest body accepted, in bytes. Zero and less mean
	// DefaultMaxFrame, more than 65535 means 65535. It must not change after
	// the first Feed.
	MaxFrame int

	in    []byte    // what is left of the chunk
	quiet bool      // the line was silent before the chunk
	last  time.Time // when the last byte arrived; zero if that silence is dealt with
	lines []byte    // text found and not yet returned: part of in's chunk or of buf

	// buf[:run] is the unfinished run or, while streaming, the unfinished
	// line; behind it lies the body decoded last. buf grows with what arrives,
	// never with what a peer announces.
	buf   []byte
	run   int
	burst int // where in the run the unfinished burst begins

	mode    mode
	noisy   bool // an earlier burst of this run was no text
	counted bool // streaming: this stretch of noise has been reported
}

// mode says how a Decoder reads the present run.
type mode uint8

const (
	framing   mode = iota // it may become a frame
	streaming             // it is too long for a frame and read as lines
	dropping              // it is too long for a frame and noise
)

// Feed gives the decoder a chunk of any size that arrived at now. The decoder
// reads p until Next has returned false. Feed(nil, now) says only that it is
// now; call it at the Deadline.
func (d *Decoder) Feed(p []byte, now time.Time) {
	d.in = p
	if d.mode != framing || d.run > 0 {
		d.quiet = !d.last.IsZero() && now.Sub(d.last) >= Silence
	}
	if len(p) > 0 {
		d.last = now
	} else if d.quiet {
		d.last = time.Time{}
	}
}

// Deadline returns when Feed must be called even if nothing arrives, so that
// unfinished text is shown, or the zero time if nothing waits for that. Ask for
// it when Next has returned false.
func (d *Decoder) Deadline() time.Time {
	if d.last.IsZero() || d.mode != dropping && d.run == d.burst {
		return time.Time{}
	}
	return d.last.Add(Silence)
}

// Next returns the next thing found, and false when the chunk is used up.
func (d *Decoder) Next() (Event, bool) {
	for {
		if len(d.lines) > 0 {
			return d.nextLine(), true
		}
		var ev Event
		var ok bool
		switch {
		case d.quiet:
			ev, ok = d.silence()
		case len(d.in) == 0:
			return Event{}, false
		case d.mode == framing:
			ev, ok = d.frame()
		case d.mode == streaming:
			ev, ok = d.stream()
		default:
			d.drop()
		}
		if ok {
			return ev, true
		}
	}
}

// nextLine takes one line, or the piece at the end, from lines.
func (d *Decoder) nextLine() Event {
	line := d.lines
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	d.lines = d.lines[len(line):]
	return Event{Text, line}
}

// limit returns the longest run that can be a frame.
func (d *Decoder) limit() int {
	n := d.MaxFrame
	if n <= 0 {
		n = DefaultMaxFrame
	}
	return stuffedLen(min(n, MaxFrame) + crcLen)
}

// frame reads on in a run that may be a frame.
func (d *Decoder) frame() (Event, bool) {
	limit := d.limit()
	i := bytes.IndexByte(d.in, Delimiter)
	if d.run == 0 && 0 <= i && i <= limit { // the whole run at once, not copied
		run := d.in[:i]
		d.in = d.in[i+1:]
		return d.judge(run)
	}
	n := i
	if i < 0 {
		n = len(d.in)
	}
	if d.run+n > limit {
		n = limit - d.run
		d.keep(n)
		return d.overflow()
	}
	d.keep(n)
	if i < 0 {
		return Event{}, false
	}
	d.in = d.in[1:]
	return d.judge(d.buf[:d.run])
}

// keep moves n bytes from the chunk to the run.
func (d *Decoder) keep(n int) {
	d.buf = append(d.buf[:d.run], d.in[:n]...)
	d.run = len(d.buf)
	d.in = d.in[n:]
}

// judge says what a complete run is. The body of a frame is decoded behind the
// run, which is still needed if it turns out to be none.
func (d *Decoder) judge(run []byte) (Event, bool) {
	if len(run) == 0 {
		return Event{}, false // the delimiters of two frames
	}
	kind, body := d.decode(run)
	burst, noisy := run[d.burst:], d.noisy
	d.run, d.burst, d.noisy = 0, 0, false
	if kind == Frame {
		return Event{Frame, body}, true
	}
	if n, ok := textLen(burst); ok && n == len(burst) {
		d.lines = burst
	} else {
		noisy = true
	}
	return Event{kind, run}, noisy
}

// decode tries run as a frame and returns its body, or what is wrong with it.
func (d *Decoder) decode(run []byte) (Kind, []byte) {
	buf, ok := appendUnstuffed(d.buf[:d.run], run)
	d.buf = buf
	if !ok {
		return BadCOBS, nil
	}
	body := buf[d.run:]
	if len(body) <= crcLen {
		return Short, nil
	}
	body, crc := body[:len(body)-crcLen], body[len(body)-crcLen:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(crc) {
		return BadCRC, nil
	}
	return Frame, body
}
