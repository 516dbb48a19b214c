package micropython

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/umqttd"
)

// device is the metric of the board's device, without further labels.
const device = `{device="attic"}`

// setup says what a test needs beyond the usual. The zero value is the usual: a plain broker, no outbox.
type setup struct {
	broker  mosquitto.Config
	connect []string // further keys of broker
	device  []string // further keys of the device
	top     []string // further keys of the configuration
}

// rig is a gateway with a line for one board, and a broker.
type rig struct {
	t       *testing.T
	version string
	broker  *mosquitto.Broker
	line    *cable.Cable
	splice  *cable.Splice
	gateway *umqttd.Gateway
}

// newRig starts a broker and a umqttd, and waits until the port is open.
func newRig(t *testing.T, version string, s setup) *rig {
	t.Helper()
	r := &rig{t: t, version: version, line: cable.New(t), broker: mosquitto.Start(t, s.broker)}
	r.splice = cable.NewSplice(t, r.line)
	connect := append([]string{fmt.Sprintf("url: %q", r.broker.URL()), "reconnect: {min: 20ms, max: 200ms}"}, s.connect...)
	keys := append([]string{"name: attic", "port: " + r.line.Path()}, s.device...)
	config := append([]string{
		"broker:\n  " + strings.Join(connect, "\n  "),
		"devices:\n  - " + strings.Join(keys, "\n    "),
		"gateway: gw",
	}, s.top...)
	r.gateway = umqttd.Start(t, program, strings.Join(config, "\n"))
	r.waitPort()
	return r
}

// waitPort waits until umqttd has opened the line: what a board sends before is lost.
func (r *rig) waitPort() {
	r.t.Helper()
	r.gateway.WaitMetric("umqttd_device_up"+device, 1)
}

// board switches a board on, with a program of testdata and the client as it is shipped.
func (r *rig) board(program string, config interpreter.Config, args ...string) *interpreter.Board {
	r.t.Helper()
	config.Version, config.Program, config.Args = r.version, filepath.Join("testdata", program), args
	config.Libraries = append(config.Libraries, client(r.t), filepath.Join("testdata", "lib"))
	if config.UARTs == nil && config.REPL == "" {
		config.UARTs = map[int]string{1: r.splice.BoardPath()}
	}
	return interpreter.Start(r.t, config)
}

// another is a client to test instead of the one beside.
var another = flag.String("client", "", "folder of a package umqtt_serial to test, instead of clients/micropython/umqtt_serial")

// source is the folder of the client.
func source(t testing.TB) string {
	t.Helper()
	if *another != "" {
		return *another
	}
	return filepath.Join(interpreter.Root(t), "clients/micropython/umqtt_serial")
}

// client returns a folder with the compiled client.
func client(t testing.TB) string {
	t.Helper()
	return interpreter.Compile(t, source(t))
}

// everyVersion runs a test with each interpreter, side by side.
func everyVersion(t *testing.T, test func(t *testing.T, version string)) {
	t.Helper()
	t.Parallel()
	for _, version := range interpreter.Versions {
		t.Run(version, func(t *testing.T) { t.Parallel(); test(t, version) })
	}
}

// writeFile writes a file of the test's own.
func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
