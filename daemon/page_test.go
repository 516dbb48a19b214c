package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/daemon/web"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/port/porttest"
)

// TestProblemIsForgottenWhenThePortOpens: what was wrong with a port is on the page for
// as long as it is wrong.
func TestProblemIsForgottenWhenThePortOpens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "board")
	r := start(t, base+fmt.Sprintf("devices: [{name: d, port: %s}]\n", path), nil)
	r.wantLog("port is not there")
	r.wantPage("/", "no such port")
	_, tty := porttest.NewPTY(t)
	if err := os.Symlink(tty, path); err != nil {
		t.Fatal(err)
	}
	r.wantLog("port open")
	s := (*page)(r.Daemon).Status()
	if d := s.Devices[0]; !d.Up || d.Problem != "" {
		t.Errorf("the page shows up %v, problem %q", d.Up, d.Problem)
	}
}

// TestDeviceThatHangs is named on the page, in a second, and silences no other.
func TestDeviceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(parse(t, "devices: [{name: a, port: /none/a}, {name: b, port: /none/b}, {name: c, port: /none/c}]"),
			Options{Log: new(logtest.Book).Logger()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		all := d.now.Load().devices
		for _, s := range all[:2] { // they do not run, and do not answer
			s.current.Store(s.build(*s.cfg.Load(), nil))
		}
		go func() { _ = all[2].Run(ctx) }()
		synctest.Wait()
		begun := time.Now()
		s := (*page)(d).Status()
		if took := time.Since(begun); took != askTimeout {
			t.Errorf("it took %v", took)
		}
		for i, want := range []string{"does not answer", "does not answer", "no such port"} {
			if !strings.Contains(s.Devices[i].Problem, want) {
				t.Errorf("device %s: %q, want %q", s.Devices[i].Name, s.Devices[i].Problem, want)
			}
		}
		if line := d.summary(ctx); line != "0/3 devices up, no board connected" {
			t.Errorf("systemd is told %q", line)
		}
	})
}

// TestPageOfSeveralBrokers names the broker of a device that has its own, and shows no
// signature that stands in a URL.
func TestPageOfSeveralBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(parse(t, `
broker: {url: "wss://one.example.org/mqtt?signature=secret"}
devices:
  - {name: a, port: /dev/a}
  - {name: b, port: /dev/b, broker: {url: "wss://two.example.org/mqtt?signature=secret"}}
  - {name: c, port: /dev/c, broker: {username: c}}
`), Options{Log: new(logtest.Book).Logger()})
		if err != nil {
			t.Fatal(err)
		}
		s := (*page)(d).Status()
		brokers := []string{s.Broker, s.Devices[0].Broker, s.Devices[1].Broker, s.Devices[2].Broker}
		if want := []string{"wss://one.example.org/mqtt", "", "wss://two.example.org/mqtt", ""}; !slices.Equal(brokers, want) {
			t.Errorf("brokers %q, want %q", brokers, want)
		}
		if text := fmt.Sprintf("%+v", s); strings.Contains(text, "secret") {
			t.Errorf("the page has %s", text)
		}
	})
}

// TestSettings are what the page of a device says of its configuration: keys as they are written there, defaults too, and no secret.
func TestSettings(t *testing.T) {
	cfg := parse(t, `
broker: {url: "mqtt://one.example.org", username: gateway}
devices:
  - {name: a, port: /dev/ttyUSB0}
  - name: b
    usb: {vid: "10C4", pid: ea60, serial: "01435B26"}
    baud: 9600
    reset: pulse
    client_id: b1
    topics: {2: x/two, 1: x/one}
    allow: {publish: ["x/#", y], subscribe: []}
    limits: {messages_per_second: 5, max_payload: 100}
    console: {log: false, topic: x/console}
    homeassistant: {entities: {temperature: {platform: sensor, state_topic: x/one}}}
  - {name: c, port: "udp://:1884"}
`)
	for i, want := range []string{
		"port=/dev/ttyUSB0 baud=115200 reset=never rx_buffer=240 bytes max_frame=2048 bytes broker=mqtt://one.example.org allow.publish=everything allow.subscribe=everything",
		"usb=10c4:ea60 serial 01435B26 baud=9600 reset=pulse rx_buffer=240 bytes max_frame=2048 bytes broker=mqtt://one.example.org client_id=b1 topics: 1=x/one topics: 2=x/two " +
			"allow.publish=x/#, y allow.subscribe=nothing limits.messages_per_second=5 limits.max_payload=100 bytes console.log=false console.topic=x/console homeassistant=entities: temperature",
		"port=udp://:1884 rx_buffer=240 bytes max_frame=2048 bytes broker=mqtt://one.example.org allow.publish=everything allow.subscribe=everything",
	} {
		var got []string
		for _, s := range settings(&cfg.Devices[i]) {
			got = append(got, s.Key+"="+s.Value)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("device %s:\n%s\nwant\n%s", cfg.Devices[i].Name, strings.Join(got, " "), want)
		}
	}
}

// TestSessionOnThePage: a board whose port is gone is lost, unless it sleeps; one that has no CONNACK yet waits for the broker.
func TestSessionOnThePage(t *testing.T) {
	for _, test := range []struct {
		connected, asleep, open bool
		want                    web.Session
	}{
		{true, false, true, web.Active},
		{true, false, false, web.Lost},
		{true, true, true, web.Asleep},
		{true, true, false, web.Asleep},
		{false, false, true, web.Awaiting},
	} {
		board := devices.Board{NodeStatus: gateway.NodeStatus{Connected: test.connected, Asleep: test.asleep}}
		if got := showDevice(&devices.Status{Open: test.open, Boards: []devices.Board{board}}).Boards[0].Session; got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
