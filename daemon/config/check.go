package config

import "strings"

// check looks at what one key alone cannot show.
func (d *decoder) check(c *Config, devices []*Device) {
	if len(devices) == 0 && len(d.faults) == 0 {
		d.warn(place{src: d.given[c].src, key: "devices"}, "there is none yet", "umqttd ports shows what is plugged in; write an entry for it")
	}
	for _, dev := range devices {
		dev.USB.VID, dev.USB.PID = strings.ToLower(dev.USB.VID), strings.ToLower(dev.USB.PID)
	}
}
