package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/certs"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// replace puts a new content in the place of a file at once, as a program does that renews secrets.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestPasswordFile begins with a wrong password: the board is refused. When the file holds the right one, the next attempt succeeds, without a restart.
func TestPasswordFile(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Config{Users: map[string]string{"pi": "right"}})
	line := cable.New(t)
	password := file(t, "password")
	replace(t, password, []byte("wrong\n"))
	gateway := umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`", username: pi, password_file: `+password+`, reconnect: {min: 20ms, max: 200ms}}
gateway: gw
devices: [{name: attic, port: `+line.Path()+`}]
`)
	b := cable.NewBoard(t, line, board.Config{ClientID: "m5"})
	if ev := b.Wait(board.Refused, 1); ev.ReturnCode != mqttsn.NotSupported {
		t.Errorf("CONNACK says %v", ev.ReturnCode)
	}
	replace(t, password, []byte("right\n"))
	b.PowerOff()
	cable.NewBoard(t, line, board.Config{ClientID: "m5"}).Wait(board.Connected, 1)
	gateway.WaitMetric("umqttd_gateway_connected", 1)
	if strings.Contains(gateway.Log(), "wrong") || strings.Contains(gateway.Log(), "right") {
		t.Error("a password is in the log")
	}
}

// TestCertificateRenewed replaces the client certificate: sessions that stand go on, the next connection shows the new one.
func TestCertificateRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := certs.NewAuthority(t, dir, "ca")
	server, first := ca.Server(t, "server", time.Time{}), ca.Client(t, "first", time.Time{})
	broker := mosquitto.Start(t, mosquitto.Config{TLS: &mosquitto.TLS{
		CertFile: server.CertFile, KeyFile: server.KeyFile, ClientCAFile: ca.CertFile, IdentityAsUsername: true,
	}})
	line := cable.New(t)
	gateway := umqttd.Start(t, program, fmt.Sprintf(`
broker: {url: %q, reconnect: {min: 20ms, max: 200ms}, tls: {ca_file: %s, cert_file: %s, key_file: %s}}
gateway: gw
devices: [{name: attic, port: %s}]
`, broker.URL(), ca.CertFile, first.CertFile, first.KeyFile, line.Path()))
	b := cable.NewBoard(t, line, board.Config{ClientID: "m5"})
	b.Wait(board.Connected, 1)
	gateway.WaitMetricAtLeast(metric("certificate_expiry_timestamp_seconds", `kind="cert"`), float64(time.Now().Unix()))

	second := ca.Client(t, "second", time.Time{})
	for from, to := range map[string]string{second.KeyFile: first.KeyFile, second.CertFile: first.CertFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, to, content)
	}
	wantUndisturbed(t, b)
	broker.Kill()
	broker.Restart()
	patience.Wait(t, "the board's session is back", func() bool { return strings.Count(broker.Log(), " as m5 (") == 2 })
	for name, n := range map[string]int{"first": 1, "second": 1} {
		if got := logged(broker.Log(), " as m5 (", "u'"+name+"'"); got != n {
			t.Errorf("%d connections of the board were made with the certificate %s, want %d", got, name, n)
		}
	}
	wantUndisturbed(t, b)
}

// logged returns how many lines of a log contain all of the texts.
func logged(log string, texts ...string) int {
	n := 0
lines:
	for line := range strings.Lines(log) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}
