package daemon

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/metrics"
)

// certificatesEvery is how often the TLS files are looked at.
const certificatesEvery = 15 * time.Second

// certificates tells the operator about TLS files: when they expire, and when a
// new one cannot be used. It looks at the files as sessions do at their next
// connection, which may be weeks away.
type certificates struct {
	log   *slog.Logger
	ready chan struct{}

	mu      sync.Mutex
	watched []*watchedFiles
}

// watchedFiles are the TLS files of one broker, and whose they are.
type watchedFiles struct {
	broker  config.Broker
	users   []string
	devices map[string]*metrics.Device // by name
	problem string                     // as last logged
	warned  string
}

func newCertificates(log *slog.Logger) *certificates {
	return &certificates{log: log, ready: make(chan struct{})}
}

// watch replaces what is looked at by the files of cfg. Of those that were looked at
// before it is still known what has been said. The metrics of a device that has none
// any more are removed.
func (c *certificates) watch(cfg *config.Config, m *metrics.Metrics) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.watched
	c.watched = nil
	if !cfg.NoGateway {
		c.add(before, "the gateway's own session", nil, &cfg.Broker)
	}
	for i := range cfg.Devices {
		d := &cfg.Devices[i]
		c.add(before, d.Name, m, &d.Broker)
	}
	for _, w := range before {
		for name, device := range w.devices {
			if !slices.ContainsFunc(c.watched, func(now *watchedFiles) bool { return now.devices[name] != nil }) {
				device.SetCertificateExpiry(metrics.CertificateClient, time.Time{})
				device.SetCertificateExpiry(metrics.CertificateCA, time.Time{})
			}
		}
	}
}

// add watches the files of a broker that user, a device or the gateway itself,
// connects to. The gateway's own session has no metrics of this kind: m is nil.
func (c *certificates) add(before []*watchedFiles, user string, m *metrics.Metrics, b *config.Broker) {
	if b.TLS.CAFile == "" && b.TLS.CertFile == "" {
		return
	}
	same := func(w *watchedFiles) bool { return reflect.DeepEqual(w.broker.TLS, b.TLS) }
	i := slices.IndexFunc(c.watched, same)
	if i < 0 {
		i = len(c.watched)
		w := &watchedFiles{broker: *b, devices: make(map[string]*metrics.Device)}
		if j := slices.IndexFunc(before, same); j >= 0 {
			w.problem, w.warned = before[j].problem, before[j].warned
		}
		c.watched = append(c.watched, w)
	}
	w := c.watched[i]
	w.users = append(w.users, user)
	if m != nil {
		w.devices[user] = m.Device(user)
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

// look reads the files anew. What cannot be used leaves the metrics as they are:
// the certificates before it stay in force.
func (c *certificates) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watched {
		problem, warning := "", w.warned
		dialer, err := w.broker.Dialer()
		if err != nil {
			problem = err.Error()
		} else {
			s, _ := dialer.TLSStatus()
			warning = s.KeyWarning
			for _, m := range w.devices {
				m.SetCertificateExpiry(metrics.CertificateClient, s.ClientNotAfter)
				m.SetCertificateExpiry(metrics.CertificateCA, s.CANotAfter)
			}
		}
		users := strings.Join(w.users, ", ")
		switch {
		case problem == w.problem:
		case problem != "":
			c.log.Error("new TLS files cannot be used, the old ones stay in force", "for", users, "err", err)
		default:
			c.log.Info("TLS files can be used again", "for", users)
		}
		if warning != w.warned && warning != "" {
			c.log.Warn("private key is open to others", "for", users, "problem", warning)
		}
		w.problem, w.warned = problem, warning
	}
}

// Ready is closed after the first look.
func (c *certificates) Ready() <-chan struct{} { return c.ready }

// String names the task.
func (c *certificates) String() string { return "certificate watch" }
