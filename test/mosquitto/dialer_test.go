package mosquitto_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/packet"
	"github.com/umqttd/umqttd/test/certs"
	"github.com/umqttd/umqttd/test/mosquitto"
)

// The Dialer of mqttcore against a real broker, over every transport.

// site is a broker's and a client's files.
type site struct {
	ca     *certs.Authority
	server certs.Pair
	client certs.Pair
}

func newSite(t *testing.T) site {
	t.Helper()
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	return site{ca, ca.Server(t, "server", time.Time{}), ca.Client(t, "greenhouse-1", time.Time{})}
}

// wantSession connects and pings.
func wantSession(t *testing.T, url string, files mqttcore.FileTLS) {
	t.Helper()
	conn := dial(t, url, files)
	wantExchange(t, conn, hello("a").Append(nil), connack(false, packet.Accepted))
	wantExchange(t, conn, packet.AppendPingreq(nil), packet.AppendPingresp(nil))
}

// wantRefused connects up to CONNECT, with an error that says part.
func wantRefused(t *testing.T, url string, files mqttcore.FileTLS, part string) {
	t.Helper()
	conn, err := tryDial(t, url, files)
	if err == nil {
		_, err = exchange(conn, hello("a").Append(nil), connack(false, packet.Accepted))
	}
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("connecting gives %v, want an error that says %q", err, part)
	}
}

func TestDialPlain(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{WebSocket: true})
	wantSession(t, broker.URL(), mqttcore.FileTLS{})
	wantSession(t, broker.WebSocketURL(), mqttcore.FileTLS{})
	wantSession(t, broker.WebSocketURL()+"/any/path", mqttcore.FileTLS{})
}

func TestDialTLS(t *testing.T) {
	site := newSite(t)
	broker := mosquitto.Start(t, mosquitto.Config{TLS: &mosquitto.TLS{CertFile: site.server.CertFile, KeyFile: site.server.KeyFile}, WebSocket: true})
	for _, url := range []string{broker.URL(), broker.WebSocketURL()} {
		wantSession(t, url, mqttcore.FileTLS{CAFile: site.ca.CertFile})
		wantSession(t, url, mqttcore.FileTLS{CAFile: site.ca.CertFile, MinVersion: "1.3", ServerName: "localhost"})
		wantRefused(t, url, mqttcore.FileTLS{}, "unknown authority")
		wantRefused(t, url, mqttcore.FileTLS{CAFile: site.ca.CertFile, ServerName: "example.org"}, "example.org")
	}
}

func TestDialMutualTLS(t *testing.T) {
	site := newSite(t)
	broker := mosquitto.Start(t, mosquitto.Config{
		TLS: &mosquitto.TLS{CertFile: site.server.CertFile, KeyFile: site.server.KeyFile, ClientCAFile: site.ca.CertFile},
	})
	files := mqttcore.FileTLS{CAFile: site.ca.CertFile, CertFile: site.client.CertFile, KeyFile: site.client.KeyFile}
	wantSession(t, broker.URL(), files)
	wantRefused(t, broker.URL(), mqttcore.FileTLS{CAFile: site.ca.CertFile}, "tls:")

	stranger := certs.NewAuthority(t, t.TempDir(), "stranger").Client(t, "greenhouse-1", time.Time{})
	files.CertFile, files.KeyFile = stranger.CertFile, stranger.KeyFile
	wantRefused(t, broker.URL(), files, "unknown certificate authority")
	expired := site.ca.Client(t, "expired", time.Now().Add(-time.Hour))
	files.CertFile, files.KeyFile = expired.CertFile, expired.KeyFile
	wantRefused(t, broker.URL(), files, "expired certificate")
}

// The common name is the user: an ACL for it shows who the broker thinks we are.
func TestDialMutualTLSIdentity(t *testing.T) {
	site := newSite(t)
	broker := mosquitto.Start(t, mosquitto.Config{
		TLS: &mosquitto.TLS{CertFile: site.server.CertFile, KeyFile: site.server.KeyFile, ClientCAFile: site.ca.CertFile, IdentityAsUsername: true},
		ACL: []string{"user greenhouse-1", "topic readwrite mine/#"},
	})
	connect := func(id, name string) net.Conn {
		pair := site.ca.Client(t, name, time.Time{})
		conn := dial(t, broker.URL(), mqttcore.FileTLS{CAFile: site.ca.CertFile, CertFile: pair.CertFile, KeyFile: pair.KeyFile})
		wantExchange(t, conn, hello(id).Append(nil), connack(false, packet.Accepted))
		return conn
	}
	publisher := connect("a", "greenhouse-1")
	wantACL(t, publisher, connect("b", "greenhouse-1"), true)
	wantACL(t, publisher, connect("c", "greenhouse-2"), false)
}
