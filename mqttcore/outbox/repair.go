package outbox

import (
	"errors"
	"fmt"
)

func refuse(path string, err error, advice string) error {
	return fmt.Errorf("outbox: %s %w; %s", path, err, advice)
}

func adviceFor(err error) string {
	switch {
	case errors.Is(err, ErrNewer):
		return "run the version that wrote it, or move the file elsewhere and lose the messages in it"
	case errors.Is(err, ErrDamaged):
		return "copy it back from a backup, or move it elsewhere and lose the messages in it"
	}
	return "move it elsewhere"
}

// cut returns where the last segment's stored records end. Behind that may be
// parts of a commit that was not completed.
//
// Any sectors of it may be missing. Records behind a missing one look good, but
// they were never stored, and their commit must be a prefix of itself. Damage to
// stored records looks much the same; but a commit that was followed by another
// one was stored, and a sector that was never written holds the zeros from
// before. A record that has rotted holds none, unless a whole sector of its
// payload is zeros.
func (l *Log) cut(s *segment) int {
	sc := scanner{w: &l.win, salt: s.salt, off: headerLen, end: s.end, good: headerLen}
	end := 0
	l.lastCommit = headerLen
	for r, off, ok := sc.next(); ok; r, off, ok = sc.next() {
		if r.flags&flagFirst != 0 {
			l.lastCommit = off
			end = 0
		} else if end == 0 && sc.skip > 0 && l.unwritten(off-sc.skip, off) {
			end = off - sc.skip
		}
	}
	if end > 0 {
		return end
	}
	return sc.good
}

// unwritten reports whether a sector between the two offsets was never written.
func (l *Log) unwritten(from, to int) bool {
	for next := (from/sector + 1) * sector; next <= to; next += sector {
		if l.zeros(from, next) {
			return true
		}
		from = next
	}
	return false
}

// repair does what Open does to the disk.
func (l *Log) repair() error {
	for _, path := range l.blank {
		if err := l.cfg.FS.Remove(path); err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
	}
	if len(l.segs) > 0 || l.blank != nil {
		// A process may have died between making the last segment and this.
		if err := l.folder.Sync(); err != nil {
			return fmt.Errorf("outbox: %s: %w", l.cfg.Dir, err)
		}
	}
	s := l.tail()
	if s == nil || s.sealed {
		return nil
	}
	path := l.path(s.number)
	var err error
	if l.file, err = l.cfg.FS.Open(path, ReadWrite); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	if err = l.confirm(s); err == nil {
		err = l.clean(s)
	}
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("outbox: %s: %w", path, err)
	}
	return nil
}

// confirm writes the last commit once more. It may never have been synced, or a
// sync of it may have failed, after which the kernel takes its pages for
// written. What is seen now must stay.
func (l *Log) confirm(s *segment) error {
	l.win.reset(l.file)
	from := l.lastCommit
	if from == headerLen {
		from = 0 // the same goes for the header
	}
	for off := from; off < s.end; off += windowBytes {
		p := l.win.at(off, min(windowBytes, s.end-off), 0)
		if l.win.unreadable {
			return errUnreadable
		}
		if _, err := l.file.WriteAt(p, int64(off)); err != nil {
			return err
		}
	}
	return nil
}

// errUnreadable: what could be read a moment ago cannot now.
var errUnreadable = errors.New("cannot be read; see to the disk")

// clean overwrites what stands behind the last record, so that it cannot be
// taken for a part of what comes to stand before it.
func (l *Log) clean(s *segment) error {
	l.win.reset(l.file)
	for off := s.end; off < int(s.size); off += windowBytes {
		n := min(windowBytes, int(s.size)-off)
		if l.zeros(off, off+n) {
			continue
		}
		if _, err := l.file.WriteAt(make([]byte, n), int64(off)); err != nil {
			return err
		}
	}
	return nil
}
