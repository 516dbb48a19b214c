package devices

import (
	"context"
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore/packet"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// alive fails if the loop does not answer.
func (b *bench) alive() Status {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, ok := b.device.Status(ctx)
	if !ok {
		b.t.Fatal("the loop does not answer")
	}
	return s
}

// TestEndWithMuchInFlight: a board leaves a clean session in which more is
// unacknowledged than events may wait for the loop.
func TestEndWithMuchInFlight(t *testing.T) {
	const n = 2 * eventQueue
	b := newBench(t, func(c *Config) { c.Session.MaxInflight = n })
	conn := b.connect()
	for i := range uint16(n) {
		b.send(published1(i+1, "x"))
		conn.WantPublish()
	}
	b.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	b.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	conn.Want(`DISCONNECT`)
	conn.Close()
	b.send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1"), Duration: 60})
	b.broker.Welcome(false)
	b.want("connected again", mqttsn.Packet{Type: mqttsn.ConnAck})
	b.alive()
}

// TestReopenWithMuchAsked: a session is opened anew with requests that nobody
// will answer now.
func TestReopenWithMuchAsked(t *testing.T) {
	b := newBench(t, nil)
	b.want("connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1"), Duration: 60})
	conn := b.broker.Welcome(false)
	b.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck})
	for i := range uint16(20) {
		b.send(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: i + 1, Topic: fmt.Append(nil, "f/", i)})
		conn.WantType(packet.SUBSCRIBE)
	}
	b.send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1"), Duration: 60})
	conn.Want(`DISCONNECT`)
	conn.Close()
	b.broker.Welcome(false)
	b.want("connected again", mqttsn.Packet{Type: mqttsn.ConnAck})
	b.alive()
}

// TestNobodyWaitsForAnEndedSession: a session that waited for another with its
// client id to end, and is not wanted any more when it has.
func TestNobodyWaitsForAnEndedSession(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	b.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	conn.Want(`DISCONNECT`) // and the broker takes its time
	b.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1"), Duration: 60})
	b.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	b.want("left before it was connected", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.alive()
	conn.Close()
	b.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b2"), Duration: 60})
	b.broker.Accept().Want(`CONNECT "b2" keepalive=30`)
}

// TestSuccessor: two sessions with one client id would end each other.
func TestSuccessor(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.send(mqttsn.Packet{Type: mqttsn.Disconnect})
	b.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	conn.Want(`DISCONNECT`)
	b.send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b1"), Duration: 60})
	b.alive()
	if n := b.broker.Dials(); n != 1 {
		t.Errorf("%d connections while the first one ends", n)
	}
	conn.Close()
	b.broker.Welcome(false)
	b.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck})
}

// TestInvalidSession: what MQTT does not allow is found when the session is opened,
// and refused.
func TestInvalidSession(t *testing.T) {
	k := newDesk(t, nil)
	k.open(newStalledPort(1 << 20))
	k.send(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1")})
	conn := k.broker.Welcome(false)
	k.next(sessionState)
	s := k.d.sessions[1]
	k.d.execute(&gateway.Command{Kind: gateway.OpenSession, Node: 1, ClientID: "b1", Will: &gateway.Will{Topic: []byte("a/#")}})
	conn.Want(`DISCONNECT`)
	conn.Close()
	k.next(sessionEnded) // the old one
	k.next(sessionEnded) // the new one
	if s.turn.Live() || s.online {
		t.Error("it runs")
	}
}
