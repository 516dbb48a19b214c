// Package config reads umqttd's configuration: one YAML file, the files of its
// devices.d folder, and the environment variables they name.
//
// The way from text to values:
//
//	bytes -> YAML nodes -> keys of the table -> fields of Config -> checks
//
// Every key is one row of a table (root.go, broker.go, device.go): its name, the
// field it fills, what it accepts and one sentence about it. The decoder and the
// JSON Schema both read that table, so they cannot disagree.
//
// Invariants:
//   - Nothing is guessed and nothing is skipped: an unknown key, a key given
//     twice, a wrong type, a value out of range and a missing file are faults.
//   - All faults are reported at once, each with the file and the line at which
//     it can be mended. With one fault or more there is no Config.
//   - ${NAME} is replaced after YAML has been parsed, in single values only, so
//     an environment variable can never add a key.
//   - No message repeats a secret.
package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Config says what one gateway does. Its zero value is the default: no device,
// and a broker on this machine. [Load] returns it complete: every field that the
// file leaves out holds its default already. Built by hand it needs SetDefaults.
type Config struct {
	// Broker is where the messages go, unless a device says otherwise.
	Broker Broker

	// EmbeddedBroker is the broker inside umqttd. It runs if a Broker.URL,
	// this one or that of a device, is "embedded".
	EmbeddedBroker EmbeddedBroker

	// Outbox keeps on disk what the broker has not acknowledged yet.
	Outbox Outbox

	// HTTP serves metrics, health and the status page.
	HTTP HTTP

	// Log says how much is logged, and how.
	Log Log

	// Gateway is the client id of the gateway's own MQTT session and its name in
	// the topics umqttd/<gateway>/... . Zero: the host name. See NoGateway.
	Gateway string

	// NoGateway leaves out the gateway's own session: `gateway: ""`.
	NoGateway bool

	// MaxNodes bounds the nodes of all devices together. Zero: 10000.
	// Negative values are refused.
	MaxNodes int

	// DevicesDir is the folder from which device files were read; "" if none was.
	DevicesDir string

	// Devices in the order of the file, then of the names in DevicesDir. Each has
	// a name of its own, and no two share a port or a client id.
	Devices []Device

	// Files that made this configuration, the main one first.
	Files []string
}

// An EmbeddedBroker is the broker inside umqttd.
type EmbeddedBroker struct {
	// Listen is the host:port for clients from outside. Zero: 127.0.0.1:1883.
	// Beyond loopback it needs a PasswordFile.
	Listen string

	// PasswordFile holds a line user:bcrypt-hash for each user, as htpasswd -B
	// writes it. Zero: whoever reaches Listen may publish and subscribe.
	PasswordFile string
}

// An Outbox keeps messages on disk until the broker has acknowledged them.
type Outbox struct {
	// Dir is the folder in which each device has one of its own. Zero: no outbox;
	// the acknowledgement of the broker is the only one.
	Dir string

	// MaxBytes bounds what each device takes on disk. Zero: 64 MiB. Negative values
	// are refused.
	MaxBytes int64

	// WhenFull is what happens to the next message when MaxBytes are used.
	// Zero: Reject.
	WhenFull WhenFull

	// SpillAfter is how long the broker may take to acknowledge before a message
	// is written to disk. Zero: 250 ms. Negative values are refused.
	SpillAfter time.Duration

	// IfUnusable is what a device does whose outbox is damaged, foreign or out of
	// reach. Zero: Stop.
	IfUnusable IfUnusable
}

// Of returns the folder of a device, or "" if there is no outbox.
func (o *Outbox) Of(device string) string {
	if o.Dir == "" {
		return ""
	}
	return filepath.Join(o.Dir, device)
}

// NeedsBroker reports whether the broker inside umqttd has to run.
func (c *Config) NeedsBroker() bool {
	return c.Broker.URL == Embedded || slices.ContainsFunc(c.Devices, func(d Device) bool { return d.Broker.URL == Embedded })
}

// IfUnusable is what a device does without the outbox that it should have.
type IfUnusable string

const (
	// Stop keeps its port closed until the outbox can be used: nothing is promised
	// that cannot be kept.
	Stop IfUnusable = "stop"
	// RunWithout runs the device as if it had no outbox, until the next start.
	RunWithout IfUnusable = "run_without"
)

// WhenFull is what a full outbox does.
type WhenFull string

const (
	// Reject answers "congestion" to the board, which keeps the message.
	Reject WhenFull = "reject"
	// DropOldest removes the oldest stored message, and counts it.
	DropOldest WhenFull = "drop_oldest"
)

// HTTP is the server of metrics, health and the status page.
type HTTP struct {
	// Listen is the host:port to serve on. Zero: 127.0.0.1:9884. See Off.
	Listen string

	// Off means that no HTTP server runs: `listen: ""`.
	Off bool

	// WebConfigFile is the Prometheus exporter-toolkit's web configuration: TLS
	// and passwords. Zero: neither.
	WebConfigFile string

	// ShowPayloads shows message payloads on the status page. Zero: topics only.
	ShowPayloads bool
}

// Log says how much is logged, and how.
type Log struct {
	// Level is debug, info, warn or error. Zero: info.
	Level string

	// Format is auto, text, json or journal. Zero: auto, which is journal under
	// systemd and text elsewhere.
	Format string
}

// Defaults that more than one place needs to know.
const (
	DefaultFile           = "/etc/umqttd/umqttd.yaml" // what `umqttd run` reads
	DefaultDevicesDir     = "devices.d"               // beside the main file; may be missing
	DefaultHTTPListen     = "127.0.0.1:9884"
	DefaultEmbeddedListen = "127.0.0.1:1883"
)

// SetDefaults replaces every zero field by its default. It changes nothing when
// called again. A device whose broker has no URL takes the whole of c.Broker.
func (c *Config) SetDefaults() {
	c.Broker.setDefaults()
	setDefault(&c.EmbeddedBroker.Listen, DefaultEmbeddedListen)
	setDefault(&c.Outbox.MaxBytes, 64<<20)
	setDefault(&c.Outbox.WhenFull, Reject)
	setDefault(&c.Outbox.SpillAfter, 250*time.Millisecond)
	setDefault(&c.Outbox.IfUnusable, Stop)
	if !c.HTTP.Off {
		setDefault(&c.HTTP.Listen, DefaultHTTPListen)
	}
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Log.Format, "auto")
	if !c.NoGateway {
		setDefault(&c.Gateway, hostName())
	}
	setDefault(&c.MaxNodes, 10000)
	for i := range c.Devices {
		c.Devices[i].setDefaults(c.Broker)
	}
}

// setDefault puts value into a field that is zero.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// hostName is this machine's name as it can stand in a topic: what a gateway's
// name may not hold becomes '-'.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "umqttd"
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(nameLetters, r) {
			return r
		}
		return '-'
	}, name)
}
