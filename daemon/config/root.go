package config

import (
	"math"
	"time"

	"gopkg.in/yaml.v3"
)

// rootSection is the table of the main file. The devices are kept by address until
// the end, so that their fields can be found again by the checks.
func rootSection(c *Config, devices *[]*Device) section {
	return section{
		field: c,
		keys: []key{
			{"broker", brokerSection(&c.Broker), "Where the messages go."},
			{"embedded_broker", section{field: &c.EmbeddedBroker, keys: embeddedKeys(&c.EmbeddedBroker), hints: passwordHints}, "The broker inside umqttd; it runs if a url is embedded."},
			{"outbox", section{field: &c.Outbox, keys: outboxKeys(&c.Outbox)}, "Messages kept on disk until the broker has acknowledged them."},
			{"http", section{field: &c.HTTP, keys: httpKeys(&c.HTTP)}, "The server of metrics, health and the status page."},
			{"log", section{field: &c.Log, keys: logKeys(&c.Log)}, "How much is logged, and how."},
			{"gateway", text{field: &c.Gateway, check: checkGateway, pattern: gatewayPattern, off: &c.NoGateway}, "Client id of the gateway's own session and its name in topics; default the host name, \"\" for no such session."},
			{"max_nodes", number{&c.MaxNodes, 1, 1000000}, "The most nodes on all devices together."},
			{"devices_dir", file{&c.DevicesDir}, "Folder with one YAML file per device; \"\" for none."},
			{"devices", deviceList{devices, &c.Broker}, "The ports and what is allowed on them."},
		},
		hints: map[string]string{"device": "did you mean devices?", "mqtt": "did you mean broker?", "serial": "did you mean devices?"},
	}
}

// passwordHints answer keys that would hold a secret.
var passwordHints = map[string]string{
	"password": "write password_file: with the name of a file that holds the password",
	"passwd":   "write password_file: with the name of a file that holds the password",
	"pass":     "write password_file: with the name of a file that holds the password",
}

func embeddedKeys(e *EmbeddedBroker) []key {
	return []key{
		{"listen", text{field: &e.Listen, check: checkListen, pattern: listenPattern}, "host:port for clients from outside; beyond loopback it needs password_file."},
		{"password_file", file{&e.PasswordFile}, "File with a line user:bcrypt-hash for each user, as htpasswd -B writes it."},
	}
}

func outboxKeys(o *Outbox) []key {
	return []key{
		{"dir", file{&o.Dir}, "Folder in which each device has one of its own; none by default."},
		{"max_bytes", size{&o.MaxBytes, 1 << 20, 1 << 40}, "The most that each device takes on disk."},
		{"when_full", choice[WhenFull]{field: &o.WhenFull, words: []WhenFull{Reject, DropOldest}}, "What a full outbox does: tell the board to wait, or drop the oldest message."},
		{"spill_after", duration{field: &o.SpillAfter, min: time.Millisecond, max: time.Hour}, "How long the broker may take to acknowledge before a message is written to disk."},
		{"if_unusable", choice[IfUnusable]{field: &o.IfUnusable, words: []IfUnusable{Stop, RunWithout}}, "What a device does whose outbox cannot be used: keep its port closed until it can, or run without."},
	}
}

func httpKeys(h *HTTP) []key {
	return []key{
		{"listen", text{field: &h.Listen, check: checkListen, pattern: listenPattern, off: &h.Off}, "host:port to serve on; \"\" for no server."},
		{"web_config_file", file{&h.WebConfigFile}, "TLS and passwords: a Prometheus exporter-toolkit web configuration."},
		{"show_payloads", boolean{field: &h.ShowPayloads}, "Show message payloads on the status page."},
	}
}

func logKeys(l *Log) []key {
	return []key{
		{"level", choice[string]{field: &l.Level, words: []string{"debug", "info", "warn", "error"}}, "The least severe level that is logged."},
		{"format", choice[string]{field: &l.Format, words: []string{"auto", "text", "json", "journal"}}, "auto is journal under systemd and text elsewhere."},
	}
}

func brokerSection(b *Broker) section {
	return section{
		field: b,
		keys: []key{
			{"url", text{field: &b.URL, check: checkURL, pattern: urlPattern}, "mqtt://, mqtts://, ws:// or wss:// and a host, or embedded for the broker inside umqttd."},
			{"username", text{field: &b.Username, check: checkText}, "User name of the session."},
			{"password_file", file{&b.PasswordFile}, "File that holds the password."},
			{"keepalive", duration{field: &b.KeepAlive, min: time.Second, max: math.MaxUint16 * time.Second, whole: true, off: true}, "How often a silent session shows that it lives; 0s for never."},
			{"max_inflight", number{&b.MaxInflight, 1, math.MaxUint16}, "QoS 1 messages that may wait for their acknowledgement."},
			{"tls", section{field: &b.TLS, keys: tlsKeys(&b.TLS), hints: tlsHints}, "Whom an mqtts:// or wss:// session trusts and what it shows."},
			{"reconnect", section{field: &b.Reconnect, keys: reconnectKeys(&b.Reconnect)}, "The pause between attempts to reach the broker; it doubles from min to max."},
		},
		hints: brokerHints,
	}
}

// brokerHints answer names that other MQTT programs use.
var brokerHints = map[string]string{
	"password":  passwordHints["password"],
	"passwd":    passwordHints["passwd"],
	"pass":      passwordHints["pass"],
	"user":      "did you mean username?",
	"host":      "write url: mqtt://host:port",
	"server":    "write url: mqtt://host:port",
	"address":   "write url: mqtt://host:port",
	"port":      "write it into the url: mqtt://host:port",
	"client_id": "write it at a device, that of the gateway's own session is gateway:",
}

// tlsHints answer the names that other programs use, and the key that none should have.
var tlsHints = map[string]string{
	"ca":          "did you mean ca_file?",
	"cert":        "did you mean cert_file?",
	"key":         "did you mean key_file?",
	"insecure":    "write ca_file: with the certificate that the broker's is checked against, it always is",
	"skip_verify": "write ca_file: with the certificate that the broker's is checked against, it always is",
}

func tlsKeys(t *TLS) []key {
	return []key{
		{"ca_file", file{&t.CAFile}, "Certificates that the broker's is checked against; default those of the system."},
		{"cert_file", file{&t.CertFile}, "The client's certificate and its chain; goes with key_file."},
		{"key_file", file{&t.KeyFile}, "The client's key; goes with cert_file."},
		{"server_name", text{field: &t.ServerName, check: checkServerName}, "Name that the broker's certificate must hold; default the host of the url."},
		{"min_version", choice[string]{field: &t.MinVersion, words: []string{"1.2", "1.3"}}, "The oldest version of TLS that is spoken; default 1.2."},
		{"alpn", texts{field: &t.ALPN, check: checkALPN}, "Protocols offered to the broker, the preferred one first."},
	}
}

func reconnectKeys(r *Reconnect) []key {
	return []key{
		{"min", duration{field: &r.Min, min: time.Millisecond, max: 24 * time.Hour}, "The first pause."},
		{"max", duration{field: &r.Max, min: time.Millisecond, max: 24 * time.Hour}, "The longest pause."},
	}
}

// A deviceList is the key devices: a list of devices.
type deviceList struct {
	devices *[]*Device
	broker  *Broker // what each device's broker starts from
}

func (v deviceList) decode(d *decoder, at place, n *yaml.Node) {
	d.given[v.devices] = at
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fault(at, "is "+kindOf(n)+", not a list", "begin each device with a dash: - name: greenhouse")
		return
	}
	for i, item := range n.Content {
		dev := newDevice(*v.broker)
		*v.devices = append(*v.devices, dev)
		d.decode(deviceSection(dev), at.item(deviceLabel(item, i), item.Line), item)
	}
}

func (v deviceList) schema() map[string]any {
	dev := newDevice(Broker{})
	dev.Port = dev.Port.WithDefaults()
	dev.Broker = Broker{} // its defaults are the values of the main broker
	return map[string]any{"type": []string{"array", "null"}, "items": deviceSection(dev).schema()}
}
