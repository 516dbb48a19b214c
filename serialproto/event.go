package serialproto

// Kind says what a Decoder found. Every kind but Frame and Text is noise: bytes
// that are neither, or a frame that was damaged on the way. The two cannot be
// told apart; the kinds of noise say what was wrong with the bytes as a frame.
type Kind uint8

const (
	// Frame is a frame whose COBS decodes and whose CRC fits.
	Frame Kind = iota
	// Text is console text: one line, or a piece of one.
	Text
	// Short is noise that decodes, but to no more than a CRC.
	Short
	// BadCOBS is noise that is no COBS encoding.
	BadCOBS
	// BadCRC is noise that decodes, but whose CRC does not fit.
	BadCRC
	// Oversize is noise longer than the longest frame. It is reported once,
	// when it has become too long; the rest is dropped up to the delimiter.
	Oversize
)

// String returns the word for k in logs and, for noise, in the reason label of
// metrics.
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

// Noise reports whether k is neither a frame nor text.
func (k Kind) Noise() bool { return k > Text }

// Event is one thing that a Decoder found on the line.
type Event struct {
	Kind Kind

	// Body is the message in a Frame. For Text it is one line with its line
	// feed; without one, a piece of a line that more may follow. For noise it
	// is the raw bytes, for Oversize as many as were kept. It is valid until
	// the next call of Next or Feed.
	Body []byte
}
