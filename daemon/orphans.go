package daemon

import (
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/devices"
)

// warnOfOrphans tells of stored messages that nobody delivers, since their device has
// another name now, or is gone.
func (d *Daemon) warnOfOrphans(cfg *config.Config) {
	for _, o := range devices.Orphans(cfg.Outbox.Dir, names(cfg)) {
		d.log.Warn("stored messages belong to no device that is configured", "messages", o.Messages, "advice", o.String())
	}
}

// warnOfLeft tells of messages in a folder that was that of the outboxes before a reload.
func (d *Daemon) warnOfLeft(dir string) {
	for _, o := range devices.Orphans(dir, nil) {
		d.log.Warn("stored messages stay in the folder that was the outbox; make it outbox.dir again and they are delivered",
			"messages", o.Messages, "folder", o.Dir)
	}
}

// names are those of the devices that are configured.
func names(cfg *config.Config) []string {
	all := make([]string, 0, len(cfg.Devices))
	for i := range cfg.Devices {
		all = append(all, cfg.Devices[i].Name)
	}
	return all
}
