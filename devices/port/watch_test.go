package port

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// until receives from s until see is true: a subscriber is told to look, not
// what there is to see.
func until(t *testing.T, s *Subscription, what string, see func() bool) {
	t.Helper()
	for !see() {
		select {
		case <-s.C():
		case <-t.Context().Done():
			t.Fatal(what)
		case <-time.After(10 * time.Second):
			t.Fatalf("not told: %s", what)
		}
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return err == nil
	}
}

// told waits until s is told once, then takes what else is pending.
func told(t *testing.T, s *Subscription) {
	t.Helper()
	select {
	case <-s.C():
	case <-time.After(10 * time.Second):
		t.Fatal("not told")
	}
}

func TestWatcherTellsOfANodeThatComesAndGoes(t *testing.T) {
	m := newMachine(t)
	w := watch(t, m.Dev, never)
	s := w.Subscribe("")
	defer s.Close()
	told(t, s) // the folder is watched from now on
	node := filepath.Join(m.Dev, "ttyUSB0")
	m.write(node, "")
	until(t, s, "the node has come", exists(node))
	remove(t, node)
	until(t, s, "the node has gone", func() bool { return !exists(node)() })
	m.write(node, "")
	if err := os.Chmod(node, 0o640); err != nil { // udev, once the node is there
		t.Fatal(err)
	}
	until(t, s, "the mode has changed", func() bool {
		st, err := os.Stat(node)
		return err == nil && st.Mode().Perm() == 0o640
	})
}

// udev removes /dev/serial with the last adapter, and makes it with the first.
func TestWatcherFollowsAFolderThatVanishes(t *testing.T) {
	m := newMachine(t)
	link := filepath.Join(m.Dev, "serial/by-id/usb-board")
	w := watch(t, m.Dev, never)
	s := w.Subscribe(link)
	defer s.Close()
	told(t, s)
	m.write(filepath.Join(m.Dev, "ttyUSB0"), "")
	for range 3 {
		m.link(link, "../../ttyUSB0")
		until(t, s, "the link has come", exists(link))
		remove(t, filepath.Join(m.Dev, "serial"))
		until(t, s, "the link has gone", func() bool { return !exists(filepath.Join(m.Dev, "serial"))() })
	}
}

// What a simulator makes: a link, in a folder of its own, to a pty.
func TestWatcherFollowsALinkToAPty(t *testing.T) {
	w := watch(t, t.TempDir(), never)
	link := filepath.Join(t.TempDir(), "board")
	s := w.Subscribe(link)
	defer s.Close()
	told(t, s)
	board, path := newPTY(t)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the link has come", exists(link))
	_ = board.Close()
	until(t, s, "the pty has gone", func() bool { return !exists(path)() })
}

func TestWatcherTellsEverySubscriber(t *testing.T) {
	m := newMachine(t)
	w := watch(t, m.Dev, never)
	a, b := w.Subscribe(""), w.Subscribe(filepath.Join(m.Dev, "ttyUSB0"))
	defer a.Close()
	defer b.Close()
	told(t, a)
	m.write(filepath.Join(m.Dev, "ttyUSB0"), "")
	told(t, a)
	told(t, b)
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
		told(t, s)
	}
}

// Our own writes to a device, and everybody's to /dev/null, must cost nothing.
func TestWritesAreNotReported(t *testing.T) {
	m := newMachine(t)
	m.write(filepath.Join(m.Dev, "ttyUSB0"), "")
	in, err := openInotify()
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	if _, err := in.add(m.Dev); err != nil {
		t.Fatal(err)
	}
	m.write(filepath.Join(m.Dev, "ttyUSB0"), "frame") // opens, truncates, writes, closes
	m.write(filepath.Join(m.Dev, "other"), "")        // the queue keeps the order
	buf := make([]byte, 4096)
	n, err := in.file.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	name := string(bytes.TrimRight(buf[unix.SizeofInotifyEvent:n], "\x00"))
	if mask := binary.NativeEndian.Uint32(buf[4:]); mask != unix.IN_CREATE || name != "other" {
		t.Errorf("the first event is %#x of %q, want %#x of \"other\"", mask, name, unix.IN_CREATE)
	}
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
