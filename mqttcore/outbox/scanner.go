package outbox

import "encoding/binary"

// scanner finds the records of a segment, whatever stands between them. It
// trusts a length only if the checksum of the head fits, and looks for the next
// head at every multiple of 8 otherwise. No content can pose as a record: who
// sends it does not know the segment's salt.
type scanner struct {
	w    *window
	salt uint32
	off  int // where to look next
	end  int // where to stop

	good  int        // behind the record that next has returned last
	skip  int        // damaged bytes before that record
	bad   func(hole) // called for damage before a good record, unless nil
	heads []hole     // records in the damage whose head is good
}

// hole is damage between two good records. seq is that of the record it was,
// or 0 if the head is damaged too.
type hole struct {
	off, n int
	seq    uint64
}

// next returns the next record and its offset. The record is valid until the
// next call.
func (s *scanner) next() (record, int, bool) {
	s.heads = s.heads[:0]
	for s.off+headLen <= s.end {
		off := s.off
		p := s.w.at(off, headLen, min(windowBytes, s.end-off-headLen))
		if binary.LittleEndian.Uint16(p) != recordMagic {
			s.off += s.step(p)
			continue
		}
		h, ok := parseHead(p, s.salt)
		if !ok || off+h.size() > s.end {
			s.off += align
			continue
		}
		size := h.size()
		p = s.w.at(off, size, min(windowBytes, s.end-off-size))
		s.off += size
		if !h.bodyFits(p, s.salt) {
			s.heads = append(s.heads, hole{off: off, n: size, seq: h.seq})
			continue
		}
		s.report(off)
		s.good = off + size
		return record{head: h, body: p[headLen : headLen+int(h.length)]}, off, true
	}
	return record{}, 0, false
}

// step returns how far the next head is away at least. Behind the last record
// are zeros, mostly.
func (s *scanner) step(p []byte) int {
	if p[0] == 0 && s.off+sector <= s.end && allZero(s.w.at(s.off, sector, 0)) {
		return sector
	}
	return align
}

// report tells of the damage between the last good record and off, where the
// next one stands, or should end.
func (s *scanner) report(off int) {
	s.skip = off - s.good
	if s.bad == nil || s.skip == 0 {
		return
	}
	at := s.good
	for _, h := range s.heads {
		if h.off > at {
			s.bad(hole{off: at, n: h.off - at})
		}
		s.bad(h)
		at = h.off + h.n
	}
	if off > at {
		s.bad(hole{off: at, n: off - at})
	}
}
