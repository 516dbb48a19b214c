package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/test/certs"
)

// refusal is a configuration that cannot run.
type refusal struct {
	name  string
	yaml  string // as the operator writes it
	wrong func(c *config.Config, dir string)
}

// refusals has something for every constructor that New calls. The folder of the
// configuration holds ca.pem, gw.pem, gw.key, other.key and junk.
var refusals = []refusal{
	{"page without a port", `http: {listen: localhost}`,
		func(c *config.Config, _ string) { c.HTTP.Listen = "localhost" }},
	{"web configuration that is missing", `http: {web_config_file: none.yml}`,
		func(c *config.Config, dir string) { c.HTTP.WebConfigFile = dir + "/none.yml" }},
	{"web configuration that is none", `http: {web_config_file: junk}`,
		func(c *config.Config, dir string) { c.HTTP.WebConfigFile = dir + "/junk" }},
	{"embedded broker without a port", "broker: {url: embedded}\nembedded_broker: {listen: localhost}",
		func(c *config.Config, _ string) { c.Broker.URL, c.EmbeddedBroker.Listen = "embedded", "localhost" }},
	{"embedded broker for everyone", "broker: {url: embedded}\nembedded_broker: {listen: \":1883\"}",
		func(c *config.Config, _ string) { c.Broker.URL, c.EmbeddedBroker.Listen = "embedded", ":1883" }},
	{"users who are missing", "broker: {url: embedded}\nembedded_broker: {password_file: none}",
		func(c *config.Config, dir string) {
			c.Broker.URL, c.EmbeddedBroker.PasswordFile = "embedded", dir+"/none"
		}},
	{"users who are none", "broker: {url: embedded}\nembedded_broker: {password_file: junk}",
		func(c *config.Config, dir string) {
			c.Broker.URL, c.EmbeddedBroker.PasswordFile = "embedded", dir+"/junk"
		}},
	{"url of no broker", `broker: {url: "tcp://h"}`,
		func(c *config.Config, _ string) { c.Broker.URL = "tcp://h" }},
	{"url with a password", `broker: {url: "mqtt://me:secret@h"}`,
		func(c *config.Config, _ string) { c.Broker.URL = "mqtt://me:secret@h" }},
	{"url with a path", `broker: {url: "mqtt://h/mqtt"}`,
		func(c *config.Config, _ string) { c.Broker.URL = "mqtt://h/mqtt" }},
	{"authority that is missing", `broker: {url: "mqtts://h", tls: {ca_file: none.pem}}`,
		func(c *config.Config, dir string) { c.Broker.URL, c.Broker.TLS.CAFile = "mqtts://h", dir+"/none.pem" }},
	{"authority that is none", `broker: {url: "mqtts://h", tls: {ca_file: junk}}`,
		func(c *config.Config, dir string) { c.Broker.URL, c.Broker.TLS.CAFile = "mqtts://h", dir+"/junk" }},
	{"certificate without its key", `broker: {url: "mqtts://h", tls: {cert_file: gw.pem}}`,
		func(c *config.Config, dir string) { c.Broker.URL, c.Broker.TLS.CertFile = "mqtts://h", dir+"/gw.pem" }},
	{"certificate with another's key", `broker: {url: "mqtts://h", tls: {cert_file: gw.pem, key_file: other.key}}`,
		func(c *config.Config, dir string) {
			c.Broker.URL, c.Broker.TLS = "mqtts://h", config.TLS{CertFile: dir + "/gw.pem", KeyFile: dir + "/other.key"}
		}},
	{"TLS without TLS", `broker: {url: "mqtt://h", tls: {ca_file: ca.pem}}`,
		func(c *config.Config, dir string) { c.Broker.URL, c.Broker.TLS.CAFile = "mqtt://h", dir+"/ca.pem" }},
	{"TLS of another age", `broker: {url: "mqtts://h", tls: {min_version: "1.1"}}`,
		func(c *config.Config, _ string) { c.Broker.URL, c.Broker.TLS.MinVersion = "mqtts://h", "1.1" }},
	{"protocol without a name", `broker: {url: "mqtts://h", tls: {alpn: [""]}}`,
		func(c *config.Config, _ string) { c.Broker.URL, c.Broker.TLS.ALPN = "mqtts://h", []string{""} }},
	{"password without a user", `broker: {password_file: junk}`,
		func(c *config.Config, dir string) { c.Broker.PasswordFile = dir + "/junk" }},
	{"user name beyond MQTT", "broker: {username: " + strings.Repeat("x", 65536) + "}",
		func(c *config.Config, _ string) { c.Broker.Username = strings.Repeat("x", 65536) }},
	{"first pause longer than the longest", `broker: {reconnect: {min: 2s, max: 1s}}`,
		func(c *config.Config, _ string) { c.Broker.Reconnect = config.Reconnect{Min: 2e9, Max: 1e9} }},
	{"device's own broker", `devices: [{name: d, port: /dev/d, broker: {url: "mqtts://h", tls: {ca_file: junk}}}]`,
		func(c *config.Config, dir string) {
			d := config.Device{Name: "d", Broker: config.Broker{URL: "mqtts://h", TLS: config.TLS{CAFile: dir + "/junk"}}}
			d.Port.Path = "/dev/d"
			c.Devices = []config.Device{d}
		}},
}

// TestCheckFindsWhatRunRefuses: whatever a constructor says no to, the reader of the
// configuration has said before, with file and line.
func TestCheckFindsWhatRunRefuses(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			dir := t.TempDir()
			ca := certs.NewAuthority(t, dir, "ca")
			ca.Client(t, "gw", time.Time{})
			ca.Client(t, "other", time.Time{})
			if err := os.WriteFile(filepath.Join(dir, "junk"), []byte("junk"), 0o600); err != nil {
				t.Fatal(err)
			}
			var c config.Config
			r.wrong(&c, dir)
			c.SetDefaults()
			if _, err := New(&c, Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
				t.Error("run does not refuse it")
			}
			_, _, err := config.Parse(filepath.Join(dir, "u.yaml"), []byte(r.yaml), nil)
			if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "u.yaml")+":") {
				t.Errorf("check says %v, want a fault with its line", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("check repeats a secret: %v", err)
			}
		})
	}
}

// TestRunTakesWhatCheckPasses: what is good in the test cases of the configuration
// can be run.
func TestRunTakesWhatCheckPasses(t *testing.T) {
	archives, err := filepath.Glob("config/testdata/faults/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, f := range archive.Files {
			path := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg, _, err := config.Load(filepath.Join(dir, "umqttd.yaml"), nil)
		if err != nil {
			continue
		}
		taken++
		if _, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
			t.Errorf("%s: check passes what run refuses: %v", name, err)
		}
	}
	if taken < 5 {
		t.Errorf("only %d configurations are good", taken)
	}
}
