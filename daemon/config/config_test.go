package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port"
)

// silent is a device of which Home Assistant is told nothing.
var silent = HomeAssistant{Prefix: DefaultDiscoveryPrefix}

// The defaults that the comments of the fields state.
func TestDefaults(t *testing.T) {
	broker := Broker{
		URL: "mqtt://localhost:1883", KeepAlive: 30 * time.Second, MaxInflight: 20,
		Reconnect: Reconnect{Min: 500 * time.Millisecond, Max: time.Minute},
	}
	want := Config{
		Broker:         broker,
		EmbeddedBroker: EmbeddedBroker{Listen: "127.0.0.1:1883"},
		Outbox:         Outbox{MaxBytes: 64 << 20, WhenFull: Reject, SpillAfter: 250 * time.Millisecond, IfUnusable: Stop},
		HTTP:           HTTP{Listen: "127.0.0.1:9884"},
		Log:            Log{Level: "info", Format: "auto"},
		Gateway:        hostName(),
		MaxNodes:       10000,
		Devices: []Device{
			{Name: "a", Port: port.Spec{Path: "/dev/a", Baud: 115200, Reset: port.ResetNever}, RxBuffer: 240, MaxFrame: 2048, Broker: broker, HomeAssistant: silent},
			{Name: "b", Port: port.Spec{Path: "tcp://h:23", Reset: port.ResetNever}, RxBuffer: 240, MaxFrame: 2048, Broker: broker, HomeAssistant: silent},
		},
	}
	byHand := Config{Devices: []Device{{Name: "a", Port: port.Spec{Path: "/dev/a"}}, {Name: "b", Port: port.Spec{Path: "tcp://h:23"}}}}
	byHand.SetDefaults()
	if !reflect.DeepEqual(byHand, want) {
		t.Errorf("by hand: got\n%+v\nwant\n%+v", byHand, want)
	}
	byHand.SetDefaults()
	if !reflect.DeepEqual(byHand, want) {
		t.Errorf("again: got\n%+v\nwant\n%+v", byHand, want)
	}
	path := folder(t, map[string]string{"umqttd.yaml": "devices:\n  - {name: a, port: /dev/a}\n  - {name: b, port: 'tcp://h:23'}\n"})
	loaded, _, err := Load(path, getenv)
	if err != nil {
		t.Fatal(err)
	}
	want.Files = []string{path}
	if !reflect.DeepEqual(*loaded, want) {
		t.Errorf("from a file: got\n%+v\nwant\n%+v", *loaded, want)
	}
}

// What is off stays off.
func TestOff(t *testing.T) {
	for name, keepalive := range map[string]string{"with a unit": "0s", "without": "0"} {
		path := folder(t, map[string]string{"umqttd.yaml": "broker: {keepalive: " + keepalive + "}\nhttp: {listen: \"\"}\ngateway: \"\"\n"})
		c, _, err := Load(path, getenv)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDefaults()
		if c.Broker.KeepAlive >= 0 || !c.HTTP.Off || c.HTTP.Listen != "" || !c.NoGateway || c.Gateway != "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
