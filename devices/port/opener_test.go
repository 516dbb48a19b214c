package port

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

func TestSecondOpenIsBusy(t *testing.T) {
	_, path := porttest.NewPTY(t)
	link := t.TempDir() + "/board"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	o := &Opener{}
	first := open(t, o, path, Spec{})

	_, err := o.Open(t.Context(), Spec{Path: link})
	wantClass(t, "another device of this gateway", err, ErrBusy, path, "already open in this gateway")
	other := &Opener{}
	_, err = other.OpenTTY(t.Context(), path, Spec{})
	wantClass(t, "another gateway", err, ErrBusy, path, "locked", "fuser")
	wait(t, other)

	// The one that failed must not have taken anything from the first.
	if _, err := first.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	_ = first.Close()
	wait(t, o)
	open(t, other, path, Spec{})
}

// A port that the driver has not let go of is not opened again: open(2) would
// hang as long as the close does.
func TestPortBeingClosedIsBusy(t *testing.T) {
	_, path := porttest.NewPTY(t)
	o := &Opener{}
	tty := open(t, o, path, Spec{})
	release := make(chan struct{})
	held := make(chan struct{})
	ioctl := make(chan error)
	go func() { // an ioctl under way holds up the close, as a driver does
		ioctl <- tty.control("test", func(int) error { close(held); <-release; return nil })
	}()
	<-held
	_ = tty.Close()
	if n := o.Closing(); n != 1 {
		t.Errorf("%d ports are being closed, want 1", n)
	}
	_, err := o.OpenTTY(t.Context(), path, Spec{})
	wantClass(t, "Open", err, ErrBusy, "still being closed")
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Wait(done); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait without time: %v", err)
	}
	close(release)
	if err := <-ioctl; err != nil {
		t.Error(err)
	}
	wait(t, o)
	if n := o.Closing(); n != 0 {
		t.Errorf("%d ports are being closed, want 0", n)
	}
	open(t, o, path, Spec{})
}

// Go closes a descriptor in the goroutine of its last user. That must be ours: a
// Read or Write freed by Close has no 30 s to spare.
func TestUsersAreGoneBeforeTheDescriptorIsClosed(t *testing.T) {
	for i := range 3 {
		_, path := porttest.NewPTY(t)
		o := &Opener{}
		tty := open(t, o, path, Spec{})
		user := []*sync.Mutex{&tty.rmu, &tty.wmu, &tty.qmu}[i]
		user.Lock() // as during a Read, Write or ioctl
		_ = tty.Close()
		for range 100 {
			runtime.Gosched()
		}
		if n := countDescriptors(t, path); n != 1 {
			t.Errorf("user %d: %d descriptors, want 1 until it is done", i, n)
		}
		user.Unlock()
		wait(t, o)
		if n := countDescriptors(t, path); n != 0 {
			t.Errorf("user %d: %d descriptors, want 0 now", i, n)
		}
	}
}

func TestOpenGivenUp(t *testing.T) {
	_, path := porttest.NewPTY(t)
	o := &Opener{}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // by chance the port may be handed over
		if tty, err := o.OpenTTY(done, path, Spec{}); err == nil {
			_ = tty.Close()
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		wait(t, o)
	}
	open(t, o, path, Spec{}) // nothing of it is left
}

// The library that sets the line cannot read a descriptor above 1023. We can.
func TestManyPortsWithHighDescriptors(t *testing.T) {
	for range 1024 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	o := &Opener{}
	var boards []*os.File
	var ttys []*TTY
	for range 200 {
		board, path := porttest.NewPTY(t)
		tty := open(t, o, path, Spec{})
		onDescriptor(t, tty, func(fd int) {
			if fd < 1024 {
				t.Fatalf("descriptor %d is too low to show anything", fd)
			}
		})
		boards, ttys = append(boards, board), append(ttys, tty)
	}
	for i, tty := range ttys {
		if _, err := boards[i].Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		wantRead(t, "the port", tty, []byte{byte(i)})
		if _, err := tty.TryWrite([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		wantRead(t, "the board", boards[i], []byte{byte(i)})
	}
}

func TestDatagramsAreNoStream(t *testing.T) {
	_, err := (&Opener{}).Open(t.Context(), Spec{Path: "udp://:1884"})
	wantClass(t, "Open", err, ErrUnsuitable, "udp://:1884")
}
