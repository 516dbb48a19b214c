package browser

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/umqttd"
)

// rig is a gateway that somebody looks at.
type rig struct {
	t       *testing.T
	broker  *mosquitto.Broker
	gateway *umqttd.Gateway
	lines   map[string]*cable.Cable // by device
	head    string                  // of the configuration, without devices
}

// newRig starts a broker and a umqttd with devices of these names, each on a cable of its own, and waits until their ports are open. Further lines of the configuration may follow.
func newRig(t *testing.T, devices []string, further ...string) *rig {
	t.Helper()
	r := &rig{t: t, broker: mosquitto.Start(t, mosquitto.Config{}), lines: make(map[string]*cable.Cable)}
	config := append([]string{"gateway: pi-attic", fmt.Sprintf("broker: {url: %q, reconnect: {min: 20ms, max: 200ms}}", r.broker.URL())}, further...)
	r.head = strings.Join(config, "\n") + "\n"
	if len(devices) > 0 {
		config = append(config, "devices:")
	}
	for _, name := range devices {
		r.lines[name] = cable.New(t)
		config = append(config, fmt.Sprintf("  - {name: %s, port: %s}", name, r.lines[name].Path()))
	}
	r.gateway = umqttd.Start(t, program, strings.Join(config, "\n"))
	for _, name := range devices {
		r.gateway.WaitMetric(fmt.Sprintf("umqttd_device_up{device=%q}", name), 1)
	}
	return r
}

// reload replaces the devices of the configuration, as an operator does.
func (r *rig) reload(devices string) {
	r.t.Helper()
	r.gateway.Rewrite(r.head + devices)
	r.gateway.Signal(syscall.SIGHUP)
}

// board powers a board on and waits until it is connected.
func (r *rig) board(device, clientID string) *cable.Board {
	r.t.Helper()
	b := cable.NewBoard(r.t, r.lines[device], board.Config{ClientID: clientID})
	b.Wait(board.Connected, 1)
	return b
}

// publish lets a board publish and waits until it is acknowledged.
func publish(b *cable.Board, topic, payload string) {
	b.Publish(board.Message{Topic: topic, Data: []byte(payload), QoS: 1})
	b.WaitAcknowledged()
}

// tell publishes for boards, as anybody at the broker may.
func (r *rig) tell(topic, payload string) {
	r.t.Helper()
	host, port, err := net.SplitHostPort(r.broker.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	c := exec.CommandContext(r.t.Context(), "mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-t", topic, "-m", payload)
	if output, err := c.CombinedOutput(); err != nil {
		r.t.Fatalf("mosquitto_pub: %v; on Debian, Raspberry Pi OS and Ubuntu: apt-get install mosquitto-clients\n%s", err, output)
	}
}

// life is a gateway as people have it: a board at work, one whose port is gone, one that sleeps, and a port whose board has said nothing yet.
func life(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, []string{"greenhouse", "cellar", "mailbox", "workshop"})
	b := r.board("greenhouse", "greenhouse-1")
	b.Print("rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\nwifi off, serial link only\nbme280: id 0x60 at 0x76\n")
	b.Subscribe("commands/greenhouse/#", 1)
	for i := range 24 {
		publish(b, "sensors/greenhouse/temperature", fmt.Sprintf("%.2f", 21.5+float64(i)/8))
	}
	publish(b, "sensors/greenhouse/humidity", "61")
	publish(b, "sensors/greenhouse/soil/moisture", "0.31")
	r.tell("commands/greenhouse/window", "open")
	b.Wait(board.Received, 1)
	sleeper := r.board("mailbox", "mailbox")
	publish(sleeper, "mailbox/flap", "closed")
	sleeper.Sleep(time.Hour)
	publish(r.board("cellar", "cellar"), "cellar/water-level", "12")
	r.lines["cellar"].Unplug()
	r.gateway.WaitMetric(`umqttd_device_up{device="cellar"}`, 0)
	return r
}
