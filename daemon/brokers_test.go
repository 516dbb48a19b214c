package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/embedded"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/test/certs"
)

// secureBroker is a broker behind TLS, which wants a certificate of every client.
type secureBroker struct {
	addr  string
	names chan string // whom the certificates name, connection by connection
}

// startSecure runs such a broker until the test ends.
func startSecure(t *testing.T, ca *certs.Authority) *secureBroker {
	t.Helper()
	inner, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	server := ca.Server(t, "server", time.Time{})
	pair, err := tls.LoadX509KeyPair(server.CertFile, server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(ca.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(pem)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &secureBroker{addr: l.Addr().String(), names: make(chan string, 16)}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = inner.Run(ctx) })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { b.serve(ctx, conn.(*tls.Conn), inner) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		serving.Wait()
	})
	return b
}

// serve hands one connection to the broker inside.
func (b *secureBroker) serve(ctx context.Context, conn *tls.Conn, inner *embedded.Broker) {
	defer func() { _ = conn.Close() }()
	if conn.HandshakeContext(ctx) != nil {
		return
	}
	b.names <- conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	up, err := inner.Dial(ctx)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var copying sync.WaitGroup
	copying.Go(func() {
		_, _ = io.Copy(conn, up)
		_ = conn.Close()
	})
	_, _ = io.Copy(up, conn)
	_ = up.Close()
	copying.Wait()
}

// wantName wants the next connection to be made with this certificate.
func (b *secureBroker) wantName(t *testing.T, name string) {
	t.Helper()
	select {
	case got := <-b.names:
		if got != name {
			t.Errorf("connected as %s, want %s", got, name)
		}
	case <-time.After(patience):
		t.Fatalf("%s does not connect", name)
	}
}

// TestDeviceWithItsOwnCertificate: a device shows the broker its own certificate, the
// others that of the gateway, and what the keys of the device leave out is inherited.
func TestDeviceWithItsOwnCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := certs.NewAuthority(t, dir, "ca")
	gw, own := ca.Client(t, "gw", time.Time{}), ca.Client(t, "own", time.Time{})
	secure := startSecure(t, ca)
	a, b := freeUDP(t), freeUDP(t)
	r := start(t, fmt.Sprintf(`
broker: {url: "mqtts://%s", tls: {ca_file: %s, cert_file: %s, key_file: %s}}
http: {listen: ""}
gateway: ""
devices:
  - {name: a, port: "udp://%s"}
  - {name: b, port: "udp://%s", broker: {tls: {cert_file: %s, key_file: %s}}}
`, secure.addr, ca.CertFile, gw.CertFile, gw.KeyFile, a, b, own.CertFile, own.KeyFile), nil)
	for _, c := range []struct{ addr, name string }{{a, "gw"}, {b, "own"}} {
		board := dialBoard(t, c.addr)
		board.connect("board-of-" + c.name)
		secure.wantName(t, c.name)
		board.publish(1, "x")
	}
	r.stop()
}

// TestEmbeddedBrokerOfOneDevice: the broker inside runs for the one device that wants
// it, while the broker of all others is away.
func TestEmbeddedBrokerOfOneDevice(t *testing.T) {
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = away.Close()
	addr := freeUDP(t)
	r := start(t, fmt.Sprintf(`
broker: {url: "mqtt://%s", username: gateway}
embedded_broker: {listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
gateway: gw
devices:
  - {name: d, port: "udp://%s", broker: {url: embedded}}
`, away.Addr(), addr), nil)
	b := dialBoard(t, addr)
	b.connect("b1")
	b.publish(1, "x")
	r.wantLog("gateway's own session is down, boards are not affected")
	r.wantPage("/-/ready", "200")
	r.wantPage("/metrics", `umqttd_broker_connected{device="d"} 1`, `umqttd_gateway_connected 0`)
}

// TestDialersAreShared by all sessions with one broker and the same files, so that
// the files are read and the authorities kept in memory once.
func TestDialersAreShared(t *testing.T) {
	dir := t.TempDir()
	ca := certs.NewAuthority(t, dir, "ca")
	pair := ca.Client(t, "own", time.Time{})
	cfg := parse(t, fmt.Sprintf(`
broker: {url: "mqtts://h", tls: {ca_file: %s}}
devices:
  - {name: a, port: /dev/a}
  - {name: b, port: /dev/b, broker: {username: b}}
  - {name: c, port: /dev/c, broker: {tls: {cert_file: %s, key_file: %s}}}
  - {name: d, port: /dev/d, broker: {url: "mqtts://other"}}
`, ca.CertFile, pair.CertFile, pair.KeyFile))
	w := transition{after: new(lineup), dialers: make(map[string]*mqttcore.Dialer)}
	for i, want := range []int{1, 1, 2, 3} {
		s, err := w.sessions(&cfg.Devices[i].Broker)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.dialers) != want || s.Dial == nil {
			t.Errorf("after device %s there are %d dialers, want %d", cfg.Devices[i].Name, len(w.dialers), want)
		}
	}
}

// TestKeyThatIsMissing at the start is an error that names the file.
func TestKeyThatIsMissing(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	pair := ca.Client(t, "own", time.Time{})
	cfg := parse(t, fmt.Sprintf(`broker: {url: "mqtts://h", tls: {cert_file: %s, key_file: %s}}`, pair.CertFile, pair.KeyFile))
	if err := os.Remove(pair.KeyFile); err != nil {
		t.Fatal(err)
	}
	_, err := New(cfg, Options{Log: new(logtest.Book).Logger()})
	if err == nil || !strings.Contains(err.Error(), pair.KeyFile+": no such file") {
		t.Errorf("got %v", err)
	}
}
