package doctor_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/doctor"
	"github.com/umqttd/umqttd/test/certs"
)

// serve answers each connection to a listener on loopback, and returns its address.
func serve(t *testing.T, wrap func(net.Listener) net.Listener, answer func(net.Conn)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if wrap != nil {
		listener = wrap(listener)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				answer(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	return address
}

// withTLS makes a listener that of a broker with a certificate.
func withTLS(t *testing.T, pair certs.Pair) func(net.Listener) net.Listener {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
}

// broker answers CONNECT with bytes, and waits until the other end closes.
func broker(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		b := make([]byte, 256)
		if _, err := conn.Read(b); err != nil {
			return
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
		_, _ = conn.Read(b)
	}
}

func TestLogin(t *testing.T) {
	tests := map[string]struct {
		answer string
		level  doctor.Level
		words  string
	}{
		"accepted":          {"\x20\x02\x00\x00", doctor.OK, "accepted"},
		"client id refused": {"\x20\x02\x00\x02", doctor.Warning, "umqttd-doctor-"},
		"not available":     {"\x20\x02\x00\x03", doctor.Problem, "not available"},
		"bad password":      {"\x20\x02\x00\x04", doctor.Problem, "return code 4"},
		"not authorized":    {"\x20\x02\x00\x05", doctor.Problem, "username and password_file"},
		"no broker":         {"HTTP/1.1 400 Bad Request\r\n\r\n", doctor.Problem, "no MQTT broker"},
		"closed at once":    {"", doctor.Problem, "speak TLS"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := broker(test.answer)
			if test.answer == "" {
				answer = func(net.Conn) {}
			}
			p := newPatient(t)
			p.Broker(t.Context(), &config.Broker{URL: "mqtt://" + serve(t, nil, answer)})
			p.has("reached", doctor.OK, "127.0.0.1")
			p.has("login", test.level, test.words)
		})
	}
}

func TestBrokerThatIsNotReached(t *testing.T) {
	p := newPatient(t)
	p.Broker(t.Context(), &config.Broker{URL: config.Embedded})
	p.has("reached", doctor.OK, "inside umqttd")

	// A port that was free a moment ago.
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p.Broker(t.Context(), &config.Broker{URL: "mqtt://" + address})
	p.has("reached", doctor.Problem, "refused", "nobody listens there")

	p.Dial = func(_ context.Context, _ *config.Broker) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "brokr.example", IsNotFound: true}
	}
	p.Broker(t.Context(), &config.Broker{URL: "mqtt://brokr.example"})
	p.has("reached", doctor.Problem, "no such host", "getent hosts brokr.example")
}

func TestBrokersCertificate(t *testing.T) {
	dir := t.TempDir()
	ca, stranger := certs.NewAuthority(t, dir, "ca"), certs.NewAuthority(t, dir, "stranger")
	good := ca.Server(t, "good", time.Time{})
	expired := ca.Server(t, "expired", time.Now().Add(-time.Minute))
	client := ca.Client(t, "gateway", time.Time{})
	accepted := broker("\x20\x02\x00\x00")

	tests := map[string]struct {
		pair  certs.Pair
		tls   config.TLS
		level doctor.Level
		words []string
	}{
		"good":              {good, config.TLS{CAFile: ca.CertFile}, doctor.OK, nil},
		"signed by another": {good, config.TLS{CAFile: stranger.CertFile}, doctor.Problem, []string{"tls.ca_file"}},
		"for another name":  {good, config.TLS{CAFile: ca.CertFile, ServerName: "broker.example.org"}, doctor.Problem, []string{"localhost", "tls.server_name"}},
		"expired":           {expired, config.TLS{CAFile: ca.CertFile}, doctor.Problem, []string{"renew the broker's certificate", "timedatectl"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.Now = time.Now
			p.Broker(t.Context(), &config.Broker{URL: "mqtts://" + serve(t, withTLS(t, test.pair), accepted), TLS: test.tls})
			p.has("reached", test.level, test.words...)
			if test.level == doctor.OK {
				p.has("its certificate", doctor.Warning, "expires on", "in 0 days") // certs makes them for a day
				p.has("login", doctor.OK)
			}
		})
	}

	t.Run("none, for it speaks no TLS", func(t *testing.T) {
		p := newPatient(t)
		address := serve(t, nil, func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example.org\r\n")) })
		p.Broker(t.Context(), &config.Broker{URL: "mqtts://" + address, TLS: config.TLS{CAFile: ca.CertFile}})
		p.has("reached", doctor.Problem, "does not speak TLS", "8883")
	})
	t.Run("our own, long gone", func(t *testing.T) {
		p := newPatient(t)
		p.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
		p.Broker(t.Context(), &config.Broker{
			URL: "mqtts://" + serve(t, withTLS(t, good), accepted),
			TLS: config.TLS{CAFile: ca.CertFile, CertFile: client.CertFile, KeyFile: client.KeyFile},
		})
		p.has("client certificate", doctor.Problem, client.CertFile, "expired on", "this machine's clock")
		p.has("authorities", doctor.Problem, ca.CertFile)
	})
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := serve(t, nil, broker("\x20\x02\x00\x00"))
	b := &config.Broker{URL: "mqtt://" + address, Username: "gateway", PasswordFile: password}

	p := newPatient(t)
	p.Broker(t.Context(), b)
	p.has("key file", doctor.OK, password)
	p.has("login", doctor.OK)

	p = newPatient(t)
	p.User = stranger
	p.Broker(t.Context(), b)
	p.has("key file", doctor.Problem, "stranger may not read "+password, "sudo chgrp stranger")

	if err := os.Chmod(password, 0o644); err != nil {
		t.Fatal(err)
	}
	p = newPatient(t)
	p.Broker(t.Context(), b)
	p.has("key file", doctor.Warning, "every user", "chmod o-r "+password)
	if strings.Contains(p.String(), "hunter2") {
		t.Error("the password is shown")
	}

	p = newPatient(t)
	p.Broker(t.Context(), &config.Broker{URL: b.URL, PasswordFile: filepath.Join(dir, "none")})
	p.has("key file", doctor.Problem, "no such file")
}
