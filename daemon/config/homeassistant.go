package config

import (
	"net/url"
	"strings"
)

// HomeAssistant says what Home Assistant is told of a device. Without entities it is
// told nothing.
type HomeAssistant struct {
	// Prefix is the discovery prefix that Home Assistant listens on. Zero: homeassistant.
	Prefix string

	// Device describes the board.
	Device HomeAssistantDevice

	// Entities by their names, which are part of what Home Assistant knows them by.
	Entities map[string]Entity
}

// HomeAssistantDevice describes a board as Home Assistant shows it. What is "" is not said.
type HomeAssistantDevice struct {
	// Name of the device. Zero: the name that it has here.
	Name string

	Manufacturer, Model, ModelID string
	HWVersion, SWVersion         string
	SerialNumber                 string
	SuggestedArea                string
	ConfigurationURL             string
}

// An Entity is one thing that Home Assistant shows of a board, or lets a person do.
type Entity struct {
	// Platform is the kind of thing: sensor, switch, ...
	Platform string

	// Options are Home Assistant's own keys for that platform: text, bool, int, float64
	// or []string.
	Options map[string]any
}

// DefaultDiscoveryPrefix is where Home Assistant looks unless it is told otherwise.
const DefaultDiscoveryPrefix = "homeassistant"

const discoveryPrefixPattern = `[^+#/$]+(/[^+#/]+)*`

// checkDiscoveryPrefix accepts the first levels of a topic.
func checkDiscoveryPrefix(s string) (wrong, write string) {
	if wrong, write = checkTopic(s); wrong != "" {
		return wrong, write
	}
	if strings.HasPrefix(s+"/", "umqttd/") {
		return "is where the gateway says how it is", "write homeassistant, or what Home Assistant's MQTT options say"
	}
	if strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") {
		return "has an empty level", "write it like homeassistant"
	}
	return "", ""
}

// checkWebAddress accepts what Home Assistant can link to.
func checkWebAddress(s string) (wrong, write string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "homeassistant" {
		return "is no address that a browser opens", "write http://... or https://..."
	}
	return "", ""
}

func homeAssistantSection(h *HomeAssistant) section {
	return section{
		field: h,
		keys: []key{
			{"prefix", text{field: &h.Prefix, check: checkDiscoveryPrefix, pattern: discoveryPrefixPattern}, "Discovery prefix, as Home Assistant's MQTT options have it."},
			{"device", section{field: &h.Device, keys: homeAssistantDeviceKeys(&h.Device), hints: deviceHints}, "How Home Assistant shows the board."},
			{"entities", entities{&h.Entities}, "What Home Assistant shows of it, and lets a person do, by name."},
		},
		hints: map[string]string{
			"discovery_prefix": "did you mean prefix?", "components": "did you mean entities?", "sensors": "write them under entities:, each with its platform:",
			"availability": "leave it out: umqttd says when the board is there", "availability_topic": "leave it out: umqttd says when the board is there",
			"origin": "leave it out: umqttd says who it is", "discovery": "leave it out: entities: turns it on",
		},
	}
}

// deviceHints answer keys of Home Assistant's device that umqttd writes itself.
var deviceHints = map[string]string{
	"identifiers": "leave it out: umqttd makes one of the gateway's and the device's name", "ids": "leave it out: umqttd makes one",
	"connections": "leave it out: the board is known by the gateway's and the device's name", "via_device": "leave it out: the gateway is no device of Home Assistant",
	"area": "did you mean suggested_area?", "mdl": "did you mean model?", "mf": "did you mean manufacturer?", "sw": "did you mean sw_version?", "hw": "did you mean hw_version?",
}

func homeAssistantDeviceKeys(d *HomeAssistantDevice) []key {
	return []key{
		{"name", text{field: &d.Name}, "Name that is shown; default the device's name here."},
		{"manufacturer", text{field: &d.Manufacturer}, "Who made the board."},
		{"model", text{field: &d.Model}, "What it is."},
		{"model_id", text{field: &d.ModelID}, "What its maker calls it."},
		{"hw_version", text{field: &d.HWVersion}, "Version of the board."},
		{"sw_version", text{field: &d.SWVersion}, "Version of what runs on it."},
		{"serial_number", text{field: &d.SerialNumber}, "Serial number that is shown."},
		{"suggested_area", text{field: &d.SuggestedArea}, "Where it is: the area for a device that Home Assistant sees for the first time."},
		{"configuration_url", text{field: &d.ConfigurationURL, check: checkWebAddress}, "Page that Home Assistant links to."},
	}
}

// checkHomeAssistant looks at what the announcements of a device need.
func (d *decoder) checkHomeAssistant(c *Config, dev *Device) {
	h := &dev.HomeAssistant
	if !d.gave(h) {
		return
	}
	at := d.at(h)
	if len(h.Entities) == 0 {
		if d.gave(&h.Prefix) || d.gave(&h.Device) {
			d.fault(at, "has no entities", "write entities: {temperature: {platform: sensor, state_topic: sensors/greenhouse/temperature}}, or remove it")
		}
		return
	}
	if c.NoGateway {
		d.fault(at, `needs the gateway's own session, which gateway: "" leaves out`, "write gateway: and a name, or remove homeassistant:")
	}
	if dev.Broker.URL != c.Broker.URL {
		d.warn(at, "is announced at broker.url, and the messages of this device go to another broker", "let Home Assistant's broker be the same, or bridge the two")
	}
}
