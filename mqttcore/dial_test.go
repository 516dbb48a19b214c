package mqttcore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/test/certs"
)

func TestDialerURLs(t *testing.T) {
	tests := map[string]string{
		"mqtt://broker":                      "mqtt://broker:1883",
		"mqtt://broker/":                     "mqtt://broker:1883",
		"MQTT://broker:1":                    "mqtt://broker:1",
		"mqtts://broker.example.org":         "mqtts://broker.example.org:8883",
		"mqtts://[::1]":                      "mqtts://[::1]:8883",
		"mqtt://[fe80::1%25eth0]:1883":       "mqtt://[fe80::1%25eth0]:1883",
		"ws://broker":                        "ws://broker:80/mqtt",
		"ws://broker:9001":                   "ws://broker:9001/mqtt",
		"ws://broker/":                       "ws://broker:80/",
		"wss://broker":                       "wss://broker:443/mqtt",
		"wss://broker/ws/mqtt?X-Signature=a": "wss://broker:443/ws/mqtt",
	}
	for url, want := range tests {
		dialer, err := mqttcore.NewDialer(url, mqttcore.FileTLS{})
		if err != nil {
			t.Errorf("%s: %v", url, err)
		} else if dialer.String() != want {
			t.Errorf("%s reads %s, want %s", url, dialer, want)
		}
	}
}

func TestDialerRefusesURLs(t *testing.T) {
	tests := map[string]string{
		"":                           "write mqtt://, mqtts://, ws:// or wss://",
		"broker:1883":                "write mqtt://, mqtts://, ws:// or wss://",
		"broker.example.org":         "write mqtt://, mqtts://, ws:// or wss://",
		"tcp://broker":               "write mqtt://",
		"ssl://broker":               "write mqtts://",
		"tls://broker":               "write mqtts://",
		"http://broker":              "write ws://",
		"https://broker":             "write wss://",
		"amqp://broker":              `"amqp" is not known`,
		"mqtt://":                    "no host",
		"mqtt://:1883":               "no host",
		"mqtt://broker:0":            "port 0",
		"mqtt://broker:65536":        "port 65536",
		"mqtt://broker:mqtt":         "invalid port",
		"mqtt://broker/topic":        "no path",
		"mqtts://broker?a=b":         "no path and no query",
		"ws://broker/mqtt#x":         "fragment",
		"mqtt://bro ker":             "invalid character",
		"mqtt://secret@broker":       "user or a password",
		"mqtt://u:secret@broker":     "user or a password",
		"mqtts://u:sec/ret@broker":   "do not belong there",
		"mqtts://u:secret%zz@broker": "do not belong there",
	}
	for url, want := range tests {
		_, err := mqttcore.NewDialer(url, mqttcore.FileTLS{})
		wantErr(t, err, "mqttcore: broker URL", want)
		if err != nil && strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: the error repeats the secret: %v", url, err)
		}
	}
}

// Somebody who gives a CA thinks the connection is encrypted.
func TestDialerRefusesTLSSettingsWithoutTLS(t *testing.T) {
	for _, files := range []mqttcore.FileTLS{{CAFile: "ca.pem"}, {ServerName: "broker"}, {MinVersion: "1.2"}, {ALPN: []string{"mqtt"}}} {
		_, err := mqttcore.NewDialer("mqtt://broker", files)
		wantErr(t, err, "write mqtts://")
		_, err = mqttcore.NewDialer("ws://broker", files)
		wantErr(t, err, "write wss://")
	}
}

// listen accepts one connection after the other and hands them over. They are closed at the end of the test.
func listen(t *testing.T) (address string, conns <-chan net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted, done := make(chan net.Conn, 16), make(chan struct{})
	var open []net.Conn
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open = append(open, conn)
			accepted <- conn
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range open {
			_ = conn.Close()
		}
	})
	return listener.Addr().String(), accepted
}

func TestDialTCPOptions(t *testing.T) {
	address, _ := listen(t)
	conn, err := newDialer(t, "mqtt://"+address, mqttcore.FileTLS{}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct {
		name        string
		level, opt  int
		want        int
		description string
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, "on"},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1, "on"},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 30, "s"},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 10, "s"},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3, "times"},
	} {
		var got int
		var optErr error
		if err := raw.Control(func(fd uintptr) { got, optErr = unix.GetsockoptInt(int(fd), option.level, option.opt) }); err != nil {
			t.Fatal(err)
		}
		if optErr != nil || got != option.want {
			t.Errorf("%s is %d (%v), want %d %s", option.name, got, optErr, option.want, option.description)
		}
	}
}

func TestDialErrors(t *testing.T) {
	address, _ := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newDialer(t, "mqtt://"+address, mqttcore.FileTLS{}).Dial(ctx)
	wantErr(t, err, "mqttcore: dial mqtt://"+address)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not context.Canceled", err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close() // now nobody listens there
	_, err = newDialer(t, "mqtt://"+listener.Addr().String(), mqttcore.FileTLS{}).Dial(t.Context())
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("error %v is not ECONNREFUSED", err)
	}
}

// A server that accepts and then says nothing holds up a handshake until the context ends it, and the connection does not outlive it.
func TestDialEndsWithItsContext(t *testing.T) {
	for _, scheme := range []string{"mqtts", "ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			address, conns := listen(t)
			dialer := newDialer(t, scheme+"://"+address, mqttcore.FileTLS{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() {
				_, err := dialer.Dial(ctx)
				failed <- err
			}()
			conn := <-conns
			if _, err := conn.Read(make([]byte, 1)); err != nil { // the handshake has begun
				t.Fatal(err)
			}
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v is not context.Canceled", err)
			}
			wantClosed(t, conn)
		})
	}
}

// Nor does a connection outlive a broker that is not trusted.
func TestDialClosesWhatItDoesNotTrust(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	address, conns := listen(t)
	refused := make(chan error, 1)
	closed := make(chan net.Conn, 1)
	go func() {
		conn := <-conns
		refused <- tls.Server(conn, serverConfig(t, ca)).Handshake()
		closed <- conn
	}()
	dialer := newDialer(t, "mqtts://"+address, mqttcore.FileTLS{})
	wantErr(t, greet(t, dialer), "unknown authority")
	wantErr(t, <-refused, "remote error")
	wantClosed(t, <-closed)
}

// wantClosed reads until the other side has closed the connection.
func wantClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, unix.ECONNRESET) {
		err = nil
	}
	if err != nil {
		t.Errorf("connection is not closed: %v", err)
	}
}

// A peer that has stopped reading must not hold up Close: crypto/tls alone takes 5 s for its goodbye.
func TestTLSCloseDoesNotWaitForAStuckPeer(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	address, conns := listen(t)
	shaken := make(chan error, 1)
	go func() { shaken <- tls.Server(<-conns, serverConfig(t, ca)).Handshake() }() // and never reads again
	conn, err := newDialer(t, "mqtts://"+address, mqttcore.FileTLS{CAFile: ca.CertFile}).Dial(t.Context())
	if err := errors.Join(err, <-shaken); err != nil {
		t.Fatal(err)
	}
	raw := conn.(interface{ NetConn() net.Conn }).NetConn() // below TLS, which would remember that a Write failed
	fillToTheLastByte(raw)
	began := time.Now()
	_ = conn.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close took %v", took)
	}
}

// fill writes until the peer's buffers and ours are full.
func fill(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := conn.Write(make([]byte, 32<<20))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("write to a full socket: %v, want a timeout", err)
	}
}

// fillToTheLastByte fills a socket so that not even an alert of TLS fits in.
func fillToTheLastByte(conn net.Conn) {
	for size := 1 << 20; size > 0; {
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := conn.Write(make([]byte, size)); err != nil {
			size /= 16
		}
	}
	_ = conn.SetWriteDeadline(time.Time{})
}
