package serialproto

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// silence deals with a burst that has ended because the line went quiet: what
// is text is shown, and all of it is kept in case the run becomes a frame.
func (d *Decoder) silence() (Event, bool) {
	d.quiet = false
	switch d.mode {
	case dropping:
		// What follows may be a console. If it is not, it is still the same
		// noise, which has been reported.
		d.mode, d.counted = streaming, true
		return Event{}, false
	case streaming:
		return d.line(false)
	}
	burst := d.buf[d.burst:d.run]
	n, ok := textLen(burst)
	if !ok {
		d.noisy = true
		n = len(burst)
	} else {
		d.lines = burst[:n]
	}
	d.burst += n
	return Event{}, false
}

// overflow deals with a run that has become too long for a frame.
func (d *Decoder) overflow() (Event, bool) {
	run, burst, noisy := d.buf[:d.run], d.buf[d.burst:d.run], d.noisy
	d.noisy = false
	_, ok := textLen(burst)
	if !ok {
		d.mode = dropping
		d.run, d.burst = 0, 0
		return Event{Oversize, run}, true
	}
	whole := bytes.LastIndexByte(burst, '\n') + 1
	d.mode, d.counted = streaming, noisy && whole == 0
	d.lines = burst[:whole]
	d.burst += whole
	return Event{Oversize, run}, noisy
}

// stream reads on in a run that is too long for a frame, up to the end of a
// line, to the delimiter, or until the line is as long as a run may be.
func (d *Decoder) stream() (Event, bool) {
	d.run = copy(d.buf, d.buf[d.burst:d.run])
	d.burst = 0
	n := len(d.in)
	if i := bytes.IndexByte(d.in, Delimiter); i >= 0 {
		n = i
	}
	if i := bytes.IndexByte(d.in[:n], '\n'); i >= 0 {
		n = i + 1
	}
	room := d.limit() - d.run
	d.keep(min(n, room))
	switch {
	case n > room:
		return d.line(false)
	case n > 0 && d.buf[d.run-1] == '\n':
		return d.line(true)
	case len(d.in) > 0: // the delimiter
		d.in = d.in[1:]
		ev, ok := d.line(true)
		d.mode, d.run, d.burst = framing, 0, 0
		return ev, ok
	}
	return Event{}, false
}

// line judges the streamed line, or the piece of one, that has arrived. At its
// end nothing may be left of it; before, a character may be incomplete.
func (d *Decoder) line(end bool) (Event, bool) {
	line := d.buf[d.burst:d.run]
	n, ok := textLen(line)
	if ok && (n == len(line) || !end) {
		d.lines = line[:n]
		d.burst += n
		d.counted = d.counted && n == 0
		return Event{}, false
	}
	d.burst = d.run
	report := !d.counted
	d.counted = true
	return Event{Oversize, line}, report
}

// drop skips noise up to the delimiter.
func (d *Decoder) drop() {
	i := bytes.IndexByte(d.in, Delimiter)
	if i < 0 {
		d.in = nil
		return
	}
	d.in = d.in[i+1:]
	d.mode = framing
}

// textLen reports whether b is console text, and how many bytes of it are
// whole characters: the last one may still be on its way.
//
// Console text is UTF-8 without control characters, save CR, LF, TAB and ESC.
func textLen(b []byte) (n int, ok bool) {
	for n < len(b) {
		if c := b[n]; c < utf8.RuneSelf {
			if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\x1b' || c == '\x7f' {
				return n, false
			}
			n++
			continue
		}
		if !utf8.FullRune(b[n:]) {
			return n, true
		}
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size == 1 || r < 0xA0 { // U+0080 to U+009F are controls
			return n, false
		}
		n += size
	}
	return n, true
}

// AppendPrintable appends text so that it is safe in a log and on a terminal,
// whoever wrote it: every control byte, every byte that is not UTF-8 and every
// character that does not show is escaped as in a Go string literal, like
// \x1b or \u202e. A line ending at the end of text is left out. A backslash
// stays a single one.
func AppendPrintable(dst, text []byte) []byte {
	text = bytes.TrimSuffix(text, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\x`...)
			dst = append(dst, hexDigits[text[0]>>4], hexDigits[text[0]&15])
		case unicode.IsPrint(r):
			dst = append(dst, text[:size]...)
		default:
			q := strconv.AppendQuoteRuneToASCII(dst, r) // 'x', escaped
			dst = append(q[:len(dst)], q[len(dst)+1:len(q)-1]...)
		}
		text = text[size:]
	}
	return dst
}

const hexDigits = "0123456789abcdef"
