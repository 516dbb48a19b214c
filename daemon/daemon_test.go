package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
)

// TestOneBrokenPortTouchesNoOther: one port is missing, one is no tty, one
// cannot be bound, and the board on the fourth is served.
func TestOneBrokenPortTouchesNoOther(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	good := freeUDP(t)
	r := start(t, base+fmt.Sprintf(`
devices:
  - {name: missing, port: %s/none}
  - {name: notty, port: %s}
  - {name: taken, port: "udp://%s"}
  - {name: good, port: "udp://%s"}
`, t.TempDir(), os.Args[0], taken.LocalAddr(), good), nil)
	r.wantLog("port is not there")
	b := dialBoard(t, good)
	b.connect("b1")
	b.publish(1, "x")
	r.wantPage("/-/ready", "200") // a port that is not there is a state
	r.wantPage("/", "1.2.3", "missing", "notty", "taken", "good", "b1", "no such port")
	r.wantPage("/metrics",
		`umqttd_device_up{device="good"} 1`, `umqttd_device_up{device="missing"} 0`, `umqttd_board_connected{device="good"} 1`,
		`umqttd_messages_total{device="good",direction="uplink",qos="1"} 1`, `umqttd_config_last_reload_successful 1`,
		`umqttd_build_info{`)
	if s := r.summary(t.Context()); s != "1/4 devices up, broker connected" {
		t.Errorf("systemd is told %q", s)
	}
}

// TestAddressInUse: what the operator asked for and cannot be had ends the program.
func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for key, yaml := range map[string]string{
		"http.listen":            fmt.Sprintf("http: {listen: %q}", l.Addr()),
		"embedded_broker.listen": fmt.Sprintf("http: {listen: \"\"}\nbroker: {url: embedded}\nembedded_broker: {listen: %q}", l.Addr()),
	} {
		d, err := New(parse(t, yaml), Options{Log: new(logtest.Book).Logger()})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Run(context.Background()); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("ended with %v, want an error that names %s", err, key)
		}
	}
}

// TestWithoutServers: a gateway without a page, a broker inside, a session of its own
// and boards still runs.
func TestWithoutServers(t *testing.T) {
	r := start(t, "http: {listen: \"\"}\ngateway: \"\"\n", nil)
	if r.HTTPAddr() != nil || r.BrokerAddr() != nil {
		t.Errorf("it listens on %v and %v", r.HTTPAddr(), r.BrokerAddr())
	}
	r.wantLog("no device is configured")
}

// TestStoppedBeforeReady: a gateway that is told to stop while it starts touches no
// port.
func TestStoppedBeforeReady(t *testing.T) {
	var book logtest.Book
	d := bare()
	d.now.Store(&lineup{cfg: new(config.Config), devices: []*supervised{fakeDevice(t, &book)}}) // which panics when it runs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Run(ctx); err != nil {
		t.Error(err)
	}
	if book.String() != "" {
		t.Errorf("the device ran:\n%s", &book)
	}
	select {
	case <-d.Ready():
		t.Error("it was ready")
	default:
	}
}
