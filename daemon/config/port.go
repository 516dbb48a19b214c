package config

import (
	"errors"
	"strings"

	"github.com/umqttd/umqttd/devices/port"
)

// checkPath accepts what port.ParseSpec can judge: to it, "" is a key left out.
func checkPath(s string) (wrong, write string) {
	if s == "" {
		return "is empty", "write a path that `umqttd ports` lists, or remove the key"
	}
	return "", ""
}

// checkPort looks at the keys that say where the board is. What is right, only
// port.ParseSpec knows; here its faults find their lines.
func (d *decoder) checkPort(dev *Device) {
	s := &dev.Port
	if s.USB == (port.USB{}) && d.gave(&s.USB, &s.USB.VID, &s.USB.PID, &s.USB.Serial) {
		d.fault(d.at(&s.USB), "is empty", "write vid: and pid: under it, `umqttd ports` shows them")
	}
	spec, err := port.ParseSpec(s.Path, s.USB, s.Baud, string(s.Reset))
	var faults port.SpecFaults
	if errors.As(err, &faults) {
		for _, f := range faults {
			d.portFault(dev, f)
		}
	} else {
		*s = spec
	}
	if s.Kind() == port.KindUDP && !d.refused[&s.Path] {
		d.checkUDP(dev)
	}
}

// portFault reports a fault at its key, or where the key should stand.
func (d *decoder) portFault(dev *Device, f *port.SpecFault) {
	s := &dev.Port
	field := map[string]any{
		"port": &s.Path, "usb": &s.USB, "usb.vid": &s.USB.VID, "usb.pid": &s.USB.PID, "baud": &s.Baud, "reset": &s.Reset,
	}[f.Key]
	at, given := d.given[field]
	parent, name, nested := strings.Cut(f.Key, ".")
	switch _, usb := d.given[&s.USB]; {
	case d.refused[field], f.Key == "port" && usb:
		return // something else is wrong with it, and said already
	case !given && nested:
		at = d.at(&s.USB).below(name, d.at(&s.USB).line)
	case !given:
		at = d.at(dev).below(parent, d.at(dev).line)
	}
	d.refused[field] = true
	d.fault(at, f.Wrong, f.Write)
}

// checkUDP looks at what only datagrams need: they come from many clients, and
// from everywhere.
func (d *decoder) checkUDP(dev *Device) {
	if at, given := d.given[&dev.ClientID]; given {
		d.fault(at, "one client id cannot serve the many clients of a udp port", "remove it")
	}
	_, allowed := d.given[&dev.Allow]
	if !dev.Port.Loopback() && (!allowed || dev.Allow.Publish == nil && dev.Allow.Subscribe == nil) {
		path := dev.Port.Path
		d.fault(d.at(&dev.Port.Path), "everyone in the network may connect, publish and subscribe",
			"write allow: with the topics, or udp://"+path[strings.LastIndex(path, ":"):]+" for this machine only")
	}
}
