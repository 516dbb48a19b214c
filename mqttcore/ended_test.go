package mqttcore

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Who ended a connection that had stood: the broker, or something else.
func TestByPeer(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(conn *fakebroker.Conn, r *runner)
		want bool
	}{
		"closed":      {func(conn *fakebroker.Conn, _ *runner) { conn.Close() }, true},
		"reset":       {func(conn *fakebroker.Conn, _ *runner) { conn.Reset() }, true},
		"in a packet": {func(conn *fakebroker.Conn, _ *runner) { conn.SendRaw([]byte{0x30}); conn.Close() }, true},
		"broke MQTT":  {func(conn *fakebroker.Conn, _ *runner) { conn.SendRaw([]byte{0}) }, false},
		"fell silent": {func(*fakebroker.Conn, *runner) { time.Sleep(time.Minute) }, false},
		"was asked to": {func(_ *fakebroker.Conn, r *runner) {
			if err := r.Disconnect(context.Background()); err != nil {
				r.t.Error(err)
			}
			time.Sleep(2 * goodbyeTimeout)
		}, false},
		"closed by us":   {func(_ *fakebroker.Conn, r *runner) { r.cancel() }, false},
		"a second CONNA": {func(conn *fakebroker.Conn, _ *runner) { conn.Connack(false, packet.Accepted) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				r := start(t, b, Config{BackoffMin: time.Hour, BackoffMax: time.Hour})
				conn := b.Welcome(false)
				synctest.Wait()
				c.end(conn, r)
				s := r.lastState()
				if s.Kind != Disconnected || s.ByPeer != c.want {
					t.Errorf("%+v, want ByPeer %v", s, c.want)
				}
			})
		})
	}
}

// An attempt that fails is no end of a connection.
func TestByPeerNeedsAConnection(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{BackoffMin: time.Hour, BackoffMax: time.Hour})
		conn := b.Accept()
		conn.WantConnect()
		conn.Close()
		if s := r.lastState(); s.ByPeer || s.Attempt != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// The writer may see it before the reader does.
func TestByPeerSeenByTheWriter(t *testing.T) {
	for _, err := range []error{syscall.EPIPE, syscall.ECONNRESET} {
		if !endedByPeer(&net.OpError{Op: "write", Err: err}) {
			t.Errorf("%v is not the peer's doing", err)
		}
	}
	if err := errors.New("no route to host"); endedByPeer(err) {
		t.Errorf("%v is the peer's doing", err)
	}
}

// A broker that closed on a message closes on it again. Messages behind it must
// not be there then: the acknowledgements of those before it may have been lost,
// and nobody could tell which of them it was.
func TestFirstMessageGoesAloneAfterTheBrokerClosed(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{MaxInflight: 3, BackoffMin: 1, BackoffMax: 1})
		conn := b.Welcome(false)
		r.publish(1, 4)
		conn.Want(`PUBLISH q1 id=1 t "\x01"`)
		conn.Want(`PUBLISH q1 id=2 t "\x02"`)
		conn.Want(`PUBLISH q1 id=3 t "\x03"`)
		conn.Close()
		for range 2 {
			conn = b.Welcome(true)
			conn.Want(`PUBLISH q1 id=1 dup t "\x01"`)
			conn.WantIdle()
			conn.Close()
		}
		conn = b.Welcome(true)
		conn.Want(`PUBLISH q1 id=1 dup t "\x01"`)
		conn.WantIdle()
		conn.Puback(1)
		conn.Want(`PUBLISH q1 id=2 dup t "\x02"`)
		conn.Want(`PUBLISH q1 id=3 dup t "\x03"`)
		conn.Want(`PUBLISH q1 id=4 t "\x04"`)
		for id := range uint16(3) {
			conn.Puback(id + 2)
		}
		r.onceEach(4)
	})
}

// Any other end says nothing about messages.
func TestWindowIsFullAfterAnotherEnd(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{BackoffMin: 1, BackoffMax: 1})
		conn := b.Welcome(false)
		r.publish(1, 2)
		conn.Want(`PUBLISH q1 id=1 t "\x01"`)
		conn.Want(`PUBLISH q1 id=2 t "\x02"`)
		conn.SendRaw([]byte{0}) // no MQTT: closed by us
		conn = b.Welcome(true)
		conn.Want(`PUBLISH q1 id=1 dup t "\x01"`)
		conn.Want(`PUBLISH q1 id=2 dup t "\x02"`)
		conn.Puback(1)
		conn.Puback(2)
	})
}
