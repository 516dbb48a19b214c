package outbox_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// Files that no crash leaves behind are refused, by name, with what to do; and
// nothing is changed.
func TestRefusedFiles(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("a", "t", "p")
	w.must(w.flush())
	w.must(w.log.Close())
	good := w.disk.Get(firstSegment)
	change := func(off int, b byte) []byte {
		p := slices.Clone(good)
		p[off] ^= b
		return p
	}
	newer := change(8, 3)
	crc := crc32.Checksum(newer[:60], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(newer[60:], crc)
	const second = folder + "/0000000000000002.seg"
	tests := []struct {
		name, path string
		content    []byte
		want       error
		text       string
	}{
		{"notes", folder + "/notes.txt", []byte("hello"), outbox.ErrForeign, "/outbox/greenhouse/notes.txt is no file of this outbox; move it elsewhere"},
		{"number zero", folder + "/0000000000000000.seg", nil, outbox.ErrForeign, "move it elsewhere"},
		{"upper case", folder + "/000000000000000A.seg", nil, outbox.ErrForeign, "move it elsewhere"},
		{"a copy", second, good, outbox.ErrForeign, second + " is no file of this outbox, but a copy of 0000000000000001.seg; move it elsewhere"},
		{"newer", firstSegment, newer, outbox.ErrNewer, firstSegment + " was written by a newer version (format 2); run the version that wrote it"},
		{"magic", firstSegment, change(0, 1), outbox.ErrDamaged, firstSegment + " has a damaged header; copy it back from a backup, or move it elsewhere and lose the messages in it"},
		{"version", firstSegment, change(8, 1), outbox.ErrDamaged, "damaged header"},
		{"salt", firstSegment, change(44, 1), outbox.ErrDamaged, "damaged header"},
		{"checksum", firstSegment, change(63, 1), outbox.ErrDamaged, "damaged header"},
		{"no header", firstSegment, append(make([]byte, 64), good[64:]...), outbox.ErrDamaged, "damaged header"},
		{"too long", firstSegment, append(slices.Clone(good), 0), outbox.ErrDamaged, "damaged header"},
		{"text", firstSegment, []byte("shopping list"), outbox.ErrDamaged, "damaged header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk := w.disk.Clone()
			disk.Put(tt.path, tt.content)
			cfg := w.cfg
			cfg.FS = disk
			before := disk.Stats()
			for range 2 { // the first refusal leaves no lock
				_, err := outbox.Open(cfg)
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.HasPrefix(err.Error(), "outbox: ") {
					t.Fatalf("%v, want %q", err, tt.text)
				}
			}
			if disk.Stats() != before {
				t.Errorf("the disk was changed: %+v", disk.Stats())
			}
			if string(disk.Get(tt.path)) != string(tt.content) {
				t.Error("the file was changed")
			}
		})
	}
}

// What remains of a segment whose making was interrupted is removed: nothing
// was ever in it.
func TestUnfinishedSegments(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": {}, "short zeros": make([]byte, 70000), "zeros": make([]byte, 256<<10),
		"part of a header": append([]byte("umqttdOB\x01\x00"), make([]byte, 4086)...),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, outbox.Config{})
			w.put("a", "t", "p")
			w.must(w.flush())
			w.must(w.log.Close())
			const next = folder + "/0000000000000002.seg"
			w.disk.Put(next, content)
			w.restarted()
			if w.disk.Get(next) != nil {
				t.Error("it is still there")
			}
			w.put("a", "t", "q")
			w.must(w.flush())
			w.check()
		})
	}
}

func TestFolderIsLocked(t *testing.T) {
	dir := t.TempDir()
	cfg := outbox.Config{Dir: dir}
	l, err := outbox.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = outbox.Open(cfg)
	if !errors.Is(err, outbox.ErrLocked) || !strings.Contains(err.Error(), dir+": is in use by another umqttd") {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = outbox.Open(cfg); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, outbox.ErrClosed) {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  outbox.Config
		want string // of the error; "" for none
	}{
		{outbox.Config{}, ""},
		{outbox.Config{MaxBytes: 1 << 20}, ""},
		{outbox.Config{MaxBytes: 1 << 40}, ""},
		{outbox.Config{MaxBytes: 1 << 20, SegmentBytes: 256 << 10}, ""},
		{outbox.Config{MaxBytes: 1<<20 - 1}, "at least 1048576"},
		{outbox.Config{SegmentBytes: 1000}, "262144 to 16777216 are possible"},
		{outbox.Config{SegmentBytes: 256<<10 + 4}, "in steps of 8"},
		{outbox.Config{MaxBytes: 2 << 20, SegmentBytes: 1 << 20}, "a quarter of MaxBytes"},
	} {
		tt.cfg.Dir = t.TempDir()
		l, err := outbox.Open(tt.cfg)
		if err == nil {
			l.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.cfg, err, tt.want)
		}
	}
	if _, err := outbox.Open(outbox.Config{}); err == nil {
		t.Error("no folder is accepted")
	}
}
