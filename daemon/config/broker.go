package config

import (
	"strings"
	"time"
)

// A Broker is where a session connects to, and how. A device's Broker is complete:
// the keys of its own `broker:` stand over those of the main one, key by key.
type Broker struct {
	// URL is mqtt://, mqtts://, ws:// or wss:// with a host, or "embedded".
	// Zero: mqtt://localhost:1883. It never holds a user or a password.
	URL string

	// Username of the session. Zero: none.
	Username string

	// PasswordFile holds the password in its first line. Zero: none.
	// It is read at every connection, so that it can be changed without a restart.
	PasswordFile string

	// KeepAlive in whole seconds, up to 65535 s. Zero: 30 s. Negative: off; the
	// file says `keepalive: 0s`.
	KeepAlive time.Duration

	// MaxInflight is how many QoS 1 messages may wait for their PUBACK,
	// 1 to 65535. Zero: 20. Negative values are refused.
	MaxInflight int

	// TLS of mqtts:// and wss://. With another URL it is zero, even in a device
	// that would inherit it.
	TLS TLS

	// Reconnect bounds the pause before a new attempt.
	Reconnect Reconnect
}

// TLS says whom a session trusts and what it shows. Its files are PEM.
type TLS struct {
	// CAFile holds the certificates the broker's is checked against.
	// Zero: those of the system.
	CAFile string

	// CertFile and KeyFile are the client's certificate chain and key, given
	// both or neither. Zero: none.
	CertFile string
	KeyFile  string

	// ServerName is the name the broker's certificate must hold.
	// Zero: the host of the URL.
	ServerName string

	// MinVersion is "1.2" or "1.3". Zero: "1.2"; Load leaves it so.
	MinVersion string

	// ALPN lists the protocols offered, in order of preference. Nil: none.
	ALPN []string
}

// Reconnect bounds the pause between two attempts to reach a broker. It doubles
// from Min to Max.
type Reconnect struct {
	// Min is the first pause. Zero: 500 ms. Negative values are refused.
	Min time.Duration

	// Max is the longest pause, not less than Min. Zero: 60 s.
	// Negative values are refused.
	Max time.Duration
}

// Embedded is the URL of the broker inside umqttd.
const Embedded = "embedded"

// Label is the URL as a page or a log may show it: without its query, which may hold a
// signature.
func (b *Broker) Label() string {
	label, _, _ := strings.Cut(b.URL, "?")
	return label
}

func (b *Broker) setDefaults() {
	setDefault(&b.URL, "mqtt://localhost:1883")
	setDefault(&b.KeepAlive, 30*time.Second)
	setDefault(&b.MaxInflight, 20)
	setDefault(&b.Reconnect.Min, 500*time.Millisecond)
	setDefault(&b.Reconnect.Max, 60*time.Second)
}
