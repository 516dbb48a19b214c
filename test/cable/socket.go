package cable

import (
	"bytes"
	"net"
	"testing"
)

// Socket is a line without a cable: MQTT-SN over UDP, a bare message a datagram.
type Socket struct {
	conn net.Conn
	in   chan []byte
}

// NewSocket returns a socket of a board whose gateway is at host:port.
func NewSocket(t testing.TB, address string) *Socket {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatalf("cable: %v", err)
	}
	s := &Socket{conn: conn, in: make(chan []byte)}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.read(done)
	}()
	t.Cleanup(func() {
		close(done)
		_ = conn.Close()
		<-ended
	})
	return s
}

func (s *Socket) read(done <-chan struct{}) {
	buf := make([]byte, 65536)
	for {
		select {
		case <-done:
			return
		default:
		}
		n, err := s.conn.Read(buf)
		if err != nil {
			continue // nobody listens at the moment
		}
		select {
		case s.in <- bytes.Clone(buf[:n]):
		case <-done:
			return
		}
	}
}

// In is what arrives from the gateway, one message at a time.
func (s *Socket) In() <-chan []byte { return s.in }

// Send sends a message. It is lost if nobody listens.
func (s *Socket) Send(body []byte) { _, _ = s.conn.Write(body) }

// Write sends a datagram, be it a message or not.
func (s *Socket) Write(p []byte) { s.Send(p) }

func (s *Socket) datagram() bool { return true }
