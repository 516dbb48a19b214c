package devices

import (
	"testing"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// hangUp accepts a connection, waits until the gateway looks for what it has announced,
// and hangs up.
func hangUp(broker *fakebroker.Broker) {
	conn := broker.Accept()
	conn.WantConnect()
	conn.Connack(false, 0)
	conn.WantType(packet.SUBSCRIBE)
	conn.Close()
}

// TestBrokerHangsUp on who subscribes what he may not: the gateway goes on without.
func TestBrokerHangsUp(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		broker := fakebroker.NewTCP(t, fakebroker.Config{})
		o := newOwn(t, broker)
		o.Announce(&Announcements{Earlier: []string{"ha/+/pi/+/config"}, Wanted: wanted})
		runOwn(t, o)
		for range mostCuts {
			hangUp(broker)
		}
		conn := broker.Accept()
		conn.WantConnect()
		conn.Connack(false, 0)
		conn.WantPublish()
		conn.WantPublish()
		conn.Puback(1, 2)
		if err := o.publish([]byte("ab"), []byte("printed")); err != nil {
			t.Fatal(err)
		}
		conn.Want(`PUBLISH q0 ab "printed"`)
		if got := broker.ReceivedType(packet.SUBSCRIBE); len(got) != mostCuts {
			t.Errorf("asked %d times", len(got))
		}
	}
}
