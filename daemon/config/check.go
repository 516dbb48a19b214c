package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/umqttd/umqttd/devices/port"
)

// check looks at what one key alone cannot show: keys that need or exclude each
// other, files that must exist, names that must be unique.
func (d *decoder) check(c *Config, devices []*Device) {
	d.checkBroker(&c.Broker)
	d.checkEmbedded(c, devices)
	d.checkHTTP(&c.HTTP)
	d.checkOutbox(&c.Outbox)
	for _, dev := range devices {
		d.checkDevice(c, dev)
		d.checkBroker(&dev.Broker)
	}
	d.checkUnique(devices)
	if len(d.faults) == 0 {
		d.checkSessions(c, devices)
	}
	if len(devices) == 0 && len(d.faults) == 0 {
		d.warn(place{src: d.given[c].src, key: "devices"}, "there is none yet", "write an entry for each board, umqttd ports lists what is plugged in")
	}
}

// at is the place of the first of some fields that was given. One always was, or
// there would be nothing to say; FuzzParse looks for faults without a file.
func (d *decoder) at(fields ...any) place {
	for _, field := range fields {
		if at, given := d.given[field]; given {
			return at
		}
	}
	return place{src: &source{}}
}

// gave reports whether one of some fields was given, and none refused.
func (d *decoder) gave(fields ...any) bool {
	given := false
	for _, field := range fields {
		_, ok := d.given[field]
		given = given || ok
		if d.refused[field] {
			return false
		}
	}
	return given
}

// checkBroker looks at one level, the main broker or that of a device. What a
// device inherits has been looked at already, and is not reported again.
func (d *decoder) checkBroker(b *Broker) {
	if d.gave(&b.PasswordFile) {
		d.checkPassword(&b.PasswordFile)
	}
	if d.gave(&b.Username, &b.PasswordFile) && b.PasswordFile != "" && b.Username == "" {
		// "If the User Name Flag is set to 0, the Password Flag MUST be set to 0" [MQTT-3.1.2-22].
		d.fault(d.at(&b.PasswordFile, &b.Username), "a password needs a user name", "write username: beside password_file:")
	}
	r := &b.Reconnect
	if d.gave(&r.Min, &r.Max) && r.Min > r.Max {
		d.fault(d.at(&r.Min, &r.Max), fmt.Sprintf("min, %s, is longer than max, %s", short(r.Min), short(r.Max)), "write a min up to max")
	}
	d.checkTLS(b)
}

// checkEmbedded guards the embedded broker, if there is one.
func (d *decoder) checkEmbedded(c *Config, devices []*Device) {
	e := &c.EmbeddedBroker
	if d.gave(&e.PasswordFile) {
		d.checkUsers(&e.PasswordFile)
	}
	runs := c.Broker.URL == Embedded
	for _, dev := range devices {
		runs = runs || dev.Broker.URL == Embedded
	}
	if !runs {
		return
	}
	if e.PasswordFile == "" && !onLoopback(e.Listen) {
		d.fault(d.at(&e.Listen), "is reachable from other machines without a password", "write password_file: beside it, or listen on 127.0.0.1")
	}
	if h := &c.HTTP; !h.Off && sameAddress(e.Listen, h.Listen) {
		d.fault(d.at(&h.Listen, &e.Listen), "is the address of embedded_broker.listen too", "write another port")
	}
}

func (d *decoder) checkHTTP(h *HTTP) {
	if d.gave(&h.WebConfigFile) && h.WebConfigFile != "" {
		at := d.at(&h.WebConfigFile)
		if _, ok := d.readNamed(at, h.WebConfigFile); ok {
			if err := web.Validate(h.WebConfigFile); err != nil {
				d.fault(at, h.WebConfigFile+": "+oneLine(err), "write it as exporter-toolkit's web-configuration.md says")
			}
		}
	}
	if d.gave(&h.ShowPayloads) && h.ShowPayloads && !h.Off && h.WebConfigFile == "" && !onLoopback(h.Listen) {
		d.warn(d.at(&h.ShowPayloads), "payloads are shown to everyone who can reach "+h.Listen, "write web_config_file: with users, or listen on 127.0.0.1")
	}
}

// checkOutbox looks for the folder, or for the one that it can be made in. What is in
// it is seen when it is opened.
func (d *decoder) checkOutbox(o *Outbox) {
	if !d.gave(&o.Dir) || o.Dir == "" {
		return
	}
	at := d.at(&o.Dir)
	info, err := os.Stat(o.Dir)
	switch {
	case err == nil && !info.IsDir():
		d.fault(at, o.Dir+" is no folder", "write the name of a folder")
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(o.Dir)
		if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
			d.fault(at, parent+" does not exist", "make it, or mount its disk")
		}
	}
}

// oneLine is an error of somebody else in one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (d *decoder) checkDevice(c *Config, dev *Device) {
	at := d.at(dev)
	if d.refused[dev] {
		return
	}
	if _, given := d.given[&dev.Name]; !given {
		d.fault(at, "has no name", "write name: greenhouse, or whatever you call it")
	}
	d.checkPort(dev)
	if dev.ClientID != "" && dev.ClientID == c.Gateway {
		d.fault(d.at(&dev.ClientID), "is the client id of the gateway's own session", "write another, or another gateway:")
	}
	d.checkHomeAssistant(c, dev)
}

// checkUnique refuses two devices with the same name, port or client id.
func (d *decoder) checkUnique(devices []*Device) {
	type claim struct{ kind, what string }
	taken := make(map[claim]place)
	unique := func(field any, kind, what string) {
		if what == "" || d.refused[field] {
			return
		}
		at := d.given[field]
		first, twice := taken[claim{kind, what}]
		if !twice {
			taken[claim{kind, what}] = at
			return
		}
		where := fmt.Sprintf("on line %d", first.line)
		if first.src != at.src {
			where = fmt.Sprintf("in %s:%d", first.src.name, first.line)
		}
		d.fault(at, "the same "+kind+" stands "+where, "write another")
	}
	for _, dev := range devices {
		unique(&dev.Name, "name", dev.Name)
		unique(&dev.ClientID, "client id", dev.ClientID)
		switch spec := &dev.Port; {
		case spec.Path != "":
			unique(&spec.Path, "port", spec.Identity())
		case spec.USB != port.USB{}:
			unique(&spec.USB, "USB identity", spec.Identity())
		}
	}
}
