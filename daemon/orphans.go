package daemon

import "github.com/umqttd/umqttd/devices"

// warnOfOrphans tells of stored messages that nobody delivers, since their device has
// another name now, or is gone.
func (d *Daemon) warnOfOrphans() {
	names := make([]string, 0, len(d.cfg.Devices))
	for i := range d.cfg.Devices {
		names = append(names, d.cfg.Devices[i].Name)
	}
	for _, o := range devices.Orphans(d.cfg.Outbox.Dir, names) {
		d.log.Warn("stored messages belong to no device that is configured", "messages", o.Messages, "advice", o.String())
	}
}
