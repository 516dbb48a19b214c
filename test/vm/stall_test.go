//go:build vm

package vm

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/test/patience"
)

// atOnce is how long a call may take that never waits for a driver.
const atOnce = 10 * time.Millisecond

// TestStalledBoard has a board that takes no bytes. TryWrite fills the driver and then takes nothing, without blocking; Close returns and frees reader and writer at once, although the driver waits 30 s
// for the bytes to leave; until then the port is busy, and afterwards it works.
func TestStalledBoard(t *testing.T) {
	both(t, func(r *rig) {
		p := r.open(r.spec())
		r.adapter.Stall(true)
		r.fill(p)

		wrote, read := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := p.Write(make([]byte, 100))
			wrote <- err
		}()
		go func() {
			_, err := p.Read(make([]byte, 100))
			read <- err
		}()
		r.blocked("port.(*stream).Write")
		r.blocked("port.(*stream).Read")
		r.promptly("TryWrite beside a Write that blocks", func() {
			if n, err := p.TryWrite([]byte("x")); n != 0 || err != nil {
				r.Errorf("TryWrite beside a Write that blocks: %d, %v", n, err)
			}
		})

		began := time.Now()
		_ = p.Close()
		wantWithin(r, "Close", atOnce, began)
		wantClass(r, "Write", receive(r, "Write is freed", wrote), port.ErrClosed)
		wantClass(r, "Read", receive(r, "Read is freed", read), port.ErrClosed)
		wantWithin(r, "freeing reader and writer", atOnce, began)
		if n := r.opener.Closing(); n != 1 {
			r.Errorf("%d ports are being closed, want 1", n)
		}
		_, err := r.opener.Open(r.Context(), r.spec())
		wantClass(r, "open while the driver waits", err, port.ErrBusy, "still being closed")

		r.wait()
		took := time.Since(began)
		r.Logf("the driver took %v", took)
		if took < time.Second {
			r.Errorf("the driver closed after %v: it had nothing to wait for, and this test proves little", took)
		}
		r.adapter.Stall(false)
		r.wantWorking()
		r.wantEdges("all of it", raised)
	})
}

// fill writes until the port takes no more, never waiting for it.
func (r *rig) fill(p *port.TTY) {
	r.Helper()
	total, n := 0, -1
	for n != 0 {
		r.promptly("TryWrite", func() {
			var err error
			if n, err = p.TryWrite(make([]byte, 512)); err != nil {
				r.Fatalf("TryWrite after %d bytes: %v", total, err)
			}
		})
		total += n
	}
	queued, err := p.OutQueue()
	if total == 0 || queued == 0 || err != nil {
		r.Fatalf("the driver took %d bytes and has %d: %v", total, queued, err)
	}
	r.Logf("the driver took %d bytes", total)
}

// promptly fails unless f, which must not wait for the board, is done at once. If it does wait, the board is made to take bytes in the end.
func (r *rig) promptly(what string, f func()) {
	r.Helper()
	rescue := time.AfterFunc(patience.Limit, func() { r.adapter.Stall(false) })
	defer rescue.Stop()
	began := time.Now()
	f()
	if took := time.Since(began); took > atOnce {
		r.Fatalf("%s took %v, want at most %v", what, took, atOnce)
	}
}

// wantWorking fails unless the port can be opened and a byte gets through.
func (r *rig) wantWorking() {
	r.Helper()
	p := r.open(r.spec())
	defer r.close(p)
	board := r.uart()
	if _, err := board.Write([]byte{'y'}); err != nil {
		r.Error(err)
	}
	r.wantRead("the port", p, []byte{'y'})
}

// TestHangingAdapter has an adapter whose firmware has crashed. Open gives up when it is told to, what hangs counts as closing, and the port works again when the adapter does.
func TestHangingAdapter(t *testing.T) {
	both(t, func(r *rig) {
		r.adapter.Hang(true)
		rescue := time.AfterFunc(patience.Limit, func() { r.adapter.Hang(false) })
		defer rescue.Stop()
		const giveUp = time.Second
		ctx, cancel := context.WithTimeout(r.Context(), giveUp)
		defer cancel()
		began := time.Now()
		_, err := r.opener.Open(ctx, r.spec())
		if !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("open: got error %v, want the context's", err)
		}
		wantWithin(r, "giving up", giveUp+atOnce, began)
		if n := r.opener.Closing(); n != 1 {
			r.Errorf("%d ports are being closed, want 1", n)
		}
		_, err = r.opener.Open(r.Context(), r.spec())
		wantClass(r, "open while the driver waits", err, port.ErrBusy, "still being closed")
		r.adapter.Hang(false)
		r.wait()
		r.wantWorking()
		r.wantEdges("all of it", raised)
	})
}
