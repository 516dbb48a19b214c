// Package relay is a modem between the pty of a board and a TCP address: bytes are bytes, both ways, and nothing is checked or repeated. A MQTT client on a board reaches a
// broker through it without a gateway, which is what the gateway is compared with.
//
//	r := relay.New(t, broker.Addr(), func() { board.Say("over") })
//	// ... a board whose UART is r.BoardPath() asks for a connection ...
//	r.Dial()
//	r.HangUp()
package relay

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// Relay is a modem. Its methods belong to the test's goroutine.
type Relay struct {
	t       testing.TB
	address string // of the broker
	master  *os.File
	slave   *os.File // kept open, for the terminal's settings
	over    func()   // the other side has hung up
	ended   sync.WaitGroup
	paused  chan struct{} // up has carried all that it has read
	resume  chan struct{}

	mu   sync.Mutex
	conn net.Conn // nil: nobody is connected
	down sync.WaitGroup
}

// New returns a modem that is connected with nobody, until the test ends. Over is called, by any goroutine, behind the last byte when the other side has hung up.
func New(t testing.TB, address string, over func()) *Relay {
	t.Helper()
	master, slave, err := cable.OpenPTY()
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	r := &Relay{t: t, address: address, over: over, master: master, slave: slave, paused: make(chan struct{}), resume: make(chan struct{})}
	r.ended.Go(r.up)
	t.Cleanup(func() {
		r.HangUp()
		_ = master.Close()
		r.ended.Wait()
		_ = slave.Close()
	})
	return r
}

// BoardPath returns where the board finds its end. It is raw.
func (r *Relay) BoardPath() string { return r.slave.Name() }

// up carries what the board writes; to nobody, if nobody is connected.
func (r *Relay) up() {
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

// Dial connects the board with the broker and reports whether it could.
func (r *Relay) Dial() bool {
	r.HangUp()
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
				r.over()
			}
			return
		}
	})
	return true
}

// flush waits until all that the board has written is with the broker: else it would be the beginning of what the next connection carries.
func (r *Relay) flush() {
	patience.Wait(r.t, "what the board wrote is read", func() bool {
		n, err := unix.IoctlGetInt(int(r.slave.Fd()), unix.TIOCOUTQ)
		return err == nil && n == 0
	})
	_ = r.master.SetReadDeadline(time.Now())
	<-r.paused
	_ = r.master.SetReadDeadline(time.Time{})
	r.resume <- struct{}{}
}

// HangUp ends the connection, if there is one.
func (r *Relay) HangUp() {
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

// Drop ends the connection as a cable that is pulled does: the broker sees it end, and so does the board.
func (r *Relay) Drop() {
	r.mu.Lock()
	conn := r.conn
	r.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // the reader tells the board
		r.down.Wait()
	}
}
