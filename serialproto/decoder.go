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

// Kind says what a Decoder found.
type Kind uint8

const (
	// Frame is a frame whose COBS decodes and whose CRC fits.
	Frame Kind = iota
	// Text is console text: one line, or a piece of one.
	Text
	// Short is noise with too few bytes to be a frame.
	Short
	// BadCOBS is noise, or a frame damaged so that its COBS does not decode.
	BadCOBS
	// BadCRC is noise, or a damaged frame, that decodes but whose CRC is wrong.
	BadCRC
	// Oversize is noise, or a frame, longer than the longest frame. It is
	// reported when it has become too long, and dropped up to the delimiter.
	Oversize
)

// String returns the word used for k in logs and as the metrics' reason label.
func (k Kind) String() string {
	switch k {
	case Frame:
		return "frame"
	case Text:
		return "text"
	case Short:
		return "short"
	case BadCOBS:
		return "cobs"
	case BadCRC:
		return "crc"
	case Oversize:
		return "oversize"
	}
	return "unknown"
}

// Event is one thing that a Decoder found on the line.
type Event struct {
	Kind Kind

	// Body is, for a Frame, the message in it. For Text it is one line with
	// its line feed, or, when it does not end in a line feed, a piece of one.
	// For noise it is the raw bytes, as far as they were kept. It is valid
	// until the next call of Feed or Next.
	Body []byte
}

// Decoder tells frames, console text and noise apart in the bytes that arrive
// from a serial line. It has no clock and reads nothing by itself: give what
// arrives to Feed, then call Next until it has no more.
//
//	d.Feed(chunk, now)
//	for ev, ok := d.Next(); ok; ev, ok = d.Next() {
//		...
//	}
//
// The zero value is ready for use. A Decoder is for one goroutine.
type Decoder struct {
	// MaxFrame is the longest body accepted, in bytes; zero means
	// DefaultMaxFrame, and more than 65535 counts as 65535. It must not change after the first Feed.
	MaxFrame int

	in   []byte    // what is left of the chunk being decoded
	last time.Time // when the last byte arrived

	// buf holds the unfinished run and, behind it, the body decoded last. It
	// grows with what arrives, never with what a peer announces.
	buf []byte
	run int // length of the unfinished run
}

// Feed gives the decoder a chunk of any size that arrived at now. The decoder
// keeps p until Next has returned false. With no bytes Feed only says that it
// is now.
func (d *Decoder) Feed(p []byte, now time.Time) {
	d.in = p
	if len(p) > 0 {
		d.last = now
	}
}

// Next returns the next thing found, and false when the chunk is used up.
func (d *Decoder) Next() (Event, bool) {
	for len(d.in) > 0 {
		i := bytes.IndexByte(d.in, Delimiter)
		if i < 0 {
			d.buf = append(d.buf[:d.run], d.in...)
			d.run = len(d.buf)
			d.in = nil
			return Event{}, false
		}
		run := d.in[:i]
		d.in = d.in[i+1:]
		if d.run > 0 {
			d.buf = append(d.buf[:d.run], run...)
			d.run = len(d.buf)
			run = d.buf
		}
		if len(run) == 0 {
			continue
		}
		ev := d.decode(run)
		d.run = 0
		return ev, true
	}
	return Event{}, false
}

// Deadline returns when Feed must be called again even if nothing arrives, or
// the zero time if there is no need.
func (d *Decoder) Deadline() time.Time {
	return time.Time{}
}

// decode judges a complete run.
func (d *Decoder) decode(run []byte) Event {
	buf, ok := appendUnstuffed(d.buf[:d.run], run)
	d.buf = buf
	if !ok {
		return Event{BadCOBS, run}
	}
	body := buf[d.run:]
	if len(body) <= crcLen {
		return Event{Short, run}
	}
	body, crc := body[:len(body)-crcLen], body[len(body)-crcLen:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(crc) {
		return Event{BadCRC, run}
	}
	return Event{Frame, body}
}
