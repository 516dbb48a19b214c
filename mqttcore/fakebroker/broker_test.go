package fakebroker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a bare connection to the broker: it sends and reads bytes that the test names.
type client struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, b *fakebroker.Broker) client {
	t.Helper()
	conn, err := b.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client{conn, t}
}

// connect dials and sends a CONNECT.
func connect(t *testing.T, b *fakebroker.Broker, id string, clean bool) client {
	t.Helper()
	c := dial(t, b)
	c.send((&packet.Connect{ClientID: []byte(id), CleanSession: clean}).Append(nil))
	return c
}

func (c client) send(raw ...[]byte) {
	c.t.Helper()
	for _, p := range raw {
		if _, err := c.Write(p); err != nil {
			c.t.Fatal(err)
		}
	}
}

// want reads exactly these bytes.
func (c client) want(raw []byte) {
	c.t.Helper()
	got := make([]byte, len(raw))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != string(raw) {
		c.t.Fatalf("client read % x (%v), want % x", got, err, raw)
	}
}

// wantEnd reads until the end, which must come right away.
func (c client) wantEnd(want error) {
	c.t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
		c.t.Fatalf("client read %d bytes and %v, want %v", n, err, want)
	}
}

func connack(sessionPresent bool, code packet.ReturnCode) []byte {
	return packet.Connack{SessionPresent: sessionPresent, Code: code}.Append(nil)
}

// publish encodes a message with the topic a and its identifier for payload.
func publish(qos byte, id uint16, dup bool) []byte {
	m := packet.Publish{Topic: []byte("a"), Payload: fmt.Append(nil, id), ID: id, QoS: qos, Dup: dup}
	return m.Append(nil)
}

func subscribe(id uint16, filter string, qos byte) []byte {
	return packet.AppendSubscribe(nil, id, packet.Subscription{Filter: []byte(filter), QoS: qos})
}

func puback(ids ...uint16) (raw []byte) {
	for _, id := range ids {
		raw = packet.AppendPuback(raw, id)
	}
	return raw
}

// recorder is a test that may fail without its parent failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) FailNow()          { runtime.Goexit() }
func (r *recorder) Helper()           {}

// wantFailure runs a test inside a bubble that must fail, and say all of parts.
func wantFailure(t *testing.T, config fakebroker.Config, test func(t *testing.T, b *fakebroker.Broker), parts ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		b := fakebroker.New(r, config)
		done := make(chan struct{})
		go func() {
			defer close(done)
			test(t, b)
		}()
		<-done
		r.mu.Lock()
		defer r.mu.Unlock()
		said := strings.Join(r.failures, "\n")
		if said == "" {
			t.Errorf("the test passed, want it to fail with %q", parts)
		}
		for _, part := range parts {
			if !strings.Contains(said, part) {
				t.Errorf("the test failed with %q, want %q", said, part)
			}
		}
	})
}

func TestBrokerOnTCP(t *testing.T) {
	b := fakebroker.NewTCP(t, fakebroker.Config{})
	c := connect(t, b, "x", true)
	conn := b.Welcome(false)
	c.want(connack(false, packet.Accepted))
	c.send(publish(1, 1, false))
	conn.Want(`PUBLISH q1 id=1 a "1"`)
	conn.Puback(1)
	c.want(puback(1))
	conn.Close()
	c.wantEnd(io.EOF)

	c = connect(t, b, "x", true)
	if conn = b.Accept(); conn.Index() != 1 {
		t.Errorf("second connection has number %d", conn.Index())
	}
	conn.WantConnect()
	conn.Reset()
	c.wantEnd(syscall.ECONNRESET)
	if host, _, err := net.SplitHostPort(b.Addr()); err != nil || host != "127.0.0.1" {
		t.Errorf("address %s is not loopback", b.Addr())
	}
}

func TestTCPReceiveBufferIsSmall(t *testing.T) {
	b := fakebroker.NewTCP(t, fakebroker.Config{ReceiveBuffer: 4096})
	c := dial(t, b)
	b.Accept()
	_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Write(make([]byte, 8<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d bytes, %v, to a broker that does not read", n, err)
	}
}

func TestReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, fakebroker.Config{})
		b.SetReach(fakebroker.Refusing)
		if _, err := b.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refusing broker: %v", err)
		}
		b.SetReach(fakebroker.Silent)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := b.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("silent broker: %v after %v", err, time.Since(began))
		}
		b.SetReach(fakebroker.Reachable)
		dial(t, b)
		b.Accept()
		b.WaitDials(3)
		if n := b.Dials(); n != 3 {
			t.Errorf("%d dials counted, want 3", n)
		}
		cancel()
		if _, err := b.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial with a context that is over: %v", err)
		}
	})
}

func TestBrokerIsClosedWithItsTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *fakebroker.Broker
		var c client
		inner := &cleaner{TB: t}
		b = fakebroker.New(inner, fakebroker.Config{})
		c = dial(t, b)
		inner.run()
		c.wantEnd(io.EOF)
		if _, err := b.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after the test: %v", err)
		}
	})
}

// cleaner keeps cleanups until run.
type cleaner struct {
	testing.TB
	cleanups []func()
}

func (c *cleaner) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

func (c *cleaner) run() {
	for _, f := range c.cleanups {
		f()
	}
}

func TestReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, fakebroker.Config{})
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{} })
		payload := []byte("1")
		first := connect(t, b, "x", true)
		first.send(publish(1, 7, false))
		b.Wait(packet.PUBLISH, 1)
		second := connect(t, b, "x", true)
		second.send(publish(1, 7, true), publish(0, 0, false), puback(9))
		packets := b.Wait(packet.PUBLISH, 3)
		b.Wait(packet.PUBACK, 1)
		m := packets[1].Publish
		if packets[1].Conn != 1 || packets[1].ID != 7 || string(m.Topic) != "a" || string(m.Payload) != "7" || m.QoS != 1 || !m.Dup || m.Retain {
			t.Errorf("recorded %+v", packets[1])
		}
		payload[0] = 'X'
		var lines []string
		for _, p := range b.Received() {
			lines = append(lines, fmt.Sprintf("%d %s", p.Conn, p))
		}
		want := `0 CONNECT "x" clean keepalive=0
0 PUBLISH q1 id=7 a "7"
1 CONNECT "x" clean keepalive=0
1 PUBLISH q1 id=7 dup a "7"
1 PUBLISH q0 a "0"
1 PUBACK id=9`
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("received\n%s\nwant\n%s", got, want)
		}
		if n := len(b.ReceivedType(packet.CONNECT)); n != 2 {
			t.Errorf("%d CONNECT packets, want 2", n)
		}
	})
}

func TestPacketLines(t *testing.T) {
	will := packet.Connect{
		ClientID: []byte("b 1"), KeepAlive: 30, HasWill: true, WillQoS: 1, WillRetain: true, WillTopic: []byte("s"), Will: []byte("off"),
		HasUsername: true, Username: []byte("u"), HasPassword: true, Password: []byte("p"),
	}
	long := packet.Publish{Topic: []byte("a/b"), Payload: make([]byte, 64), QoS: 1, ID: 3, Dup: true, Retain: true}
	tests := []struct {
		raw  []byte
		want string
	}{
		{will.Append(nil), `CONNECT "b 1" keepalive=30 user="u" password="p" will=(q1 retain s "off")`},
		{long.Append(nil), `PUBLISH q1 id=3 dup retain a/b <64 bytes>`},
		{publish(0, 0, false), `PUBLISH q0 a "0"`},
		{packet.AppendSubscribe(nil, 8, packet.Subscription{Filter: []byte("c/#"), QoS: 1}, packet.Subscription{Filter: []byte("t")}), `SUBSCRIBE id=8 c/#:1 t:0`},
		{packet.AppendUnsubscribe(nil, 9, []byte("t"), []byte("u")), `UNSUBSCRIBE id=9 t u`},
		{puback(7), `PUBACK id=7`},
		{packet.AppendPingreq(nil), `PINGREQ`},
		{packet.AppendDisconnect(nil), `DISCONNECT`},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := fakebroker.New(t, fakebroker.Config{})
			c := dial(t, b)
			conn := b.Accept()
			if packet.TypeOf(test.raw[0]) != packet.CONNECT {
				c.send((&packet.Connect{CleanSession: true}).Append(nil))
				conn.Want(`CONNECT "" clean keepalive=0`)
			}
			c.send(test.raw)
			conn.Want(test.want)
		})
	}
}

func TestViolationsFailTheTest(t *testing.T) {
	hello := (&packet.Connect{CleanSession: true}).Append(nil)
	tests := []struct {
		name string
		raw  [][]byte
		want string
	}{
		{"malformed header", [][]byte{{0x11, 0}}, "flags"},
		{"malformed body", [][]byte{hello, {0x40, 2, 0, 0}}, "packet identifier"},
		{"huge", [][]byte{hello, {0x30, 0xff, 0xff, 0xff, 0x7f}}, "remaining length"},
		{"server's packet", [][]byte{hello, connack(false, 0)}, "not a client's to send"},
		{"QoS 2", [][]byte{hello, publish(2, 1, false)}, "QoS 2"},
		{"no CONNECT", [][]byte{publish(0, 0, false)}, "MQTT-3.1.0-1"},
		{"CONNECT twice", [][]byte{hello, hello}, "MQTT-3.1.0-2"},
		{"PINGREQ after DISCONNECT", [][]byte{hello, packet.AppendDisconnect(nil), packet.AppendPingreq(nil)}, "MQTT-3.14.4-2"},
		{"identifier in use", [][]byte{hello, publish(1, 5, false), publish(1, 5, false)}, "MQTT-2.3.1-2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantFailure(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{HoldPubacks: true} })
				c := dial(t, b)
				c.send(test.raw...)
				_, _ = io.Copy(io.Discard, c) // until the broker hangs up
			}, test.want)
		})
	}
}

// SUBSCRIBE, UNSUBSCRIBE and PUBLISH share their identifiers. DUP is no excuse for taking another's, nor does an answer of the wrong type free one.
func TestIdentifiersAreShared(t *testing.T) {
	for _, dup := range []bool{true, false} {
		wantFailure(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
			c := connect(t, b, "x", true)
			conn := b.Welcome(false)
			c.send(subscribe(5, "a", 1))
			conn.Want(`SUBSCRIBE id=5 a:1`)
			conn.Puback(5)
			conn.Unsuback(5)
			c.send(publish(1, 5, dup))
			conn.WantPublish()
		}, "MQTT-2.3.1-2", "want PUBLISH")
	}
}

func TestAnsweredIdentifiersMayBeUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, fakebroker.Config{})
		c := connect(t, b, "x", true)
		conn := b.Welcome(false)
		c.send(publish(1, 5, false), publish(1, 5, true))
		conn.Want(`PUBLISH q1 id=5 a "5"`)
		conn.Want(`PUBLISH q1 id=5 dup a "5"`)
		conn.Puback(5)
		c.send(subscribe(5, "a", 1))
		conn.Want(`SUBSCRIBE id=5 a:1`)
		conn.Suback(5, 1)
		c.send(packet.AppendUnsubscribe(nil, 5, []byte("a")))
		conn.Want(`UNSUBSCRIBE id=5 a`)
		conn.Unsuback(5)
		c.send(publish(1, 5, false))
		conn.Want(`PUBLISH q1 id=5 a "5"`)
	})
}
