package change

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
)

// base is a configuration in which every part counts: there is a page, a session of the
// gateway, a broker inside, and two devices.
func base(t *testing.T) *config.Config {
	t.Helper()
	return parse(t, `
broker: {url: embedded, username: u, max_inflight: 7}
gateway: gw
devices:
  - {name: a, port: /dev/a, allow: {publish: [x]}}
  - {name: b, usb: {vid: "10c4", pid: "ea60"}, broker: {url: "mqtt://elsewhere"}}
`)
}

func parse(t *testing.T, yaml string) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse("test.yaml", []byte(yaml), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestNothingDiffers: what is read twice, written in another order or with the defaults
// spelled out has not changed.
func TestNothingDiffers(t *testing.T) {
	before := base(t)
	for name, after := range map[string]*config.Config{
		"read twice": base(t),
		"another order and the defaults": parse(t, `
devices:
  - {name: b, broker: {url: "mqtt://elsewhere"}, usb: {vid: "10C4", pid: "EA60"}, baud: 115200, rx_buffer: 240, topics: {}, reset: never}
  - {name: a, port: /dev/a, allow: {publish: [x]}, broker: {username: u}, console: {log: true}}
gateway: gw
http: {listen: "127.0.0.1:9884"}
broker: {max_inflight: 7, url: embedded, username: u, keepalive: 30s}
`),
	} {
		after.Files = []string{"elsewhere.yaml"}
		if p := Between(before, after); !p.Empty() {
			t.Errorf("%s: %s, because of %v", name, p.String(), p.Keys())
		}
	}
}

// TestBetween goes through the keys: what a change of each takes.
func TestBetween(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*config.Config)
		want   string
		keys   string
	}{
		{"a device more", func(c *config.Config) { c.Devices = append(c.Devices, config.Device{Name: "c"}) }, "added c", ""},
		{"a device less", func(c *config.Config) { c.Devices = c.Devices[1:] }, "removed a", ""},
		{"another name", func(c *config.Config) { c.Devices[0].Name = "z" }, "removed a; added z", ""},
		{"another port", func(c *config.Config) { c.Devices[0].Port.Path = "/dev/z" }, "restarted a", "devices[].port"},
		{"another adapter", func(c *config.Config) { c.Devices[1].Port.USB.Serial = "1" }, "restarted b", "devices[].usb.serial"},
		{"speed", func(c *config.Config) { c.Devices[0].Port.Baud = 9600 }, "restarted a", "devices[].baud"},
		{"all and nothing", func(c *config.Config) { c.Devices[1].Allow.Publish = []string{} }, "restarted b", "devices[].allow.publish"},
		{"topics", func(c *config.Config) { c.Devices[0].Topics = map[uint16]string{1: "t"} }, "restarted a", "devices[].topics"},
		{"limits", func(c *config.Config) { c.Devices[0].Limits.MaxPayload = 9 }, "adjusted a", "devices[].limits.max_payload"},
		{
			"limits and speed", func(c *config.Config) { c.Devices[0].Limits.MaxPayload, c.Devices[0].Port.Baud = 9, 9600 },
			"restarted a", "devices[].baud devices[].limits.max_payload",
		},
		{
			"what Home Assistant is told", func(c *config.Config) { c.Devices[0].HomeAssistant.Device.Name = "A" },
			"announced a", "devices[].homeassistant.device.name",
		},
		{"console", func(c *config.Config) { c.Devices[1].Console.Topic = "t" }, "adjusted b", "devices[].console.topic"},
		{"a broker of its own", func(c *config.Config) { c.Devices[0].Broker.Username = "x" }, "restarted a", "devices[].broker.username"},
		{
			"the broker that one inherits", func(c *config.Config) { c.Broker.Username, c.Devices[0].Broker.Username = "x", "x" },
			"restarted a; changed broker.username", "broker.username devices[].broker.username",
		},
		{"outbox", func(c *config.Config) { c.Outbox.Dir = "/x" }, "restarted a, b", "outbox.dir"},
		{"payloads", func(c *config.Config) { c.HTTP.ShowPayloads = true }, "adjusted a, b; changed http.show_payloads", "http.show_payloads"},
		{"page", func(c *config.Config) { c.HTTP.Listen = ":1" }, "changed http.listen", "http.listen"},
		{"no page", func(c *config.Config) { c.HTTP.Off = true }, "changed http.listen", "http.listen"},
		{"gateway", func(c *config.Config) { c.Gateway = "x" }, "changed gateway", "gateway"},
		{"no gateway", func(c *config.Config) { c.NoGateway = true }, "changed gateway", "gateway"},
		{"log", func(c *config.Config) { c.Log.Level = "debug" }, "changed log.level", "log.level"},
		{"nodes", func(c *config.Config) { c.MaxNodes = 5 }, "changed max_nodes", "max_nodes"},
		{"the folder of the device files", func(c *config.Config) { c.DevicesDir = "/x" }, "nothing changed", ""},
		{"the broker inside", func(c *config.Config) { c.EmbeddedBroker.Listen = ":1" }, "nothing changed", "embedded_broker.listen"},
	} {
		after := base(t)
		c.change(after)
		p := Between(base(t), after)
		if got, keys := p.String(), strings.Join(p.Keys(), " "); got != c.want || keys != c.keys {
			t.Errorf("%s: %s because of %q, want %s because of %q", c.what, got, keys, c.want, c.keys)
		}
		if refused := p.Refused != nil; refused != (c.what == "the broker inside") {
			t.Errorf("%s: refused %v", c.what, p.Refused)
		}
	}
}

// TestBrokerInside runs as long as a session needs it. Only then its own keys count.
func TestBrokerInside(t *testing.T) {
	with, without := base(t), base(t)
	without.Broker.URL, without.Devices[0].Broker.URL = "mqtt://h", "mqtt://h"
	elsewhere := base(t)
	elsewhere.EmbeddedBroker.Listen = ":1"
	for _, c := range []struct {
		before, after *config.Config
		want          Broker
	}{{with, without, StopBroker}, {without, with, StartBroker}, {without, elsewhere, StartBroker}, {with, with, LeaveBroker}} {
		if p := Between(c.before, c.after); p.Broker != c.want || p.Refused != nil {
			t.Errorf("got %d, refused %v; want %d", p.Broker, p.Refused, c.want)
		}
	}
}

// TestPartsThatAreOff have no keys that count.
func TestPartsThatAreOff(t *testing.T) {
	before, after := base(t), base(t)
	for _, c := range []*config.Config{before, after} {
		c.HTTP.Off, c.NoGateway = true, true
	}
	after.HTTP.WebConfigFile, after.Gateway = "x", "x"
	if p := Between(before, after); !p.Empty() {
		t.Errorf("%v", p.Keys())
	}
}

// inert are fields of which a change takes nothing: where something was read from.
var inert = []string{"DevicesDir", "Files"}

// TestEveryFieldCounts changes one field of the configuration after the other, down to the
// smallest, and wants that a plan names a key for each. A field that nobody compares would
// keep its old value in a reload that says that all went well.
func TestEveryFieldCounts(t *testing.T) {
	seen := 0
	for _, path := range paths(reflect.TypeFor[config.Config](), nil) {
		after := base(t)
		if slices.Contains(inert, path[0]) {
			continue
		}
		seen++
		field := at(reflect.ValueOf(after).Elem(), path)
		disturb(t, field)
		p := Between(base(t), after)
		if path := strings.Join(path, "."); path == "Devices.Name" {
			if p.Removed == nil {
				t.Errorf("%s: %s", path, p.String())
			}
		} else if len(p.Keys()) != 1 {
			t.Errorf("%s: its change is seen as a change of %q, want one key", path, p.Keys())
		}
	}
	if seen < 50 {
		t.Errorf("only %d fields found", seen)
	}
}

// paths are the ways to the fields that hold values.
func paths(t reflect.Type, prefix []string) (all [][]string) {
	for f := range t.Fields() {
		path := append(slices.Clone(prefix), f.Name)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			all = append(all, paths(inner, path)...)
		} else {
			all = append(all, path)
		}
	}
	return all
}

// at is the field at the end of a path, in the first of a list.
func at(v reflect.Value, path []string) reflect.Value {
	for _, name := range path {
		if v.Kind() == reflect.Slice {
			v = v.Index(0)
		}
		v = v.FieldByName(name)
	}
	return v
}

// disturb gives a field another value.
func disturb(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.ValueOf("x")))
	case reflect.Map:
		more := reflect.MakeMap(v.Type())
		more.SetMapIndex(reflect.Zero(v.Type().Key()), reflect.Zero(v.Type().Elem()))
		v.Set(more)
	default:
		t.Fatalf("a %s; teach this test to change one", v.Type())
	}
}
