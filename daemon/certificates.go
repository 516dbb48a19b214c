package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
)

// certificatesEvery is how often the state of the TLS files is looked at. They
// are read by the sessions themselves, whenever they connect.
const certificatesEvery = 15 * time.Second

// certificates tells the operator about TLS files: when they expire, and when a
// new one cannot be used.
type certificates struct {
	log     *slog.Logger
	watched []watchedFiles
	ready   chan struct{}
}

type watchedFiles struct {
	device  string
	metrics *metrics.Device
	dialer  *mqttcore.Dialer
	problem string // as last logged
	warned  string
}

func newCertificates(log *slog.Logger) *certificates {
	return &certificates{log: log, ready: make(chan struct{})}
}

// add watches the files of a device's sessions. A nil dialer has none.
func (c *certificates) add(device string, m *metrics.Device, dialer *mqttcore.Dialer) {
	if dialer == nil {
		return
	}
	if _, ok := dialer.TLSStatus(); ok {
		c.watched = append(c.watched, watchedFiles{device: device, metrics: m, dialer: dialer})
	}
}

// Run looks until ctx is done.
func (c *certificates) Run(ctx context.Context) error {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	c.look()
	close(c.ready)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.look()
		}
	}
}

func (c *certificates) look() {
	for i := range c.watched {
		w := &c.watched[i]
		s, _ := w.dialer.TLSStatus()
		w.metrics.SetCertificateExpiry(metrics.CertificateClient, s.ClientNotAfter)
		w.metrics.SetCertificateExpiry(metrics.CertificateCA, s.CANotAfter)
		problem := ""
		if s.Err != nil {
			problem = s.Err.Error()
		}
		if problem != w.problem && problem != "" {
			c.log.Error("new TLS files cannot be used, the old ones stay in force", "device", w.device, "err", s.Err)
		}
		if s.KeyWarning != w.warned && s.KeyWarning != "" {
			c.log.Warn("private key is open to others", "device", w.device, "problem", s.KeyWarning)
		}
		w.problem, w.warned = problem, s.KeyWarning
	}
}

// Ready is closed after the first look.
func (c *certificates) Ready() <-chan struct{} { return c.ready }

// String names the task.
func (c *certificates) String() string { return "certificate watch" }
