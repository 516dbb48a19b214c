package outbox_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// badReads is a disk that cannot be read at times.
type badReads struct {
	outbox.OS
	bad *bool
}

func (d badReads) Open(path string, mode outbox.Mode) (outbox.File, error) {
	f, err := d.OS.Open(path, mode)
	return badFile{f, d.bad}, err
}

type badFile struct {
	outbox.File
	bad *bool
}

func (f badFile) ReadAt(p []byte, off int64) (int, error) {
	if *f.bad {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}

// TestReadErrorPasses: a disk that cannot be read for a moment loses nothing; one
// that cannot be read any more does not hold up what comes after it for ever.
func TestReadErrorPasses(t *testing.T) {
	bad := false
	dir := t.TempDir()
	l, err := outbox.Open(outbox.Config{Dir: dir, FS: badReads{bad: &bad}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const n = 10
	for i := range n {
		if _, err := l.Append(&outbox.Message{Client: "b1", Topic: []byte("t"), Payload: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Commit(); err != nil {
		t.Fatal(err)
	}
	bad = true
	for range 3 {
		if got, err := l.Read("b1", 0, nil, 1<<20); err == nil || !strings.Contains(err.Error(), "cannot be read") || len(got) > 0 {
			t.Fatalf("read %d messages from a bad disk, %v", len(got), err)
		}
		if err := l.Quarantine("b1", 1, "why"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Fatalf("quarantine: %v", err)
		}
	}
	if s := l.Stats(); s.Messages != n || s.Damaged != 0 {
		t.Errorf("stats %+v", s)
	}
	bad = false
	if got, err := l.Read("b1", 0, nil, 1<<20); err != nil || len(got) != n {
		t.Errorf("read %d messages when the disk was well again, %v", len(got), err)
	}
}

// TestUnreadableForGood is given up after a while, and reported.
func TestUnreadableForGood(t *testing.T) {
	bad := false
	l, err := outbox.Open(outbox.Config{Dir: t.TempDir(), FS: badReads{bad: &bad}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := l.Append(&outbox.Message{Client: "b1", Topic: []byte("t")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(); err != nil {
		t.Fatal(err)
	}
	bad = true
	tries := 0
	for err = error(nil); tries == 0 || err != nil; tries++ {
		if _, err = l.Read("b1", 0, nil, 1<<20); tries > 100 {
			t.Fatal("it is asked for ever")
		}
	}
	if s := l.Stats(); tries < 10 || s.Messages != 0 || s.Damaged == 0 {
		t.Errorf("given up after %d tries, stats %+v", tries, s)
	}
}
