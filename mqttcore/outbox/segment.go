package outbox

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"path/filepath"
)

// segment is one file of the log.
type segment struct {
	header

	end    int   // behind the last stored record
	live   int64 // bytes of records in it that still matter
	msgs   int   // messages among them
	sealed bool  // nothing is appended any more
	moved  bool  // all that matters was copied elsewhere; only the file is left
	unread int   // times in a row that it could not be read in part
}

// free returns how many bytes can be appended.
func (s *segment) free() int {
	if s == nil || s.sealed {
		return 0
	}
	return int(s.size) - s.end
}

func (l *Log) path(number uint64) string { return filepath.Join(l.cfg.Dir, segmentName(number)) }

// tail returns the segment that commits go to, or nil.
func (l *Log) tail() *segment {
	if len(l.segs) == 0 {
		return nil
	}
	return l.segs[len(l.segs)-1]
}

// exists reports whether a segment is there that counts, by the low half of its
// number.
func (l *Log) exists(source uint32) bool {
	for _, s := range l.segs {
		if uint32(s.number) == source {
			return !s.moved
		}
	}
	return false
}

// grow adds a segment. The tail before it ends where it is, even if there is no
// new one in the end: a new segment's header says where, and remains of the
// attempt may come up after a power cut.
func (l *Log) grow() error {
	h := header{size: uint32(l.cfg.SegmentBytes), number: l.number + 1, first: l.seq + 1, salt: salt()}
	if prev := l.tail(); prev != nil {
		h.prev, h.prevEnd = prev.number, uint32(prev.end)
		prev.sealed = true
	}
	l.number++
	path := l.path(h.number)
	file, err := l.cfg.FS.Open(path, Create)
	if err != nil {
		return fmt.Errorf("outbox: new segment: %w", err)
	}
	err = l.prepare(file, &h)
	if err == nil {
		err = l.folder.Sync()
	}
	if err != nil {
		_ = file.Close()
		_ = l.cfg.FS.Remove(path)
		return fmt.Errorf("outbox: new segment %s: %w", path, err)
	}
	l.closeFile()
	l.file = file
	l.segs = append(l.segs, &segment{header: h, end: headerLen})
	return nil
}

// prepare writes the header and zeros, so that a later commit changes nothing
// but data: no length, no allocation, no journal. It goes by pages, as kernels
// keep what is written at once as one piece, and later write it as one.
func (l *Log) prepare(file File, h *header) error {
	chunk := h.append(make([]byte, 0, pageBytes))
	chunk = chunk[:cap(chunk)]
	for off := 0; off < int(h.size); off += len(chunk) {
		chunk = chunk[:min(len(chunk), int(h.size)-off)]
		if _, err := file.WriteAt(chunk, int64(off)); err != nil {
			return err
		}
		clear(chunk[:min(headerLen, len(chunk))])
	}
	return file.Sync()
}

const pageBytes = 4096

// drop removes the oldest segment, in which nothing matters any more. Its place
// in the folder must be gone for good before another one goes, or it could come
// back without the records that its own were moved to.
func (l *Log) drop() error {
	s := l.segs[0]
	if s == l.tail() {
		l.closeFile()
	}
	l.forgetIndex(s)
	if err := l.cfg.FS.Remove(l.path(s.number)); err != nil {
		return fmt.Errorf("outbox: remove segment: %w", err)
	}
	l.segs = l.segs[1:]
	delete(l.tried, uint32(s.number))
	l.pruneMoves()
	if err := l.folder.Sync(); err != nil {
		l.unsynced = true
		return fmt.Errorf("outbox: %s: %w", l.cfg.Dir, err)
	}
	l.unsynced = false
	return nil
}

// reap removes the oldest segments while nothing in them matters.
func (l *Log) reap() error {
	if l.unsynced {
		if err := l.folder.Sync(); err != nil {
			return fmt.Errorf("outbox: %s: %w", l.cfg.Dir, err)
		}
		l.unsynced = false
	}
	for len(l.segs) > 0 && l.segs[0].live == 0 && (l.segs[0] != l.tail() || l.segs[0].sealed) {
		if err := l.moveOldest(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) closeFile() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

func salt() uint32 {
	var p [4]byte
	_, _ = rand.Read(p[:]) // never fails
	return binary.LittleEndian.Uint32(p[:])
}
