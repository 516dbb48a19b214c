package cclient

import (
	"fmt"
	"slices"
	"testing"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/umqttd"
	"github.com/umqttd/umqttd/test/witness"
)

// rig is a C board's line, the umqttd at its end, a broker, and who talks to the board there.
type rig struct {
	t       *testing.T
	broker  *mosquitto.Broker
	witness *witness.Witness
	line    *cable.Cable
	gateway *umqttd.Gateway
	splice  *cable.Splice
	options []string // of the board
	board   *Board
}

// newRig starts all but the board. Device are further keys of the device, as ", baud: 921600".
func newRig(t *testing.T, device string, options ...string) *rig {
	t.Helper()
	r := &rig{
		t: t, line: cable.New(t), options: append([]string{"id=m5"}, options...),
		broker: mosquitto.Start(t, mosquitto.Config{Persistence: true, Lines: append([]string{"log_type none", "log_type error", "log_type notice", "log_type information"}, witness.BrokerLines...)}),
	}
	r.witness = witness.New(t, r.broker.Addr(), "witness", "up/#")
	r.gateway = umqttd.Start(t, gatewayProgram, fmt.Sprintf(
		"broker: {url: %q, reconnect: {min: 20ms, max: 200ms}}\noutbox: {dir: %q}\ngateway: gw\ndevices: [{name: attic, port: %q, max_frame: 240, console: {log: false}%s}]",
		r.broker.URL(), t.TempDir(), r.line.Path(), device))
	r.gateway.WaitMetric(metric("device_up"), 1)
	r.splice = cable.NewSplice(t, r.line)
	return r
}

// switchOn starts the board, or another one after it was killed.
func (r *rig) switchOn(options ...string) *Board {
	r.t.Helper()
	r.board = Start(r.t, boardProgram, r.splice.BoardPath(), slices.Concat(r.options, options)...)
	return r.board
}

// connect switches the board on, and waits until it is connected.
func (r *rig) connect(options ...string) *Board {
	r.t.Helper()
	b := r.switchOn(options...)
	b.Connect()
	return b
}

// metric is a series of the device attic.
func metric(name string) string { return "umqttd_" + name + `{device="attic"}` }
