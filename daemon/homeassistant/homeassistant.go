// Package homeassistant says what Home Assistant is told of the devices of a gateway, by
// MQTT discovery: a configuration goes in, retained messages come out.
//
//	<prefix>/<platform>/umqttd_<gateway>/<device>-<entity>/config
//
// Each entity has a message of its own, as docs/adr/0012-home-assistant.md explains. All of
// one device name the same device, so that Home Assistant shows them together.
package homeassistant

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/devices"
)

// supportURL is where a person finds out what umqttd is.
const supportURL = "https://github.com/umqttd/umqttd"

// Announcements are what the gateway tells Home Assistant of all devices of cfg. It is nil
// without a session of the gateway's own.
func Announcements(cfg *config.Config, version string) *devices.Announcements {
	if cfg.NoGateway {
		return nil
	}
	a := &devices.Announcements{
		Status:   []string{config.DefaultDiscoveryPrefix + "/status"},
		Earlier:  []string{earlier(config.DefaultDiscoveryPrefix, cfg.Gateway)},
		Messages: make(map[string][]byte),
		Ours:     func(payload []byte) bool { return ours(cfg.Gateway, payload) },
	}
	for i := range cfg.Devices {
		dev := &cfg.Devices[i]
		h := &dev.HomeAssistant
		if len(h.Entities) == 0 {
			continue
		}
		a.Wanted = true
		if status := h.Prefix + "/status"; !slices.Contains(a.Status, status) {
			a.Status = append(a.Status, status)
			a.Earlier = append(a.Earlier, earlier(h.Prefix, cfg.Gateway))
		}
		for name, e := range h.Entities {
			a.Messages[topic(cfg.Gateway, dev, name, e.Platform)] = payload(cfg.Gateway, version, dev, name, &e)
		}
	}
	return a
}

// earlier is the filter of everything that this gateway has announced under a prefix.
func earlier(prefix, gateway string) string { return prefix + "/+/" + node(gateway) + "/+/config" }

// node is the gateway's level of a discovery topic, of which "the ID ... must only consist
// of characters from the character class [a-zA-Z0-9_-]".
func node(gateway string) string { return "umqttd_" + strings.ReplaceAll(gateway, ".", "-") }

// topic names the message of one entity. A name of an entity has no '-', so no two are
// the same.
func topic(gateway string, dev *config.Device, entity, platform string) string {
	return dev.HomeAssistant.Prefix + "/" + platform + "/" + node(gateway) + "/" + dev.Name + "-" + entity + "/config"
}

// availability is one topic that says whether a thing is there: online or offline, which
// are what Home Assistant expects by default.
type availability struct {
	Topic string `json:"topic"`
}

func payload(gateway, version string, dev *config.Device, name string, e *config.Entity) []byte {
	id := "umqttd/" + gateway + "/" + dev.Name
	all := map[string]any{"name": readable(name)}
	maps.Copy(all, e.Options)
	all["unique_id"] = id + "/" + name
	all["device"] = device(id, dev)
	all["origin"] = map[string]any{"name": "umqttd", "sw_version": version, "support_url": supportURL}
	all["availability"] = []availability{{status(gateway)}, {id + "/status"}}
	all["availability_mode"] = "all"
	text, err := json.Marshal(all)
	if err != nil {
		panic("homeassistant: texts, numbers and lists do not encode: " + err.Error())
	}
	return text
}

func status(gateway string) string { return "umqttd/" + gateway + "/status" }

func device(id string, dev *config.Device) map[string]any {
	d := &dev.HomeAssistant.Device
	said := map[string]any{"identifiers": []string{id}, "name": dev.Name}
	for key, value := range map[string]string{
		"name": d.Name, "manufacturer": d.Manufacturer, "model": d.Model, "model_id": d.ModelID, "hw_version": d.HWVersion, "sw_version": d.SWVersion,
		"serial_number": d.SerialNumber, "suggested_area": d.SuggestedArea, "configuration_url": d.ConfigurationURL,
	} {
		if value != "" {
			said[key] = value
		}
	}
	return said
}

// readable makes a name for people: soil_moisture is "Soil moisture".
func readable(name string) string {
	name = strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
	if name == "" {
		return "_"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// ours reports whether this gateway has announced that. Gateways named pi.attic and
// pi-attic have the same level in their topics, and must not remove each other's.
func ours(gateway string, payload []byte) bool {
	var said struct {
		Origin       struct{ Name string }
		Availability []availability
	}
	return json.Unmarshal(payload, &said) == nil && said.Origin.Name == "umqttd" && slices.Contains(said.Availability, availability{status(gateway)})
}
