package simdisk

import (
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// script makes a file and a folder's lock on a new disk.
func script(t *testing.T) (*Disk, outbox.Folder, outbox.File) {
	t.Helper()
	d := &Disk{}
	folder, err := d.Lock("/d")
	must(t, err)
	f, err := d.Open("/d/f", outbox.Create)
	must(t, err)
	return d, folder, f
}

func writeAt(t *testing.T, f outbox.File, s string, off int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(s), off)
	must(t, err)
}

func missing(int) (Fate, int) { return Missing, 0 }

// A file is there after a crash if its folder was synced, its bytes if it was.
func TestSyncedStays(t *testing.T) {
	d, folder, f := script(t)
	writeAt(t, f, "one", 0)
	must(t, f.Sync())
	if c := d.Clone(); true {
		c.CrashWith(0, missing)
		if c.Get("/d/f") != nil {
			t.Error("the folder was not synced, but the file is there")
		}
	}
	must(t, folder.Sync())
	writeAt(t, f, "two", 3)
	d.CrashWith(0, missing)
	if got := string(d.Get("/d/f")); got != "one" {
		t.Errorf("%q", got)
	}
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, ErrPower) {
		t.Errorf("a file survives the crash: %v", err)
	}
	if _, err := d.Lock("/d"); err != nil {
		t.Errorf("a lock survives the crash: %v", err)
	}
}

// Each sector that was not synced has its own fate.
func TestSectors(t *testing.T) {
	d, folder, f := script(t)
	writeAt(t, f, strings.Repeat("a", 4*Sector), 0)
	must(t, f.Sync())
	must(t, folder.Sync())
	writeAt(t, f, strings.Repeat("b", 4*Sector), 0)
	d.CrashWith(0, func(off int) (Fate, int) {
		switch off {
		case Sector:
			return Missing, 0
		case 2 * Sector:
			return Torn, 10
		}
		return Kept, 0
	})
	want := strings.Repeat("b", Sector) + strings.Repeat("a", Sector) + strings.Repeat("b", 10) + strings.Repeat("a", 2*Sector-10)
	if got := string(d.Get("/d/f")); got != want {
		t.Errorf("%q", got)
	}
}

// A failed sync drops the data, though it is seen until the crash, and the next
// sync succeeds.
func TestFailedSyncLies(t *testing.T) {
	d, folder, f := script(t)
	must(t, folder.Sync())
	writeAt(t, f, "data", 0)
	d.Fail = func(op Operation) error {
		if op.Kind == Sync {
			return syscall.EIO
		}
		return nil
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	d.Fail = nil
	must(t, f.Sync())
	if string(d.Get("/d/f")) != "data" {
		t.Error("the data is not seen any more")
	}
	d.CrashWith(0, missing)
	if n := len(d.Get("/d/f")); n != 0 {
		t.Errorf("%d bytes", n)
	}
}

// Power goes at the operation asked for; killing leaves what was written.
func TestPowerAndKill(t *testing.T) {
	d, folder, f := script(t)
	d.CutAt = d.Stats().Operations + 2
	writeAt(t, f, "one", 0)
	if err := f.Sync(); !errors.Is(err, ErrPower) || !d.PowerIsCut() {
		t.Fatal(err)
	}
	if err := folder.Sync(); !errors.Is(err, ErrPower) {
		t.Fatal(err)
	}
	d.Kill()
	if string(d.Get("/d/f")) != "one" {
		t.Error("what was written is gone")
	}
}

func TestSpace(t *testing.T) {
	d, _, f := script(t)
	d.Space = 5
	if n, err := f.WriteAt([]byte("1234567"), 0); n != 5 || !errors.Is(err, syscall.ENOSPC) {
		t.Error(n, err)
	}
	writeAt(t, f, "abc", 1) // needs none
	must(t, d.Remove("/d/f"))
	if d.free() != 5 {
		t.Error(d.free())
	}
}

// The same random numbers give the same crash.
func TestCrashIsReproducible(t *testing.T) {
	d, _, f := script(t)
	writeAt(t, f, strings.Repeat("x", 20*Sector), 100)
	seen := map[string]bool{}
	for seed := range uint64(50) {
		a, b := d.Clone(), d.Clone()
		a.Crash(rand.New(rand.NewPCG(seed, 1)))
		b.Crash(rand.New(rand.NewPCG(seed, 1)))
		if string(a.Get("/d/f")) != string(b.Get("/d/f")) {
			t.Fatal(seed)
		}
		seen[string(a.Get("/d/f"))] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d ways to crash", len(seen))
	}
}
