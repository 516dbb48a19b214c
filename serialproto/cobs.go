package serialproto

import "bytes"

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

// write appends the encoding of src.
func (w *cobsWriter) write(src []byte) {
	dst, code := w.dst, w.code
	for len(src) > 0 {
		// The bytes this block can still take, plus the one after them: if
		// that one is a zero, the full block needs no code of its own.
		n := len(dst) - code - 1
		if n == blockMax {
			dst[code] = blockMax + 1
			code = len(dst)
			dst = append(dst, 0)
			n = 0
		}
		if src[0] == 0 { // a run of zeros, without the calls below
			dst[code] = byte(n + 1)
			code = len(dst)
			dst = append(dst, 0)
			src = src[1:]
			continue
		}
		room := src[:min(len(src), blockMax-n)]
		if i := bytes.IndexByte(room, 0); i >= 0 {
			room = room[:i]
		}
		dst = append(dst, room...)
		src = src[len(room):]
	}
	w.dst, w.code = dst, code
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
	for len(src) > 0 {
		n := int(src[0])
		if n > len(src) {
			return dst, false
		}
		dst = append(dst, src[1:n]...)
		src = src[n:]
		if n <= blockMax && len(src) > 0 {
			dst = append(dst, 0)
		}
	}
	return dst, true
}
