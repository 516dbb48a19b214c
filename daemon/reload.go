package daemon

import (
	"reflect"

	"github.com/umqttd/umqttd/daemon/config"
)

// Reload reads the configuration again and says what it found. A file with
// faults changes nothing. A good one that differs takes effect at the next
// start, and the log says so.
func (d *Daemon) Reload() {
	if d.opts.Reload == nil {
		d.log.Warn("configuration cannot be read again")
		return
	}
	if !d.serving.Load() { // READY would not be true
		d.log.Warn("configuration is not read again while the gateway starts or stops")
		return
	}
	d.tell(d.systemd.Reloading())
	defer func() { d.tell(d.systemd.Ready()) }()
	cfg, err := d.opts.Reload()
	if err != nil {
		d.metrics.ConfigReloadSuccessful.Set(0)
		d.log.Error("configuration not taken, the old one stays in force", "err", err)
		return
	}
	d.metrics.ConfigReloadSuccessful.Set(1)
	if reflect.DeepEqual(withoutFiles(cfg), withoutFiles(d.cfg)) {
		d.log.Info("configuration unchanged")
		return
	}
	d.metrics.ConfigReloadSuccessful.Set(0)
	d.log.Warn("configuration is good but differs; restart umqttd to use it")
}

func withoutFiles(c *config.Config) config.Config {
	copied := *c
	copied.Files = nil
	return copied
}
