package port

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

// watch runs a watcher of dev that tells only what inotify says, and waits for it
// at the end.
func watch(t *testing.T, dev string, rescan time.Duration) *Watcher {
	t.Helper()
	w := &Watcher{Dev: dev, Rescan: rescan}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

const never = 24 * time.Hour

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// told waits until s is told.
func told(t *testing.T, s *Subscription, what string) {
	t.Helper()
	select {
	case <-s.C():
	case <-time.After(10 * time.Second):
		t.Fatalf("not told: %s", what)
	}
}

// tellsOf fails unless a subscriber is told when event happens, and not before.
func tellsOf(t *testing.T, dev, what string, event func()) {
	t.Helper()
	s := watch(t, dev, never).Subscribe("")
	defer s.Close()
	told(t, s, "the folder is watched from now on")
	if len(s.C()) != 0 {
		t.Fatal("told of nothing")
	}
	event()
	told(t, s, what)
}

func TestWatcherTellsOfANode(t *testing.T) {
	m := newMachine(t)
	node := filepath.Join(m.Dev, "ttyUSB0")
	tellsOf(t, m.Dev, "the node has come", func() { m.write(node, "") })
	tellsOf(t, m.Dev, "its mode has changed", func() { // udev, a little later
		if err := os.Chmod(node, 0o640); err != nil {
			t.Fatal(err)
		}
	})
	other := filepath.Join(m.Dev, "ttyUSB1")
	tellsOf(t, m.Dev, "it has another name", func() {
		if err := os.Rename(node, other); err != nil {
			t.Fatal(err)
		}
	})
	tellsOf(t, m.Dev, "it has gone", func() { remove(t, other) })
}

// watched are folders that are watched by hand: the kernel reports an event before
// the call that causes it returns.
type watched struct {
	folders
	t *testing.T
}

func newWatched(t *testing.T) *watched {
	in, err := openInotify()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.close)
	return &watched{folders{in: in}, t}
}

// want fails unless follow says that folders are new, or not.
func (w *watched) want(added bool, paths ...string) {
	w.t.Helper()
	if got := w.follow(paths); got != added {
		w.t.Errorf("new folders: %v, want %v", got, added)
	}
}

// reported fails unless something is reported of exactly these names.
func (w *watched) reported(names ...string) {
	w.t.Helper()
	want := make(map[string]bool)
	for _, name := range names {
		want[name] = true
	}
	if got := w.events(); !maps.Equal(got, want) {
		w.t.Errorf("reported %v, want %v", got, want)
	}
}

// events returns the names of which something is reported.
func (w *watched) events() map[string]bool {
	w.t.Helper()
	buf := make([]byte, 16384)
	got := make(map[string]bool)
	err := w.in.raw.Control(func(fd uintptr) {
		n, err := unix.Read(int(fd), buf)
		for err == nil && n > 0 {
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[12:]))
			if name := string(bytes.TrimRight(buf[unix.SizeofInotifyEvent:size], "\x00")); name != "" {
				got[name] = true
			}
			buf, n = buf[size:], n-size
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// udev removes /dev/serial with the last adapter, and makes it with the first.
func TestFoldersVanishAndComeBack(t *testing.T) {
	m := newMachine(t)
	link := filepath.Join(m.Dev, "serial/by-id/usb-board")
	w := newWatched(t)
	w.want(true, link)
	w.want(false, link)
	for range 3 {
		m.link(link, "../../ttyUSB0")
		w.reported("serial") // the rest was too quick for us
		w.want(true, link)
		remove(t, link)
		w.reported("usb-board")
		m.link(link, "../../ttyUSB0")
		w.reported("usb-board")
		remove(t, filepath.Join(m.Dev, "serial"))
		w.reported("usb-board", "serial") // /dev is watched as the link's target was there
		w.want(false, link)
	}
}

// What a simulator makes: a link, in a folder of its own, to a pty.
func TestFoldersOfALinkAreBothWatched(t *testing.T) {
	m := newMachine(t)
	link, target := filepath.Join(t.TempDir(), "board"), filepath.Join(m.Dev, "pts/7")
	m.write(target, "")
	m.link(link, target)
	w := newWatched(t)
	w.want(true, link)
	remove(t, target)
	w.reported("7")
	remove(t, link)
	w.reported("board")
	w.want(false, link)
	m.write(filepath.Join(m.Dev, "pts/8"), "")
	w.reported() // without the link nobody cares
}

func TestPtysAreReported(t *testing.T) {
	board, path := porttest.NewPTY(t)
	w := newWatched(t)
	w.want(true, path)
	_ = board.Close()
	if got := w.events(); !got[filepath.Base(path)] { // other programs have ptys too
		t.Errorf("reported %v, want %s among them", got, path)
	}
}

func TestWatcherTellsEverySubscriber(t *testing.T) {
	m := newMachine(t)
	w := watch(t, m.Dev, never)
	a, b := w.Subscribe(""), w.Subscribe(filepath.Join(m.Dev, "ttyUSB0"))
	defer a.Close()
	defer b.Close()
	told(t, a, "the folder is watched")
	m.write(filepath.Join(m.Dev, "ttyUSB0"), "")
	told(t, a, "the node has come")
	told(t, b, "the node has come")
}

func TestSubscriberIsToldOnceHoweverMuchChanged(t *testing.T) {
	var w Watcher
	s, closed := w.Subscribe(""), w.Subscribe("")
	defer s.Close()
	closed.Close()
	for range 3 {
		w.tell()
	}
	if n := len(s.C()); n != 1 {
		t.Errorf("told %d times, want 1", n)
	}
	if n := len(closed.C()); n != 0 {
		t.Errorf("told %d times after Close, want 0", n)
	}
}

// inotify may be missing or overflow. Nothing happens in this folder.
func TestWatcherRescans(t *testing.T) {
	w := watch(t, t.TempDir(), time.Millisecond)
	s := w.Subscribe("")
	defer s.Close()
	for range 5 {
		told(t, s, "time is up")
	}
}

// Our own writes to a device, and everybody's to /dev/null, must cost nothing.
func TestWritesAreNotReported(t *testing.T) {
	m := newMachine(t)
	node := filepath.Join(m.Dev, "ttyUSB0")
	m.write(node, "")
	w := newWatched(t)
	w.want(true, node)
	m.write(node, "frame") // opens, truncates, writes, closes
	w.reported()
	m.write(filepath.Join(m.Dev, "ttyUSB1"), "")
	w.reported("ttyUSB1")
}

func TestWatcherEndsWithSubscribers(t *testing.T) {
	w := &Watcher{Dev: t.TempDir()}
	s := w.Subscribe("") // before Run, and never read
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
	s.Close()
	s.Close()
}
