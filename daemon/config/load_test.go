package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/devices/port"
)

// noEnv is an empty environment.
func noEnv(string) (string, bool) { return "", false }

// folder writes files into a folder of the test and returns the path of umqttd.yaml.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "umqttd.yaml")
}

func TestLoadEveryKey(t *testing.T) {
	path := folder(t, map[string]string{
		"umqttd.yaml": `
broker:
  url: ws://broker.example.org/mqtt
  username: gateway
  password_file: password
  keepalive: 1m
  max_inflight: 7
  reconnect: {min: 1s, max: 5s}
embedded_broker: {listen: "127.0.0.1:0", password_file: users}
outbox: {dir: outbox, max_bytes: 1GiB, when_full: drop_oldest, spill_after: 1s, if_unusable: run_without}
http: {listen: "127.0.0.1:0", show_payloads: true}
log: {level: debug, format: json}
gateway: pi-attic
max_nodes: 5
devices_dir: more
devices:
  - name: greenhouse
    port: /dev/ttyUSB0
    baud: 921600
    reset: pulse
    rx_buffer: 512
    max_frame: 4096
    client_id: greenhouse-1
    broker: {keepalive: 0s, reconnect: {max: 9s}}
    topics: {1: sensors/greenhouse/temperature}
    allow: {publish: ["sensors/greenhouse/#"], subscribe: []}
    limits: {messages_per_second: 200, max_payload: 1024}
    console: {log: false, topic: greenhouse/console}
    nodes: []
    homeassistant:
      prefix: ha
      device: {name: Greenhouse, manufacturer: M, model: X, model_id: x1, hw_version: "1", sw_version: "2", serial_number: "3", suggested_area: Garden, configuration_url: "http://h/"}
      entities: {level: {platform: number, command_topic: c/l, min: 0, max: 2.5, step: 0.5, qos: 1, optimistic: true}, mode: {platform: select, command_topic: c/m, options: [a, b]}}
`,
		"password":     "secret\n",
		"users":        "me:$2y$05$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n",
		"more/b.yaml":  "name: b\nusb: {vid: 10C4, pid: EA60, serial: \"01435B26\"}\n",
		"more/a.yml":   "name: a\nport: tcp://Esp-Link:23\n",
		"more/x.txt":   "no YAML",
		"more/.b.yaml": "a: hidden file",
		"more/c.yaml":  "# nothing but a comment\n",
	})
	c, warnings, err := Load(path, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Error("unexpected warning:", w)
	}
	dir := filepath.Dir(path)
	main := Broker{
		URL: "ws://broker.example.org/mqtt", Username: "gateway", PasswordFile: filepath.Join(dir, "password"), KeepAlive: time.Minute, MaxInflight: 7,
		Reconnect: Reconnect{Min: time.Second, Max: 5 * time.Second},
	}
	own := main
	own.KeepAlive = -1
	own.Reconnect.Max = 9 * time.Second
	want := &Config{
		Broker:         main,
		EmbeddedBroker: EmbeddedBroker{Listen: "127.0.0.1:0", PasswordFile: filepath.Join(dir, "users")},
		Outbox:         Outbox{Dir: filepath.Join(dir, "outbox"), MaxBytes: 1 << 30, WhenFull: DropOldest, SpillAfter: time.Second, IfUnusable: RunWithout},
		HTTP:           HTTP{Listen: "127.0.0.1:0", ShowPayloads: true},
		Log:            Log{Level: "debug", Format: "json"},
		Gateway:        "pi-attic",
		MaxNodes:       5,
		DevicesDir:     filepath.Join(dir, "more"),
		Devices: []Device{
			{
				Name: "greenhouse", Port: port.Spec{Path: "/dev/ttyUSB0", Baud: 921600, Reset: port.ResetPulse},
				RxBuffer: 512, MaxFrame: 4096, ClientID: "greenhouse-1", Broker: own,
				Topics:  map[uint16]string{1: "sensors/greenhouse/temperature"},
				Allow:   Allow{Publish: []string{"sensors/greenhouse/#"}, Subscribe: []string{}},
				Limits:  Limits{MessagesPerSecond: 200, MaxPayload: 1024},
				Console: Console{NoLog: true, Topic: "greenhouse/console"},
				HomeAssistant: HomeAssistant{
					Prefix: "ha",
					Device: HomeAssistantDevice{
						Name: "Greenhouse", Manufacturer: "M", Model: "X", ModelID: "x1", HWVersion: "1", SWVersion: "2", SerialNumber: "3",
						SuggestedArea: "Garden", ConfigurationURL: "http://h/",
					},
					Entities: map[string]Entity{
						"level": {Platform: "number", Options: map[string]any{"command_topic": "c/l", "min": 0.0, "max": 2.5, "step": 0.5, "qos": 1, "optimistic": true}},
						"mode":  {Platform: "select", Options: map[string]any{"command_topic": "c/m", "options": []string{"a", "b"}}},
					},
				},
			},
			{Name: "a", Port: port.Spec{Path: "tcp://Esp-Link:23", Reset: port.ResetNever}, RxBuffer: 240, MaxFrame: 2048, Broker: main, HomeAssistant: silent},
			{
				Name: "b", Port: port.Spec{USB: port.USB{VID: "10c4", PID: "ea60", Serial: "01435B26"}, Baud: 115200, Reset: port.ResetNever},
				RxBuffer: 240, MaxFrame: 2048, Broker: main, HomeAssistant: silent,
			},
		},
		Files: []string{path, filepath.Join(dir, "more/a.yml"), filepath.Join(dir, "more/b.yaml"), filepath.Join(dir, "more/c.yaml")},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestMainFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "umqttd.yaml"): "umqttd.yaml: no such file; write the name of a file that exists\n",
		dir + "/.":                        ".: cannot be read: is a directory\n",
	} {
		if got := said(t, path); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFileLargerThanOneMebibyte(t *testing.T) {
	comment := "# " + strings.Repeat("x", 1<<20) + "\n"
	path := folder(t, map[string]string{"umqttd.yaml": "gateway: gw\n", "devices.d/a.yaml": comment})
	const want = "devices.d/a.yaml: is larger than 1 MiB\n"
	if got := said(t, path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Ten thousand devices with ten thousand filters each fit into a file of a megabyte.
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("devices:\n  - name: a\n    port: /dev/a\n    allow:\n      publish: &list [")
	for i := range 10000 {
		fmt.Fprintf(&b, "f%d, ", i)
	}
	b.WriteString("]\n")
	for i := range 10000 {
		fmt.Fprintf(&b, "  - {name: a%d, port: /dev/a%d, allow: {publish: *list, subscribe: *list}}\n", i, i)
	}
	path := folder(t, map[string]string{"umqttd.yaml": b.String()})
	got := said(t, path)
	const want = "umqttd.yaml:5: devices[a4].allow.publish[9963]: comes after 100000 values, aliases counted each time; put devices into files of their own in devices_dir\n"
	if got != want {
		t.Errorf("got %.300q", got)
	}
}

// Aliases themselves are welcome.
func TestAliases(t *testing.T) {
	path := folder(t, map[string]string{"umqttd.yaml": `
gateway: &name pi
devices:
  - &a {name: a, port: /dev/a, limits: &limits {max_payload: 9}, client_id: *name}
  - {name: b, port: /dev/b, limits: *limits}
  - *a
`})
	const want = `umqttd.yaml:4: devices[a].client_id: is the client id of the gateway's own session; write another, or another gateway:
`
	got := said(t, path)
	if !strings.HasPrefix(got, want) || !strings.Contains(got, "devices[a].name: the same name stands on line 4") {
		t.Errorf("got\n%s", got)
	}
}

func TestReadPassword(t *testing.T) {
	for text, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\nmore\n": "secret", " blank s \n": " blank s ",
		"": "password: its first line is empty", "\nsecret": "password: its first line is empty",
		strings.Repeat("x", 65536): "password: its first line is longer than 65535 bytes",
	} {
		path := filepath.Join(filepath.Dir(folder(t, map[string]string{"password": text})), "password")
		got, err := ReadPassword(path)
		if err != nil {
			got = []byte(strings.Replace(err.Error(), "config: password file "+filepath.Dir(path)+"/", "", 1))
		}
		if string(got) != want {
			t.Errorf("%.20q: got %.80q, want %.80q", text, got, want)
		}
	}
	if _, err := ReadPassword(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is no password")
	}
}

// A pipe that nobody writes to is refused, not waited for.
func TestSecretsAreReadFromFilesOnly(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPassword(pipe); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("password: %v", err)
	}
	if _, err := ReadUsers(pipe); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("users: %v", err)
	}
}

// MQTT carries no text of more than 65535 bytes.
func TestTextsTooLongForMQTT(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	path := folder(t, map[string]string{"umqttd.yaml": "devices:\n  - name: a\n    port: /dev/a\n    client_id: " + long + "\n    topics: {1: " + long +
		"}\n    allow: {publish: [" + long + "]}\n"})
	const want = `umqttd.yaml:4: devices[a].client_id: is longer than 65535 bytes; write a shorter one
umqttd.yaml:5: devices[a].topics[1]: is longer than 65535 bytes; write a shorter topic
umqttd.yaml:6: devices[a].allow.publish[0]: is longer than 65535 bytes; write a shorter filter
`
	if got := said(t, path); got != want {
		t.Errorf("got\n%.500s", got)
	}
}

func BenchmarkLoadThousandDevices(b *testing.B) {
	var text strings.Builder
	text.WriteString("devices:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: a%d, port: /dev/a%d, allow: {publish: [\"a/%d/#\"]}, limits: {max_payload: 9}}\n", i, i, i)
	}
	for b.Loop() {
		if _, _, err := Parse("umqttd.yaml", []byte(text.String()), noEnv); err != nil {
			b.Fatal(err)
		}
	}
}
