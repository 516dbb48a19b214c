package e2e

import (
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestEmbeddedBroker lets two boards talk to each other with nothing but umqttd between them.
func TestEmbeddedBroker(t *testing.T) {
	t.Parallel()
	attic, shed := cable.New(t), cable.New(t)
	gateway := umqttd.Start(t, program, `
broker: {url: embedded}
embedded_broker: {listen: "127.0.0.1:0"}
gateway: gw
devices:
  - {name: attic, port: `+attic.Path()+`}
  - {name: shed, port: `+shed.Path()+`}
`)
	sender := cable.NewBoard(t, attic, board.Config{ClientID: "sender", Window: 8, MaxQueue: 1000})
	receiver := cable.NewBoard(t, shed, board.Config{ClientID: "receiver"})
	receiver.Subscribe("m5/#", 1)
	sent := numbered("up", 200)
	send(sender, "m5/t", sent)
	receiver.Wait(board.Received, len(sent))
	sender.WaitAcknowledged()
	wantOnce(t, received(receiver), sent)
	gateway.WaitMetric("umqttd_gateway_connected", 1)
}
