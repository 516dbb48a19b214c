package port

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultRescan is how often subscribers look again without being told to: an
// inotify queue may overflow, and some file systems report nothing.
const defaultRescan = 2 * time.Second

// Watcher tells those who wait for a port when device nodes may have changed. It
// does not look itself. One Watcher serves all devices of a process; with nobody
// waiting it sleeps. The zero value, with Run started, is ready to use.
type Watcher struct {
	Dev    string        // always watched; "" means /dev
	Rescan time.Duration // 0 means 2 s

	mu      sync.Mutex
	subs    map[*Subscription]struct{}
	changed chan struct{} // has room for one; made by signal
}

// Subscription is somebody who waits for a port.
type Subscription struct {
	w    *Watcher
	path string
	c    chan struct{}
}

// Subscribe begins to wait for path, or for any device node if path is "".
// Subscribe first, look then: what changes in between is told. A Subscription
// must be closed.
func (w *Watcher) Subscribe(path string) *Subscription {
	s := &Subscription{w: w, path: path, c: make(chan struct{}, 1)}
	w.mu.Lock()
	if w.subs == nil {
		w.subs = make(map[*Subscription]struct{})
	}
	w.subs[s] = struct{}{}
	w.mu.Unlock()
	notify(w.signal())
	return s
}

// C receives when it is time to look again. However much has changed since the
// last receive, it receives once.
func (s *Subscription) C() <-chan struct{} { return s.c }

// Close ends the wait.
func (s *Subscription) Close() {
	s.w.mu.Lock()
	delete(s.w.subs, s)
	s.w.mu.Unlock()
	notify(s.w.signal())
}

// signal returns the channel that tells Run of a change of subscribers.
func (w *Watcher) signal() chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{}, 1)
	}
	return w.changed
}

// notify puts a token into a channel that has room for one, unless it is there.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run watches until ctx is done, and returns nil then. If the system allows no
// inotify (its limits count all programs of a user), the rescan is all there is.
func (w *Watcher) Run(ctx context.Context) error {
	rescan := w.Rescan
	if rescan == 0 {
		rescan = defaultRescan
	}
	var events chan struct{} // of a nil channel nothing comes
	var watched *folders
	if in, err := openInotify(); err == nil {
		watched = &folders{in: in}
		events = make(chan struct{}, 1)
		var reader sync.WaitGroup
		reader.Go(func() { in.read(events) })
		defer reader.Wait()
		defer in.close()
	}
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	changed := w.signal()
	for {
		paths := w.paths()
		for watched.follow(paths) {
			w.tell() // something may have come before its folder was watched
		}
		if len(paths) > 0 {
			timer.Reset(rescan)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-events:
			w.tell()
		case <-timer.C:
			w.tell()
		}
	}
}

// paths returns what subscribers wait for, the device folder first; nothing if
// there are none.
func (w *Watcher) paths() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.subs) == 0 {
		return nil
	}
	paths := []string{filepath.Join(orDefault(w.Dev, "/dev"), "any")}
	for s := range w.subs {
		if s.path != "" {
			paths = append(paths, s.path)
		}
	}
	return paths
}

// tell tells all subscribers to look again.
func (w *Watcher) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.subs {
		notify(s.c)
	}
}

// folders are the folders that inotify watches.
type folders struct {
	in      *inotify
	watched map[int]bool // watch descriptors; a folder made anew gets a new one
}

// follow watches the folders of paths and, if a path is a link, of what it
// points to, and no others. It reports whether a folder is new.
func (f *folders) follow(paths []string) bool {
	if f == nil {
		return false
	}
	wanted := make(map[int]bool)
	seen := make(map[string]bool)
	for _, path := range paths {
		f.watch(filepath.Dir(path), wanted, seen)
		if target, err := os.Readlink(path); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(path), target)
			}
			f.watch(filepath.Dir(target), wanted, seen)
		}
	}
	added := false
	for wd := range wanted {
		added = added || !f.watched[wd]
	}
	for wd := range f.watched {
		if !wanted[wd] {
			f.in.remove(wd)
		}
	}
	f.watched = wanted
	return added
}

// watch watches dir. Of a folder that does not exist, such as /dev/serial/by-id
// before the first adapter, the nearest one above is watched.
func (f *folders) watch(dir string, wanted map[int]bool, seen map[string]bool) {
	for !seen[dir] {
		seen[dir] = true
		if wd, err := f.in.add(dir); err == nil {
			wanted[wd] = true
			return
		}
		dir = filepath.Dir(dir)
	}
}

// inotify is an inotify instance on Go's poller. The usual package for this also
// asks for IN_MODIFY, which for /dev means an event for each write of anybody to
// any device, our own frames and /dev/null included.
type inotify struct {
	file *os.File
	raw  syscall.RawConn
}

const inotifyMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM |
	unix.IN_ATTRIB | // udev changes the group of a node after it has appeared
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

func openInotify() (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "inotify")
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &inotify{file, raw}, nil
}

// read puts a token into events for whatever is reported, until close. What has
// changed is not asked: subscribers look for themselves.
func (in *inotify) read(events chan struct{}) {
	buf := make([]byte, 16*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		if _, err := in.file.Read(buf); err != nil && !errors.Is(err, io.ErrShortBuffer) {
			return
		}
		notify(events)
	}
}

func (in *inotify) add(dir string) (wd int, err error) {
	cerr := in.raw.Control(func(fd uintptr) { wd, err = unix.InotifyAddWatch(int(fd), dir, inotifyMask) })
	return wd, errors.Join(cerr, err)
}

// remove stops watching. The kernel may have done so itself, with the folder.
func (in *inotify) remove(wd int) {
	_ = in.raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
}

func (in *inotify) close() { _ = in.file.Close() }
