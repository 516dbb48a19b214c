package mosquitto_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/packet"
	"github.com/umqttd/umqttd/test/mosquitto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout bounds every wait for the broker.
const timeout = 20 * time.Second

// dial connects through a Dialer and fails the test if that fails.
func dial(t *testing.T, url string, files mqttcore.FileTLS) net.Conn {
	t.Helper()
	conn, err := tryDial(t, url, files)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func tryDial(t *testing.T, url string, files mqttcore.FileTLS) (net.Conn, error) {
	t.Helper()
	dialer, err := mqttcore.NewDialer(url, files)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	conn, err := dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(timeout))
	return conn, nil
}

// exchange sends raw bytes and returns as many bytes of the answer as want has. A broker that hangs up says why before it does: what can be
// read counts more than that writing failed.
func exchange(conn net.Conn, raw, want []byte) (got []byte, err error) {
	_, writeErr := conn.Write(raw)
	got = make([]byte, len(want))
	n, err := io.ReadFull(conn, got)
	return got[:n], errors.Join(err, writeErr)
}

func wantExchange(t *testing.T, conn net.Conn, raw, want []byte) {
	t.Helper()
	if got, err := exchange(conn, raw, want); err != nil || string(got) != string(want) {
		t.Fatalf("sent % x, read % x (%v), want % x", raw, got, err, want)
	}
}

func hello(id string) *packet.Connect {
	return &packet.Connect{ClientID: []byte(id), CleanSession: true}
}

func connack(sessionPresent bool, code packet.ReturnCode) []byte {
	return packet.Connack{SessionPresent: sessionPresent, Code: code}.Append(nil)
}

func publish(qos byte, id uint16, retain bool, topic, payload string) []byte {
	m := packet.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos, ID: id, Retain: retain}
	return m.Append(nil)
}

func TestPlainBrokerOnLoopback(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{})
	if host, _, err := net.SplitHostPort(broker.Addr()); err != nil || host != "127.0.0.1" {
		t.Errorf("address %s is not loopback", broker.Addr())
	}
	conn := dial(t, broker.URL(), mqttcore.FileTLS{})
	wantExchange(t, conn, hello("a").Append(nil), connack(false, packet.Accepted))
	subscription := packet.Subscription{Filter: []byte("x"), QoS: 1}
	wantExchange(t, conn, packet.AppendSubscribe(nil, 1, subscription), packet.AppendSuback(nil, 1, 1))
	wantExchange(t, conn, publish(0, 0, false, "x", "1"), publish(0, 0, false, "x", "1"))
	broker.Stop() // all it has to say is said
	if log := broker.Log(); !strings.Contains(log, "running") || !strings.Contains(log, "New client connected from") {
		t.Errorf("log is incomplete:\n%s", log)
	}
}

func TestTwoBrokersAreTwo(t *testing.T) {
	one, two := mosquitto.Start(t, mosquitto.Config{}), mosquitto.Start(t, mosquitto.Config{})
	if one.Addr() == two.Addr() || one.PID() == two.PID() {
		t.Errorf("brokers share %s or process %d", one.Addr(), one.PID())
	}
}

func TestStopAndRestartKeepThePort(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{})
	for _, end := range []func(){broker.Stop, broker.Kill} {
		addr, pid := broker.Addr(), broker.PID()
		conn := dial(t, broker.URL(), mqttcore.FileTLS{})
		wantExchange(t, conn, hello("a").Append(nil), connack(false, packet.Accepted))
		end()
		if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the connection did not end: %v", err)
		}
		if _, err := tryDial(t, broker.URL(), mqttcore.FileTLS{}); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling the broker that is gone: %v", err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) || broker.PID() != 0 {
			t.Errorf("process %d is still there: %v", pid, err)
		}
		broker.Restart()
		if broker.Addr() != addr || broker.PID() == pid {
			t.Errorf("restarted as process %d on %s, want another than %d on %s", broker.PID(), broker.Addr(), pid, addr)
		}
	}
	pid := broker.PID()
	broker.Restart() // a running one
	if broker.PID() == pid {
		t.Error("Restart left the broker as it was")
	}
	conn := dial(t, broker.URL(), mqttcore.FileTLS{})
	wantExchange(t, conn, hello("a").Append(nil), connack(false, packet.Accepted))
}

func TestPause(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{})
	broker.Pause()
	conn := dial(t, broker.URL(), mqttcore.FileTLS{}) // the kernel accepts
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if got, err := exchange(conn, hello("a").Append(nil), connack(false, packet.Accepted)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused broker answers % x, %v", got, err)
	}
	broker.Resume()
	_ = conn.SetReadDeadline(time.Now().Add(timeout))
	wantExchange(t, conn, nil, connack(false, packet.Accepted))
	broker.Pause()
	broker.Kill()
}

// retained connects anew and returns the payload retained under r, "" for none.
func retained(t *testing.T, broker *mosquitto.Broker) string {
	t.Helper()
	conn := dial(t, broker.URL(), mqttcore.FileTLS{})
	wantExchange(t, conn, hello("").Append(nil), connack(false, packet.Accepted))
	wantExchange(t, conn, packet.AppendSubscribe(nil, 1, packet.Subscription{Filter: []byte("r")}), packet.AppendSuback(nil, 1, 0))
	ping := packet.AppendPingresp(nil)
	got, err := exchange(conn, packet.AppendPingreq(nil), ping)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == string(ping) {
		return ""
	}
	rest := make([]byte, got[1])
	if _, err := io.ReadFull(conn, rest); err != nil {
		t.Fatal(err)
	}
	message, err := packet.ParsePublish(append(got, rest...))
	if err != nil {
		t.Fatal(err)
	}
	return string(message.Payload)
}

func TestPersistence(t *testing.T) {
	for _, persistent := range []bool{true, false} {
		for name, end := range map[string]func(*mosquitto.Broker){"Stop": (*mosquitto.Broker).Stop, "Kill": (*mosquitto.Broker).Kill} {
			t.Run(fmt.Sprintf("%s, persistence %t", name, persistent), func(t *testing.T) {
				broker := mosquitto.Start(t, mosquitto.Config{Persistence: persistent})
				conn := dial(t, broker.URL(), mqttcore.FileTLS{})
				session := &packet.Connect{ClientID: []byte("keeper")}
				wantExchange(t, conn, session.Append(nil), connack(false, packet.Accepted))
				wantExchange(t, conn, publish(1, 1, true, "r", "kept"), packet.AppendPuback(nil, 1))
				wantExchange(t, conn, packet.AppendPingreq(nil), packet.AppendPingresp(nil))
				end(broker)
				broker.Restart()
				want := map[bool]string{true: "kept"}[persistent]
				if got := retained(t, broker); got != want {
					t.Errorf("retained %q, want %q", got, want)
				}
				conn = dial(t, broker.URL(), mqttcore.FileTLS{})
				wantExchange(t, conn, session.Append(nil), connack(persistent, packet.Accepted))
			})
		}
	}
}

// wantACL checks whether a client may read what a publisher sends to mine/x. Mosquitto grants every subscription, and then keeps back the messages.
func wantACL(t *testing.T, publisher, conn net.Conn, allowed bool) {
	t.Helper()
	wantExchange(t, conn, packet.AppendSubscribe(nil, 1, packet.Subscription{Filter: []byte("#")}), packet.AppendSuback(nil, 1, 0))
	wantExchange(t, publisher, publish(1, 1, false, "mine/x", "1"), packet.AppendPuback(nil, 1))
	want := packet.AppendPingresp(nil)
	if allowed {
		want = append(publish(0, 0, false, "mine/x", "1"), want...)
	}
	wantExchange(t, conn, packet.AppendPingreq(nil), want)
}

func TestUsersAndACL(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{
		Users: map[string]string{"gateway": "s e:cret", "other": "x"},
		ACL:   []string{"user gateway", "topic readwrite mine/#"},
	})
	connect := func(id, user, password string, code packet.ReturnCode) net.Conn {
		c := hello(id)
		c.HasUsername, c.HasPassword, c.Username, c.Password = true, true, []byte(user), []byte(password)
		conn := dial(t, broker.URL(), mqttcore.FileTLS{})
		wantExchange(t, conn, c.Append(nil), connack(false, code))
		return conn
	}
	gateway := connect("a", "gateway", "s e:cret", packet.Accepted)
	wantACL(t, gateway, connect("b", "gateway", "s e:cret", packet.Accepted), true)
	wantACL(t, gateway, connect("c", "other", "x", packet.Accepted), false)
	connect("d", "gateway", "x", packet.RefusedUnauthorized)
	wantExchange(t, dial(t, broker.URL(), mqttcore.FileTLS{}), hello("e").Append(nil), connack(false, packet.RefusedUnauthorized))
}

func TestMaxInflightAndLines(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{MaxInflight: 2, Lines: []string{"message_size_limit 10"}})
	conn := dial(t, broker.URL(), mqttcore.FileTLS{})
	wantExchange(t, conn, hello("a").Append(nil), connack(false, packet.Accepted))
	wantExchange(t, conn, packet.AppendSubscribe(nil, 9, packet.Subscription{Filter: []byte("x"), QoS: 1}), packet.AppendSuback(nil, 9, 1))
	var burst []byte
	counts := map[packet.Type]int{}
	for id := range uint16(3) {
		burst = append(burst, publish(1, id+1, false, "x", "1")...)
	}
	if _, err := conn.Write(append(burst, packet.AppendPingreq(nil)...)); err != nil {
		t.Fatal(err)
	}
	for counts[packet.PINGRESP] == 0 {
		header := make([]byte, 2)
		_, err := io.ReadFull(conn, header)
		if err == nil {
			_, err = io.CopyN(io.Discard, conn, int64(header[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
		counts[packet.TypeOf(header[0])]++
	}
	if counts[packet.PUBLISH] != 2 || counts[packet.PUBACK] != 3 {
		t.Errorf("read %v before PINGRESP, want 2 PUBLISH under way and 3 PUBACK", counts)
	}
	if _, err := conn.Write(publish(0, 0, false, "x", "more than ten bytes")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a message over the limit of Lines was let through: %v", err)
	}
}
