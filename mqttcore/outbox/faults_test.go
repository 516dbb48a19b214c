package outbox_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

// fail makes operations of a kind fail n times, and records the paths.
func (w *world) fail(kind simdisk.Kind, err error, n int) {
	w.disk.Fail = func(op simdisk.Operation) error {
		if op.Kind == kind && n > 0 {
			n--
			return err
		}
		return nil
	}
}

// A write or sync that fails makes its commit void and its segment final: it is
// not written or synced again, what it held before is safe, and the next commit
// goes elsewhere.
func TestFailedSyncIsFinal(t *testing.T) {
	for _, kind := range []simdisk.Kind{simdisk.Write, simdisk.Sync} {
		t.Run(kind.String(), func(t *testing.T) {
			w := newWorld(t, outbox.Config{})
			w.put("a", "t", "stored")
			w.must(w.flush())
			w.put("a", "t", "void")
			w.state("a", []byte("void"))
			w.quarantine("a", "void")
			w.fail(kind, syscall.EIO, 1)
			if err := w.commit(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "0000000000000001.seg") {
				t.Fatal(err)
			}
			w.check()
			w.disk.Fail = func(op simdisk.Operation) error {
				if op.Path == firstSegment {
					t.Errorf("%v of the segment after its sync failed", op.Kind)
				}
				return nil
			}
			w.put("a", "t", "stored too")
			w.must(w.commit())
			w.check()
			w.disk.CrashWith(0, func(int) (simdisk.Fate, int) { return simdisk.Missing, 0 })
			w.disk.Fail = nil
			w.restarted()
		})
	}
}

// The void commit may be on disk all the same, whole or in part. It does not
// come up beside what was stored instead of it.
func TestVoidCommitStaysVoid(t *testing.T) {
	for _, fate := range []simdisk.Fate{simdisk.Kept, simdisk.Missing} {
		w := newWorld(t, outbox.Config{})
		w.put("a", "t", "stored")
		w.must(w.flush())
		w.put("a", "t", "once")
		w.put("a", "t", "twice")
		w.disk.Fail = func(op simdisk.Operation) error {
			if op.Kind == simdisk.Sync {
				return syscall.EIO
			}
			return nil
		}
		if w.commit() == nil {
			t.Fatal("no error")
		}
		// In a real disk's cache, or on the disk, who knows.
		segment := w.disk.Get(firstSegment)
		w.disk.Fail = nil
		w.put("a", "t", "twice")
		w.must(w.commit())
		if fate == simdisk.Kept {
			w.disk.Put(firstSegment, segment)
		}
		w.disk.CrashWith(0, func(int) (simdisk.Fate, int) { return fate, 0 })
		w.restarted() // with nothing that was void
	}
}

// Nothing can be stored while the disk is full. What is stored stays, is read
// and acknowledged; service is back when there is space, without a restart.
func TestDiskFull(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.disk.Space = 600 << 10 // two segments
	stored := 0
	for {
		w.put("a", "t", strings.Repeat("x", 30000))
		err := w.commit()
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
		stored++
	}
	if stored < 14 {
		t.Fatalf("only %d messages fit", stored)
	}
	for range 3 {
		w.put("a", "t", strings.Repeat("x", 30000))
		if err := w.commit(); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	w.check()
	if files, _ := w.disk.List(folder); len(files) != 2 {
		t.Errorf("attempts left files behind: %v", files)
	}
	// The broker takes the first segment's: its space is used again.
	w.ack("a", 9)
	w.put("a", "t", strings.Repeat("y", 30000))
	w.must(w.commit())
	w.check()
	w.must(w.flush())
	for w.put("a", "t", strings.Repeat("x", 30000)) && w.commit() == nil {
	}
	w.disk.Space = 0
	w.put("a", "t", "space again")
	w.must(w.commit())
	w.check()
	w.disk.CrashWith(0, func(int) (simdisk.Fate, int) { return simdisk.Missing, 0 })
	w.restarted()
}

// Faults at random, and power cuts between them.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, outbox.Config{})
			w.faults(seed)
		})
	}
}

// Open says which file it cannot sync, and can be called again.
func TestOpenOnFailingDisk(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("a", "t", "p")
	w.must(w.flush())
	w.disk.Kill()
	for _, kind := range []simdisk.Kind{simdisk.Sync, simdisk.SyncFolder} {
		w.fail(kind, syscall.EIO, 1)
		if _, err := outbox.Open(w.cfg); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), folder) {
			t.Fatal(err)
		}
	}
	w.restarted()
}

// After a failed sync the kernel shows a commit that is not on the disk. If a
// new process finds it, it stays.
func TestWhatOpenHasSeenStays(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("a", "t", "stored")
	w.must(w.flush())
	w.put("a", "t", strings.Repeat("void", 2000))
	w.fail(simdisk.Sync, syscall.EIO, 1)
	if w.commit() == nil {
		t.Fatal("no error")
	}
	w.disk.Kill()
	w.restarted()
	if n := w.log.Stats().Messages; n != 2 {
		t.Fatalf("%d messages", n)
	}
	w.put("a", "t", "behind it")
	w.must(w.flush())
	w.disk.CrashWith(0, func(int) (simdisk.Fate, int) { return simdisk.Missing, 0 })
	w.restarted()
}

// A segment whose records were moved, but that cannot be removed, does not hide
// the copies.
func TestMovedSegmentCannotBeRemoved(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("stuck", "t", "waits")
	w.state("stuck", []byte("state"))
	w.must(w.flush())
	failed := false
	w.disk.Fail = func(op simdisk.Operation) error {
		if op.Kind == simdisk.Remove && !failed {
			failed = true
			return syscall.EIO
		}
		return nil
	}
	for range 80 {
		w.put("a", "t", strings.Repeat("x", 30000))
		if err := w.commit(); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		w.ack("a", 1)
		w.check()
	}
	if !failed {
		t.Fatal("nothing was removed")
	}
	w.disk.Kill()
	w.restarted()
}
