package config

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
)

// dialTimeout bounds one attempt to reach a broker.
const dialTimeout = 10 * time.Second

// Session returns what all MQTT sessions with the broker have in common: everything
// but Dial, and what belongs to one client. The password is read at every dial.
func (b *Broker) Session() mqttcore.Config {
	c := mqttcore.Config{
		Username: b.Username, KeepAlive: b.KeepAlive, MaxInflight: b.MaxInflight,
		BackoffMin: b.Reconnect.Min, BackoffMax: b.Reconnect.Max, ConnectTimeout: dialTimeout,
	}
	if file := b.PasswordFile; file != "" {
		c.Password = func() ([]byte, error) { return ReadPassword(file) }
	}
	return c
}

// Dialer returns what connects to the broker. It reads the TLS files, and says what
// is wrong with them. It is not for a URL of "embedded".
func (b *Broker) Dialer() (*mqttcore.Dialer, error) {
	t := &b.TLS
	return mqttcore.NewDialer(b.URL, mqttcore.FileTLS{
		CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile,
		ServerName: t.ServerName, MinVersion: t.MinVersion, ALPN: t.ALPN,
	})
}

// checkSessions makes what a running gateway makes of its brokers: what that refuses is
// a fault, even if no other check knows why. It has the last word, not the first: the
// others name the key, and say what to write.
func (d *decoder) checkSessions(c *Config, devices []*Device) {
	d.checkSession(&c.Broker)
	for _, dev := range devices {
		if _, own := d.given[&dev.Broker]; own && len(d.faults) == 0 {
			d.checkSession(&dev.Broker)
		}
	}
}

func (d *decoder) checkSession(b *Broker) {
	session := b.Session()
	session.CleanSession = true // then it needs no client id
	session.Dial = func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	_, err := mqttcore.New(session)
	if err == nil && b.URL != Embedded {
		_, err = b.Dialer()
	}
	if err != nil {
		d.fault(d.at(&b.TLS, &b.URL, b), strings.TrimPrefix(oneLine(err), "mqttcore: "), "")
	}
}
