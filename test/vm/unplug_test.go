//go:build vm

package vm

import (
	"context"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port"
)

// freed is how long a reader may stay blocked after its port has been unplugged.
const freed = 200 * time.Millisecond

// TestUnplug pulls the cable while a reader waits: it is freed at once and told that the port is gone, and the port can be closed without delay.
func TestUnplug(t *testing.T) {
	both(t, func(r *rig) {
		p := r.open(r.spec())
		read := make(chan error, 1)
		go func() {
			_, err := p.Read(make([]byte, 100))
			read <- err
		}()
		r.blocked("port.(*stream).Read")
		began := time.Now()
		unplugged := make(chan error, 1)
		go func() { unplugged <- r.adapter.Unplug() }()
		err := receive(r, "Read is freed", read)
		wantWithin(r, "freeing the reader", freed, began)
		wantClass(r, "Read", err, port.ErrGone, r.node)
		if err := receive(r, "the adapter is unplugged", unplugged); err != nil {
			r.Fatal(err)
		}
		_, err = p.TryWrite([]byte("x"))
		wantClass(r, "TryWrite", err, port.ErrGone, r.node)
		_, err = p.Write([]byte("x"))
		wantClass(r, "Write", err, port.ErrGone, r.node)
		began = time.Now()
		r.close(p)
		wantWithin(r, "closing a port that is gone", freed, began)
		_, err = r.opener.Open(r.Context(), r.spec())
		wantClass(r, "open", err, port.ErrMissing)
	})
}

// TestReplug pulls the cable and puts it back: the Watcher tells it without its rescan, and the port is the same one, by its path and by its identity.
func TestReplug(t *testing.T) {
	both(t, func(r *rig) {
		for _, spec := range []port.Spec{{Path: r.node}, r.spec()} {
			p := r.open(spec)
			r.unplug(r.adapter)
			r.close(p)
			r.adapter.Trace()

			found := r.find(spec)
			if _, err := r.opener.Finder.Find(spec); err == nil {
				r.Errorf("%v is found while it is unplugged", spec)
			}
			if err := r.adapter.Plug(0); err != nil {
				r.Fatal(err)
			}
			if path := receive(r, "the port is found", found); path != r.node {
				r.Errorf("%v is %s when it is plugged in again, want %s", spec, path, r.node)
			}
			p = r.open(spec)
			r.wantEdges("open", raised)
			r.close(p)
			r.wantEdges("close")
		}
	})
}

// find waits for a port as a device does, except that nothing wakes it but what inotify tells. It sends the port's node when it is there.
func (r *rig) find(spec port.Spec) <-chan string {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	watcher := &port.Watcher{Rescan: time.Hour}
	waiting := watcher.Subscribe(spec.Path)
	ended, found := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(ended)
		_ = watcher.Run(ctx)
	}()
	searched := make(chan struct{})
	go func() {
		defer close(searched)
		defer waiting.Close()
		for {
			if path, err := r.opener.Finder.Find(spec); err == nil {
				found <- path
				return
			}
			select {
			case <-waiting.C():
			case <-ctx.Done():
				return
			}
		}
	}()
	r.Cleanup(func() {
		cancel()
		<-searched
		<-ended
	})
	return found
}

// TestReplugWhileHeld puts the cable back while the old port is not closed yet: Linux gives the adapter the next number. Its identity finds it there, its path does not.
func TestReplugWhileHeld(t *testing.T) {
	both(t, func(r *rig) {
		old := r.open(r.spec())
		r.unplug(r.adapter)
		found := r.find(r.spec())
		if err := r.adapter.Plug(0); err != nil {
			r.Fatal(err)
		}
		if path := receive(r, "the port is found", found); path != r.second {
			r.Errorf("the adapter is %s while the old port is held, want %s", path, r.second)
		}
		_, err := r.opener.Open(r.Context(), port.Spec{Path: r.node})
		wantClass(r, "open by the old path", err, port.ErrMissing, r.node)
		p := r.open(r.spec())
		board := r.uart()
		if _, err := p.Write([]byte("hello")); err != nil {
			r.Error(err)
		}
		r.wantRead("the board", board, []byte("hello"))
		r.close(p)

		r.close(old)
		r.unplug(r.adapter)
		r.plug(r.adapter, 0)
		if path, err := r.opener.Finder.Find(port.Spec{Path: r.node}); path != r.node || err != nil {
			r.Errorf("when the old port is closed: got %s, %v, want %s", path, err, r.node)
		}
	})
}
