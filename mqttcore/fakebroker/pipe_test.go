package fakebroker_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
)

// result is what a Read or Write in the background returned.
type result struct {
	n   int
	err error
}

// background runs a Read or Write and reports what it returned.
func background(op func([]byte) (int, error), p []byte) <-chan result {
	done := make(chan result, 1)
	go func() {
		n, err := op(p)
		done <- result{n, err}
	}()
	return done
}

// wantBlocked checks that an operation has not returned although everybody waits.
func wantBlocked(t *testing.T, done <-chan result) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-done:
		t.Fatalf("returned %d, %v; want it blocked", r.n, r.err)
	default:
	}
}

func wantResult(t *testing.T, done <-chan result, n int, err error) {
	t.Helper()
	if r := <-done; r.n != n || !errors.Is(r.err, err) {
		t.Errorf("returned %d, %v; want %d, %v", r.n, r.err, n, err)
	}
}

func TestPipeBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := fakebroker.Pipe(2, 4)
		wantResult(t, background(a.Write, []byte("abcd")), 4, nil)
		more := background(a.Write, []byte("efghij"))
		wantBlocked(t, more)
		got := make([]byte, 10)
		if n, err := b.Read(got[:1]); n != 1 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
		wantBlocked(t, more)
		if _, err := io.ReadFull(b, got[1:]); err != nil || string(got) != "abcdefghij" {
			t.Errorf("read %q, %v", got, err)
		}
		wantResult(t, more, 6, nil)

		// The other direction has its own size.
		wantResult(t, background(b.Write, []byte("ab")), 2, nil)
		third := background(b.Write, []byte("c"))
		wantBlocked(t, third)
		if n, ended := a.Buffered(); n != 2 || ended {
			t.Errorf("%d bytes buffered, ended %v; want 2, false", n, ended)
		}
		_, _ = a.Read(got)
		wantResult(t, third, 1, nil)
	})
}

func TestPipeEnds(t *testing.T) {
	tests := []struct {
		name      string
		end       func(a *fakebroker.PipeConn) error
		read      string // what b still reads
		readErr   error
		writeErr  error
		closedErr error // of a itself
	}{
		{"Close", (*fakebroker.PipeConn).Close, "last words", io.EOF, syscall.EPIPE, net.ErrClosed},
		{"Reset", (*fakebroker.PipeConn).Reset, "", syscall.ECONNRESET, syscall.ECONNRESET, net.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := fakebroker.Pipe(4, 64)
				_, _ = a.Write([]byte("last words"))
				writer := background(b.Write, []byte("too long"))
				wantBlocked(t, writer)
				if err := test.end(a); err != nil {
					t.Fatal(err)
				}
				if r := <-writer; !errors.Is(r.err, test.writeErr) {
					t.Errorf("blocked Write ends with %v, want %v", r.err, test.writeErr)
				}
				var got bytes.Buffer
				buffer := make([]byte, 3)
				n, err := b.Read(buffer)
				for ; err == nil; n, err = b.Read(buffer) {
					got.Write(buffer[:n])
				}
				if got.String() != test.read || !errors.Is(err, test.readErr) {
					t.Errorf("other end reads %q and %v, want %q and %v", got.String(), err, test.read, test.readErr)
				}
				for _, op := range []func([]byte) (int, error){a.Read, a.Write} {
					if _, err := op(make([]byte, 1)); !errors.Is(err, test.closedErr) {
						t.Errorf("this end returns %v, want %v", err, test.closedErr)
					}
				}
				if err := a.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("second Close returns %v", err)
				}
			})
		})
	}
}

func TestPipeCloseFreesItsOwnReaderAndWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := fakebroker.Pipe(1, 1)
		reader, writer := background(a.Read, make([]byte, 1)), background(a.Write, make([]byte, 2))
		wantBlocked(t, reader)
		wantBlocked(t, writer)
		_ = a.Close()
		wantResult(t, reader, 0, net.ErrClosed)
		wantResult(t, writer, 1, net.ErrClosed)
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := fakebroker.Pipe(1, 1)
		began := time.Now()
		_ = a.SetDeadline(began.Add(time.Hour))
		reader, writer := background(a.Read, make([]byte, 1)), background(a.Write, make([]byte, 3))
		wantResult(t, reader, 0, os.ErrDeadlineExceeded)
		wantResult(t, writer, 1, os.ErrDeadlineExceeded)
		if waited := time.Since(began); waited != time.Hour {
			t.Errorf("deadline came after %v", waited)
		}

		// The connection stays good, and a new deadline counts at once, for an operation under way too.
		_ = a.SetReadDeadline(time.Time{})
		reader = background(a.Read, make([]byte, 1))
		wantBlocked(t, reader)
		_ = a.SetReadDeadline(time.Now().Add(-time.Second))
		wantResult(t, reader, 0, os.ErrDeadlineExceeded)
		_ = a.SetReadDeadline(time.Time{})
		_, _ = b.Write([]byte("x"))
		wantResult(t, background(a.Read, make([]byte, 1)), 1, nil)
	})
}

func TestPipeAddresses(t *testing.T) {
	a, b := fakebroker.Pipe(1, 1)
	if a.LocalAddr() != b.RemoteAddr() || b.LocalAddr() != a.RemoteAddr() || a.LocalAddr() == b.LocalAddr() {
		t.Errorf("addresses %v-%v and %v-%v do not fit", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
}
