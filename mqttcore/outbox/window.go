package outbox

import (
	"bytes"
	"errors"
	"io"
)

const (
	windowBytes = 64 << 10
	// sector is the piece in which a disk that fails is read, and the least
	// that it writes as a whole.
	sector = 512
)

// window reads a file piece by piece. A sector that cannot be read looks like
// damaged bytes, which is what it is: what stands around it can be read.
type window struct {
	file       io.ReaderAt
	buf        []byte
	off, n     int // buf[:n] is what stands at off
	unreadable bool
}

func (w *window) reset(file io.ReaderAt) {
	w.file, w.off, w.n, w.unreadable = file, 0, 0, false
}

// at returns the n bytes at off, and reads up to ahead bytes more for the next
// call. They are valid until then. Behind the end of the file are zeros.
func (w *window) at(off, n, ahead int) []byte {
	if off < w.off || off+n > w.off+w.n {
		w.fill(off, n+ahead)
	}
	return w.buf[off-w.off : off-w.off+n]
}

func (w *window) fill(off, n int) {
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.off, w.n = off, n
	w.buf = w.buf[:n]
	if w.read(w.buf, off) {
		return
	}
	for p, at := w.buf, off; len(p) > 0; {
		k := min(sector-at%sector, len(p))
		if !w.read(p[:k], at) {
			w.unreadable = true
			for i := range k {
				p[i] = 0xFF
			}
		}
		p, at = p[k:], at+k
	}
}

func (w *window) read(p []byte, off int) bool {
	n, err := w.file.ReadAt(p, int64(off))
	if errors.Is(err, io.EOF) {
		clear(p[n:])
		return true
	}
	return err == nil
}

// allZero compares each byte with the one before.
func allZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
