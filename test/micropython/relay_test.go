package micropython

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/patience"
)

// relay is a modem between the pty of a board and the broker: bytes are bytes, both ways. The board dials and hangs up by what it says to the test.
type relay struct {
	t       *testing.T
	address string // of the broker
	master  *os.File
	slave   *os.File // kept open, for the terminal's settings
	board   *interpreter.Board
	ended   sync.WaitGroup
	paused  chan struct{} // up has carried all that it has read
	resume  chan struct{}

	mu   sync.Mutex
	conn net.Conn // nil: nobody is connected
	down sync.WaitGroup
}

func newRelay(t *testing.T, address string) *relay {
	t.Helper()
	master, slave, err := cable.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, address: address, master: master, slave: slave, paused: make(chan struct{}), resume: make(chan struct{})}
	r.ended.Go(r.up)
	t.Cleanup(func() {
		r.hangUp()
		_ = master.Close()
		r.ended.Wait()
		_ = slave.Close()
	})
	return r
}

// up carries what the board writes; to nobody, if nobody is connected.
func (r *relay) up() {
	buf := make([]byte, 4096)
	for {
		n, err := r.master.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.paused <- struct{}{}
			<-r.resume
			continue
		}
		if err != nil {
			return
		}
		r.mu.Lock()
		conn := r.conn
		r.mu.Unlock()
		if conn != nil {
			_, _ = conn.Write(buf[:n]) // the reader sees that it is gone
		}
	}
}

// dial connects the board with the broker and reports whether it could.
func (r *relay) dial() bool {
	r.hangUp()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		return false
	}
	r.mu.Lock()
	r.conn = conn
	r.mu.Unlock()
	r.down.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if n > 0 {
				_, _ = r.master.Write(buf[:n])
			}
			if err == nil {
				continue
			}
			r.mu.Lock()
			mine := r.conn == conn // else the board has hung up
			if mine {
				r.conn = nil
			}
			r.mu.Unlock()
			_ = conn.Close()
			if mine {
				r.board.Say("over")
			}
			return
		}
	})
	return true
}

// flush waits until all that the board has written is with the broker: else it would be the beginning of what the next connection carries.
func (r *relay) flush() {
	patience.Wait(r.t, "what the board wrote is read", func() bool {
		n, err := unix.IoctlGetInt(int(r.slave.Fd()), unix.TIOCOUTQ)
		return err == nil && n == 0
	})
	_ = r.master.SetReadDeadline(time.Now())
	<-r.paused
	_ = r.master.SetReadDeadline(time.Time{})
	r.resume <- struct{}{}
}

// hangUp ends the connection, if there is one.
func (r *relay) hangUp() {
	r.flush()
	r.mu.Lock()
	conn := r.conn
	r.conn = nil
	r.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	r.down.Wait()
}

// drop ends the connection as a cable that is pulled does: the broker sees it end, and so does the board.
func (r *relay) drop() {
	r.mu.Lock()
	conn := r.conn
	r.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // the reader tells the board
		r.down.Wait()
	}
}
