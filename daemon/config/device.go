package config

import (
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/umqttd/umqttd/devices/port"
)

// What port.ParseSpec accepts, as the JSON Schema says it.
const (
	portPattern = `/.+|tcp://.+:[1-9][0-9]{0,4}|udp://.*:[1-9][0-9]{0,4}`
	hex4Pattern = `[0-9a-fA-F]{4}`
)

// A Device is one port and what is allowed on it.
type Device struct {
	// Name is the metrics label: lower-case letters, digits, '_' and '-', at most
	// 64. Required, and unique.
	Name string

	// Port is where the board is: the keys port, usb, baud and reset. Required.
	Port port.Spec

	// RxBuffer is how many bytes the board can take unacknowledged, 16 to 65535.
	// Zero: 240. Negative values are refused.
	RxBuffer int

	// MaxFrame is the longest frame body in bytes, 64 to 65535. Zero: 2048.
	// Negative values are refused.
	MaxFrame int

	// ClientID is the session's client id, whatever the board says in CONNECT.
	// Zero: what the board says.
	ClientID string

	// Broker is the broker of this device: that of the Config with the device's
	// own keys over it.
	Broker Broker

	// Topics are the predefined topic ids, 1 to 65534. Nil: none.
	Topics map[uint16]string

	// Allow bounds what the device may publish and subscribe.
	Allow Allow

	// Limits bound how much the device may send.
	Limits Limits

	// Console says where text between the frames goes.
	Console Console

	// HomeAssistant says what Home Assistant is told of the device.
	HomeAssistant HomeAssistant
}

// Allow holds topic filters. A nil list allows everything, an empty one nothing.
type Allow struct {
	Publish   []string
	Subscribe []string
}

// Limits bound how much one device may send.
type Limits struct {
	// MessagesPerSecond that are accepted. Zero: no limit. Negative values are refused.
	MessagesPerSecond int

	// MaxPayload of one message in bytes. Zero: as much as MaxFrame holds.
	// Negative values are refused.
	MaxPayload int
}

// Console says where text between the frames goes, line by line.
type Console struct {
	// NoLog keeps console text out of the log: `log: false`.
	NoLog bool

	// Topic to which each line is published. Zero: none.
	Topic string
}

// setDefaults fills what is zero; a broker without URL is taken from main.
func (d *Device) setDefaults(main Broker) {
	d.Port = d.Port.WithDefaults()
	setDefault(&d.RxBuffer, 240)
	setDefault(&d.MaxFrame, 2048)
	setDefault(&d.HomeAssistant.Prefix, DefaultDiscoveryPrefix)
	if d.Broker.URL == "" {
		d.Broker = main
	}
	d.Broker.setDefaults()
}

// newDevice starts a device from the defaults and the main broker. Its port is
// empty: [port.ParseSpec] must see which keys were left out.
func newDevice(main Broker) *Device {
	dev := new(Device)
	dev.setDefaults(main)
	dev.Port = port.Spec{}
	return dev
}

// deviceLabel names a device in messages: by its name if it has a good one, by
// its turn in the list if not.
func deviceLabel(n *yaml.Node, turn int) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		name := n.Content[i+1].Value
		if wrong, _ := checkName(name); n.Content[i].Value == "name" && wrong == "" {
			return name
		}
	}
	return strconv.Itoa(turn)
}

// deviceSection is the table of one device.
func deviceSection(dev *Device) section {
	return section{
		field: dev,
		keys: []key{
			{"name", text{field: &dev.Name, check: checkName, pattern: namePattern}, "Name in metrics, logs and topics; unique."},
			{"port", text{field: &dev.Port.Path, check: checkPath, pattern: portPattern}, "/dev/serial/by-id/..., tcp://host:port or udp://:port; either port or usb."},
			{"usb", usbSection(&dev.Port.USB), "The port's USB identity; either port or usb."},
			{"baud", number{&dev.Port.Baud, port.MinBaud, port.MaxBaud}, "Line speed in bits per second."},
			{"reset", choice[port.Reset]{field: &dev.Port.Reset, words: []port.Reset{port.ResetNever, port.ResetPulse}}, "Whether the board is reset when its port is opened."},
			{"rx_buffer", number{&dev.RxBuffer, 16, 65535}, "Bytes that the board can take unacknowledged."},
			{"max_frame", number{&dev.MaxFrame, 64, 65535}, "Longest frame body in bytes."},
			{"client_id", text{field: &dev.ClientID, check: checkClientID}, "Client id of the session; default what the board says."},
			{"broker", brokerSection(&dev.Broker), "Any key of broker, for this device only."},
			{"topics", topicIDs{&dev.Topics}, "Predefined topic ids, 1 to 65534."},
			{"allow", section{field: &dev.Allow, keys: allowKeys(&dev.Allow), extra: map[string]any{"minProperties": 1}, strict: true, some: "publish: or subscribe: under it, [] for nothing, or remove allow: to allow everything"}, "Topic filters that bound what the device may do; default everything."},
			{"limits", section{field: &dev.Limits, keys: limitKeys(&dev.Limits)}, "How much the device may send."},
			{"console", section{field: &dev.Console, keys: consoleKeys(&dev.Console)}, "Where text between the frames goes."},
			{"nodes", future{}, "Comes with a later version."},
			{"homeassistant", homeAssistantSection(&dev.HomeAssistant), "What Home Assistant is told by MQTT discovery; default nothing."},
		},
		extra: map[string]any{
			"required": []string{"name"},
			"oneOf":    []any{map[string]any{"required": []string{"port"}}, map[string]any{"required": []string{"usb"}}},
		},
		strict: true,
		hints: map[string]string{
			"devices": "write the device itself, without devices: and the dash",
			"id":      "did you mean name?", "device": "did you mean port?", "path": "did you mean port?", "tty": "did you mean port?",
			"speed": "did you mean baud?", "baudrate": "did you mean baud?", "baud_rate": "did you mean baud?",
		},
	}
}

func usbSection(u *port.USB) section {
	return section{
		field: u,
		keys: []key{
			{"vid", text{field: &u.VID, pattern: hex4Pattern}, "Vendor id, four hexadecimal digits in quotes."},
			{"pid", text{field: &u.PID, pattern: hex4Pattern}, "Product id, four hexadecimal digits in quotes."},
			{"serial", text{field: &u.Serial}, "Serial number in quotes; default any."},
		},
		extra:  map[string]any{"required": []string{"vid", "pid"}},
		strict: true,
	}
}

func allowKeys(a *Allow) []key {
	return []key{
		{"publish", texts{field: &a.Publish, check: checkFilter, strict: true}, "What the device may publish; [] for nothing."},
		{"subscribe", texts{field: &a.Subscribe, check: checkFilter, strict: true}, "What the device may subscribe; [] for nothing."},
	}
}

func limitKeys(l *Limits) []key {
	return []key{
		{"messages_per_second", number{&l.MessagesPerSecond, 0, 1000000}, "Messages accepted each second; 0 for no limit."},
		{"max_payload", number{&l.MaxPayload, 0, 65535}, "Longest payload in bytes; 0 for what max_frame holds."},
	}
}

func consoleKeys(c *Console) []key {
	return []key{
		{"log", boolean{field: &c.NoLog, not: true}, "Write console text to the log."},
		{"topic", text{field: &c.Topic, check: checkConsoleTopic}, "Topic to which each line is published; none by default."},
	}
}
