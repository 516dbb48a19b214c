package port

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

// everyStream runs f with each kind of stream and the other end of it.
func everyStream(t *testing.T, f func(t *testing.T, p Port, s *stream, other io.ReadWriteCloser)) {
	t.Run("pty", func(t *testing.T) {
		board, tty := openPTY(t, Spec{})
		f(t, tty, &tty.stream, board)
	})
	t.Run("tcp", func(t *testing.T) {
		server, tcp := dialTCP(t)
		f(t, tcp, &tcp.stream, server)
	})
}

// fill writes to p until it takes no more, and returns how much it took.
func fill(t *testing.T, p Port) (total int) {
	t.Helper()
	chunk := make([]byte, 4096)
	for {
		n, err := p.TryWrite(chunk)
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n == 0 {
			return total
		}
	}
}

func TestTryWriteNeverBlocks(t *testing.T) {
	everyStream(t, func(t *testing.T, p Port, _ *stream, other io.ReadWriteCloser) {
		total := fill(t, p)
		if total == 0 {
			t.Fatal("nothing was taken")
		}
		if _, err := io.ReadFull(other, make([]byte, total)); err != nil {
			t.Fatal(err)
		}
		for { // what was taken has arrived; the port takes more, soon
			if n, err := p.TryWrite([]byte("x")); err != nil {
				t.Fatal(err)
			} else if n == 1 {
				break
			}
			runtime.Gosched()
		}
		wantReadByte(t, other, 'x')
	})
}

func wantReadByte(t *testing.T, r io.Reader, want byte) {
	t.Helper()
	wantRead(t, "the other end", r, []byte{want})
}

// blockedWrite starts a Write of len bytes to a full port, and returns when it
// holds the port.
func blockedWrite(p Port, s *stream, length int) <-chan error {
	done := make(chan error, 1)
	go func() {
		n, err := p.Write(make([]byte, length))
		if err == nil && n != length {
			err = io.ErrShortWrite
		}
		done <- err
	}()
	for s.wmu.TryLock() {
		s.wmu.Unlock()
		runtime.Gosched()
	}
	return done
}

func TestWriteBlocksUntilAllIsTaken(t *testing.T) {
	everyStream(t, func(t *testing.T, p Port, s *stream, other io.ReadWriteCloser) {
		total := fill(t, p)
		const more = 100_000
		done := blockedWrite(p, s, more)
		if n, err := p.TryWrite([]byte("x")); n != 0 || err != nil {
			t.Errorf("TryWrite during a Write: %d, %v, want nothing written", n, err)
		}
		if _, err := io.ReadFull(other, make([]byte, total+more)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseFreesReaderAndWriter(t *testing.T) {
	everyStream(t, func(t *testing.T, p Port, s *stream, _ io.ReadWriteCloser) {
		fill(t, p)
		writing := blockedWrite(p, s, 100_000)
		waiting := blockedWrite(p, s, 1) // behind the first
		reading := make(chan error, 1)
		go func() {
			_, err := p.Read(make([]byte, 1))
			reading <- err
		}()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantClass(t, "Read", <-reading, ErrClosed)
		wantClass(t, "Write", <-writing, ErrClosed)
		wantClass(t, "Write that waited", <-waiting, ErrClosed)
	})
}

func TestWriteDeadline(t *testing.T) {
	everyStream(t, func(t *testing.T, p Port, s *stream, other io.ReadWriteCloser) {
		total := fill(t, p)
		if err := s.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("late")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write after its deadline: %v", err)
		}
		if _, err := io.ReadFull(other, make([]byte, total)); err != nil {
			t.Fatal(err)
		}
		for { // TryWrite needs no deadline and minds none
			if n, err := p.TryWrite([]byte("x")); err != nil {
				t.Fatal(err)
			} else if n == 1 {
				break
			}
			runtime.Gosched()
		}
		if err := s.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("y")); err != nil {
			t.Error(err)
		}
		wantRead(t, "the other end", other, []byte("xy"))
	})
}

func TestBytesCostNoAllocation(t *testing.T) {
	everyStream(t, func(t *testing.T, p Port, s *stream, other io.ReadWriteCloser) {
		buf := make([]byte, 64)
		echo := func(write func([]byte) (int, error)) func() {
			return func() {
				if n, err := write(buf[:32]); n != 32 || err != nil {
					t.Fatal(n, err)
				}
				if _, err := io.ReadFull(other, buf[:32]); err != nil {
					t.Fatal(err)
				}
				if _, err := other.Write(buf[:32]); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(p, buf[:32]); err != nil {
					t.Fatal(err)
				}
				if _, err := s.OutQueue(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := testing.AllocsPerRun(100, echo(p.TryWrite)); n != 0 {
			t.Errorf("TryWrite, Read and OutQueue allocate %v times", n)
		}
		if n := testing.AllocsPerRun(100, echo(p.Write)); n != 0 {
			t.Errorf("Write, Read and OutQueue allocate %v times", n)
		}
	})
}

// dialTCP returns both ends of a connection.
func dialTCP(t testing.TB) (server net.Conn, tcp *TCP) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := (&Opener{}).Open(t.Context(), Spec{Path: schemeTCP + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Close()
		_ = server.Close()
	})
	return server, p.(*TCP)
}

func benchmarkEcho(b *testing.B, p Port, board io.ReadWriter) {
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		buf := make([]byte, 64)
		for {
			n, err := board.Read(buf)
			if err != nil {
				return
			}
			if _, err := board.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	frame := make([]byte, 32)
	b.ReportAllocs()
	b.SetBytes(2 * int64(len(frame)))
	for b.Loop() {
		if n, err := p.TryWrite(frame); n != len(frame) || err != nil {
			b.Fatal(n, err)
		}
		if _, err := io.ReadFull(p, frame); err != nil {
			b.Fatal(err)
		}
	}
	_ = p.Close()
	if c, ok := board.(io.Closer); ok {
		_ = c.Close()
	}
	<-echoed
}

// BenchmarkEchoPTY is the round trip of 32 bytes to a board on a pty and back.
func BenchmarkEchoPTY(b *testing.B) {
	board, tty := openPTY(b, Spec{})
	benchmarkEcho(b, tty, board)
}

// BenchmarkEchoTCP is the same through a connection on the loopback interface.
func BenchmarkEchoTCP(b *testing.B) {
	server, tcp := dialTCP(b)
	benchmarkEcho(b, tcp, server)
}

// BenchmarkOpenPTY is opening and closing a port, with all its ioctls.
func BenchmarkOpenPTY(b *testing.B) {
	_, path := porttest.NewPTY(b)
	o := &Opener{}
	b.ReportAllocs()
	for b.Loop() {
		tty, err := o.OpenTTY(b.Context(), path, Spec{})
		if err != nil {
			b.Fatal(err)
		}
		_ = tty.Close()
		if err := o.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
