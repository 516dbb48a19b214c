package devices

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestNoMessageOnDiskWithoutItsSession: a gateway that is killed right after its
// first PUBACK from the outbox must know, when it starts again, that the board's
// session is one that the broker keeps.
func TestNoMessageOnDiskWithoutItsSession(t *testing.T) {
	b := newOutboxBench(t, nil)
	b.want("connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1"), Duration: 60})
	conn := b.broker.Welcome(false)
	b.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck})
	b.broker.SetReach(fakebroker.Refusing)
	conn.Close()
	b.await("the broker to be missed", func(s *Status) bool { return len(s.Boards) == 1 && !s.Boards[0].Broker })
	b.send(published1(1, "x"))
	b.want("stored", puback1(1))

	dir := filepath.Join(t.TempDir(), "as a SIGKILL leaves it")
	if err := os.CopyFS(dir, os.DirFS(b.device.cfg.Outbox.Dir)); err != nil {
		t.Fatal(err)
	}
	log, err := outbox.Open(outbox.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	states, err := log.States()
	if err != nil || len(states) != 1 || states[0].Client != "b1" || string(states[0].Data) != "{}" {
		t.Errorf("found %q, %v", states, err)
	}
}
