package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/certs"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/umqttd"
)

// setup says what a test needs beyond the usual. The zero value is the usual: a plain broker, one device named attic on a cable.
type setup struct {
	broker    mosquitto.Config
	tls       bool     // the broker wants client certificates
	webSocket bool     // umqttd reaches the broker by WebSocket
	connect   []string // further keys of broker
	device    []string // further keys of the device
	top       []string // further keys of the configuration
	outbox    string   // its folder; empty: none
	keys      string   // further keys of outbox
	trace     string   // system calls of umqttd that strace notes; empty: none
}

// rig is what a test talks to.
type rig struct {
	t       *testing.T
	ca      *certs.Authority // with setup.tls
	with    []credentials    // what clients show the broker
	broker  *mosquitto.Broker
	line    *cable.Cable
	gateway *umqttd.Gateway
	trace   *umqttd.Trace // with setup.trace
}

// newRig starts a broker and a umqttd with the gateway name "gw", and waits until the port is open.
func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{t: t, line: cable.New(t)}
	connect := []string{"reconnect: {min: 20ms, max: 200ms}"}
	if s.tls {
		r.ca = certs.NewAuthority(t, t.TempDir(), "ca")
		server := r.ca.Server(t, "server", time.Time{})
		s.broker.TLS = &mosquitto.TLS{CertFile: server.CertFile, KeyFile: server.KeyFile, ClientCAFile: r.ca.CertFile}
		r.with = []credentials{{r.ca, r.ca.Client(t, "judge", time.Time{})}}
		client := r.ca.Client(t, "gateway", time.Time{})
		connect = append(connect, fmt.Sprintf("tls: {ca_file: %s, cert_file: %s, key_file: %s}", r.ca.CertFile, client.CertFile, client.KeyFile))
	}
	s.broker.WebSocket = s.broker.WebSocket || s.webSocket
	r.broker = mosquitto.Start(t, s.broker)
	url := r.broker.URL()
	if s.webSocket {
		url = r.broker.WebSocketURL()
	}
	connect = append([]string{fmt.Sprintf("url: %q", url)}, append(connect, s.connect...)...)
	device := append([]string{"name: attic", "port: " + r.line.Path()}, s.device...)
	config := append([]string{
		"broker:\n  " + strings.Join(connect, "\n  "),
		"devices:\n  - " + strings.Join(device, "\n    "),
		"gateway: gw",
	}, s.top...)
	if s.outbox != "" {
		config = append(config, fmt.Sprintf("outbox: {dir: %q%s}", s.outbox, s.keys))
	}
	if s.trace != "" {
		r.gateway, r.trace = umqttd.StartTraced(t, program, strings.Join(config, "\n"), s.trace)
	} else {
		r.gateway = umqttd.Start(t, program, strings.Join(config, "\n"))
	}
	// Ready does not wait for ports, and what a board sends before its port is open is lost.
	r.gateway.WaitMetric(metric("device_up"), 1)
	return r
}

// board powers a board on and waits until it is connected.
func (r *rig) board(cfg board.Config) *cable.Board {
	r.t.Helper()
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = 1000
	}
	b := cable.NewBoard(r.t, r.line, cfg)
	b.Wait(board.Connected, 1)
	return b
}

// judge starts an independent subscriber.
func (r *rig) judge(filter string) *subscriber {
	r.t.Helper()
	return subscribe(r.t, r.broker, "judge", filter, r.with...)
}

// publish sends messages to the broker and waits until it has them all.
func (r *rig) publish(topic string, payloads ...string) {
	r.t.Helper()
	publish(r.t, r.broker, topic, payloads, r.with...)
}

// metric is a series of the device attic.
func metric(name string, labels ...string) string {
	all := append([]string{`device="attic"`}, labels...)
	return "umqttd_" + name + "{" + strings.Join(all, ",") + "}"
}

// send queues QoS 1 messages on a board.
func send(b *cable.Board, topic string, payloads []string) {
	for _, p := range payloads {
		b.Publish(board.Message{Topic: topic, Data: []byte(p), QoS: 1})
	}
}

// received returns the payloads that a board has received so far.
func received(b *cable.Board) []string {
	var all []string
	for _, ev := range b.Events(board.Received) {
		all = append(all, string(ev.Data))
	}
	return all
}

// file is a path in a folder of the test's own.
func file(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
