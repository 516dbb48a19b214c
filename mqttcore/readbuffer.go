package mqttcore

import "github.com/umqttd/umqttd/mqttcore/packet"

// idleRead is the size of the buffer that an idle connection waits with.
const idleRead = 128

// readBuffer cuts a byte stream into packets. It waits with a few bytes, takes
// a pooled buffer when those run full, and grows further as bytes come, never
// from the length that a packet names.
type readBuffer struct {
	own  [idleRead]byte
	big  []byte // in use instead of own, unless nil
	r, w int    // unread bytes are buf[r:w]
}

func (b *readBuffer) buf() []byte {
	if b.big != nil {
		return b.big
	}
	return b.own[:]
}

// space returns where to read into. It is never empty.
func (b *readBuffer) space() []byte {
	buf := b.buf()
	if b.r > 0 {
		b.w = copy(buf, buf[b.r:b.w])
		b.r = 0
	}
	if b.w == len(buf) {
		bigger := getBuffer(max(smallBuffer, 2*len(buf)))
		copy(bigger, buf)
		b.replace(bigger)
	}
	return b.buf()[b.w:]
}

// filled notes that n bytes were read into space.
func (b *readBuffer) filled(n int) { b.w += n }

// next returns the next whole packet, of at most limit bytes, or nil. It is
// valid until space is called.
func (b *readBuffer) next(limit int) ([]byte, error) {
	n, err := packet.Size(b.buf()[b.r:b.w], limit)
	if n == 0 || err != nil || n > b.w-b.r {
		return nil, err
	}
	p := b.buf()[b.r : b.r+n : b.r+n]
	b.r += n
	return p, nil
}

// rest gives memory back once all was taken, if the last read, of n bytes,
// would have done without it.
func (b *readBuffer) rest(n int) {
	if b.r == b.w {
		b.r, b.w = 0, 0
		if n < idleRead && b.big != nil {
			b.replace(nil)
		}
	}
}

func (b *readBuffer) replace(buf []byte) {
	if b.big != nil {
		putBuffer(b.big)
	}
	b.big = buf
}
