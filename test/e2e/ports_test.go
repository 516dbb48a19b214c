package e2e

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestTroubleStaysWithItsPort has four devices: one is well, one is missing, one belongs to another program, one is no serial port. The one that is well does not
// notice, and the others come when they can.
func TestTroubleStaysWithItsPort(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Config{})
	well, missing, busy := cable.New(t), cable.New(t), cable.New(t)
	missing.Unplug()
	other, err := os.OpenFile(busy.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	wrong := file(t, "no-port")
	if err := os.WriteFile(wrong, []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`"}
devices:
  - {name: well, port: `+well.Path()+`}
  - {name: missing, port: `+missing.Path()+`}
  - {name: busy, port: `+busy.Path()+`}
  - {name: wrong, port: `+wrong+`}
`)
	judge := subscribe(t, broker, "judge", "m5/#")
	b := cable.NewBoard(t, well, board.Config{ClientID: "m5", Window: 8, MaxQueue: 1000})
	sent := numbered("up", 200)
	send(b, "m5/t", sent)
	gateway.WaitMetricAtLeast(`umqttd_port_errors_total{device="busy",reason="busy"}`, 1)
	for device, up := range map[string]float64{"well": 1, "missing": 0, "busy": 0, "wrong": 0} {
		gateway.WaitMetric(`umqttd_device_up{device="`+device+`"}`, up)
	}
	wantOnce(t, payloads(judge.wait(len(sent))), sent)

	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	missing.Plug()
	cable.NewBoard(t, missing, board.Config{ClientID: "late"}).Wait(board.Connected, 1)
	cable.NewBoard(t, busy, board.Config{ClientID: "freed"}).Wait(board.Connected, 1)
	gateway.WaitMetric(`umqttd_device_up{device="wrong"}`, 0)
	if got, err := os.ReadFile(wrong); err != nil || string(got) != "text\n" {
		t.Errorf("a file that is no port now holds %q (%v)", got, err)
	}
	wantUndisturbed(t, b)
}

// freePort returns a port of 127.0.0.1 that nobody has at this moment.
func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestUDP has two boards on one socket: standard MQTT-SN, a bare message a datagram.
func TestUDP(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Config{})
	address := freePort(t, "udp")
	gateway := umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`"}
devices: [{name: attic, port: "udp://`+address+`"}]
`)
	judge := subscribe(t, broker, "judge", "+/t")
	gateway.WaitMetric(metric("device_up"), 1)
	one := cable.NewBoard(t, cable.NewSocket(t, address), board.Config{ClientID: "one", Window: 4, MaxQueue: 1000, Will: &board.Will{Topic: "one/t", Message: []byte("gone")}})
	two := cable.NewBoard(t, cable.NewSocket(t, address), board.Config{ClientID: "two", Window: 4, MaxQueue: 1000})
	one.Wait(board.Connected, 1)
	two.Wait(board.Connected, 1)
	gateway.WaitMetric(metric("board_connected"), 2)
	one.Subscribe("cmd/#", 1)
	two.Subscribe("cmd/#", 1)
	up, down := numbered("up", 100), numbered("down", 100)
	send(one, "one/t", up)
	send(two, "two/t", up)
	publish(t, broker, "cmd/x", down)
	one.WaitAcknowledged()
	two.WaitAcknowledged()
	one.Wait(board.Received, len(down))
	two.Wait(board.Received, len(down))
	wantOnce(t, received(one), down)
	wantOnce(t, received(two), down)
	byTopic := make(map[string][]string)
	for _, m := range judge.wait(2 * len(up)) {
		byTopic[m.topic] = append(byTopic[m.topic], m.payload)
	}
	wantOnce(t, byTopic["one/t"], up)
	wantOnce(t, byTopic["two/t"], up)
	one.Disconnect()
	gateway.WaitMetric(metric("board_connected"), 1)
	gateway.Stop()
	gateway.Restart()
	send(two, "two/t", []string{"again"}) // it hears that its session is gone when it sends
	judge.waitFor("two/t", "again")
	if n := two.Count(board.Connected); n < 2 {
		t.Errorf("the board connected %d times", n)
	}
}

// TestTCP reaches a board through a serial server, whose connection drops once.
func TestTCP(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Config{})
	line := cable.New(t)
	server := cable.NewServer(t, line)
	gateway := umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`"}
devices: [{name: attic, port: "tcp://`+server.Addr()+`"}]
`)
	judge := subscribe(t, broker, "judge", "m5/#")
	b := cable.NewBoard(t, line, board.Config{ClientID: "m5", Window: 4, MaxQueue: 1000})
	b.Subscribe("cmd/m5", 1)
	up, down := numbered("up", 200), numbered("down", 200)
	send(b, "m5/t", up)
	publish(t, broker, "cmd/m5", down)
	judge.wait(50)
	server.Drop()
	b.WaitAcknowledged()
	b.Wait(board.Received, len(down))
	wantOnce(t, received(b), down)
	wantOnce(t, payloads(judge.wait(len(up))), up)
	gateway.WaitMetric(metric("reconnects_total", `side="port"`), 1)
	patience.Wait(t, "the board has connected again", func() bool { return b.Reconnects() > 0 })
}
