package serialproto

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// blockMax is the number of data bytes in a full COBS block. Its code byte is
// 0xFF and, unlike every other code, implies no zero after the block.
const blockMax = 254

// cobsWriter appends the COBS encoding of a byte string that arrives in
// pieces, so that a body and its CRC need not be joined first.
type cobsWriter struct {
	dst  []byte
	code int // index in dst of the open block's code byte
}

// startCOBS opens the first block behind dst.
func startCOBS(dst []byte) cobsWriter {
	return cobsWriter{dst: append(dst, 0), code: len(dst)}
}

// write appends the encoding of src. It copies as much as the open block can
// take and then turns every zero among the copied bytes into the code byte of
// a block of its own, which is what COBS comes to while no block is full.
func (w *cobsWriter) write(src []byte) {
	dst, code := w.dst, w.code
	for len(src) > 0 {
		room := blockMax - (len(dst) - code - 1)
		if room == 0 {
			dst[code] = blockMax + 1
			code = len(dst)
			dst = append(dst, 0)
			room = blockMax
		}
		next := len(dst)
		n := min(len(src), room)
		dst = append(dst, src[:n]...)
		src = src[n:]
		for ; next+8 <= len(dst); next += 8 {
			word := binary.LittleEndian.Uint64(dst[next:])
			for z := zeroBytes(word); z != 0; z &= z - 1 {
				i := next + bits.TrailingZeros64(z)/8
				dst[code] = byte(i - code)
				code = i
			}
		}
		for ; next < len(dst); next++ {
			if dst[next] == 0 {
				dst[code] = byte(next - code)
				code = next
			}
		}
	}
	w.dst, w.code = dst, code
}

// zeroBytes returns the top bit of every byte of word that is zero.
func zeroBytes(word uint64) uint64 {
	const low7 = 0x7f7f7f7f7f7f7f7f
	return ^((word&low7 + low7) | word | low7)
}

// finish closes the last block and returns the whole of dst. A final full
// block gets no 01 after it: the receiver knows that the data ends there.
func (w *cobsWriter) finish() []byte {
	w.dst[w.code] = byte(len(w.dst) - w.code)
	return w.dst
}

// appendUnstuffed appends the bytes that src encodes and reports whether src
// is a COBS encoding. src holds no zero. A final 01 after a full block is
// accepted: it encodes nothing.
func appendUnstuffed(dst, src []byte) ([]byte, bool) {
	dst = slices.Grow(dst, len(src))
	out := dst[len(dst) : len(dst)+len(src)]
	r, w := 0, 0
	for r < len(src) {
		end := r + int(src[r])
		if end > len(src) {
			return dst, false
		}
		if r+1 < end { // zeros often come in rows
			w += copy(out[w:], src[r+1:end])
		}
		if end-r <= blockMax && end < len(src) {
			out[w] = 0
			w++
		}
		r = end
	}
	return dst[:len(dst)+w], true
}
