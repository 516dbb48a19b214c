package gateway

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// connectWithWill begins a session with a will and returns its node, before the
// broker has answered.
func (s *script) connectWithWill(flags mqttsn.Flags) NodeID {
	s.t.Helper()
	s.board(connectPacket(flags|mqttsn.Will, "b1", 10), willTopic(mqttsn.QoS1, "w"), willMsg("gone"))
	s.want("the will is asked for", mqttsn.Packet{Type: mqttsn.WillTopicReq}, mqttsn.Packet{Type: mqttsn.WillMsgReq})
	c := s.wantCommand("CONNECT opens a session", OpenSession)
	if c.Will == nil || c.Clean {
		s.t.Fatalf("opened %+v", c)
	}
	return c.Node
}

// TestTemporarySession: what the broker kept of an earlier one is forgotten before
// a clean session begins, and what it kept of this one when it ends.
func TestTemporarySession(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connectWithWill(mqttsn.CleanSession)
	s.up(id, true)
	if c := s.wantCommand("the broker has one: it is to forget it", OpenSession); !c.Clean || c.Will != nil {
		t.Fatalf("opened %+v", c)
	}
	s.wantIdle("the board waits")
	s.up(id, false)
	if c := s.wantCommand("now the board's", OpenSession); c.Clean || c.Will == nil {
		t.Fatalf("opened %+v", c)
	}
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.g.SessionDown(s.now, id, s.now, false)
	s.advance(time.Second)
	s.up(id, true)
	s.wantIdle("a connection later the session is the board's own")

	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	if c := s.wantCommand("ended orderly, and forgotten", OpenSession); !c.Clean || c.Will != nil {
		t.Fatalf("opened %+v", c)
	}
	s.wantIdle("once the broker is there")
	s.up(id, false)
	s.wantCommand("it is over", CloseSession)
	if s.forgotten != 1 {
		t.Error("the node is still known")
	}
}

// TestTemporarySessionOfALostBoard: the will goes out before all is forgotten.
func TestTemporarySessionOfALostBoard(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connectWithWill(mqttsn.CleanSession)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.advance(15 * time.Second)
	s.want("lost", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("the broker publishes the will", AbortSession)
	if c := s.wantCommand("and forgets the session", OpenSession); !c.Clean || c.Will != nil {
		t.Fatalf("opened %+v", c)
	}
	s.up(id, false)
	s.wantCommand("it is over", CloseSession)
}

// TestTemporarySessionWithoutABroker: what never began need not be forgotten.
func TestTemporarySessionWithoutABroker(t *testing.T) {
	s := newScript(t, Config{})
	s.connectWithWill(mqttsn.CleanSession)
	s.advance(5 * time.Second)
	s.want("no broker", connack(mqttsn.Congestion))
	s.wantCommand("given up", AbortSession)
	s.wantIdle("and that is all")
}

// TestOldSubscriptionsDoNotComeBack: the broker lost the session while it was away,
// and the MQTT session would subscribe again; but the board wants a clean one.
func TestOldSubscriptionsDoNotComeBack(t *testing.T) {
	s := newScript(t, Config{Outbox: true})
	id := s.connectWithWill(mqttsn.CleanSession)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("cmd")})
	c := s.wantCommand("subscribed", SubscribeFilter)
	s.g.Subscribed(s.now, id, c.Token, Granted, 1)
	s.collect()
	s.down(id)
	s.frames, s.commands = nil, nil
	s.connectWithWill(mqttsn.CleanSession)
	s.up(id, false)
	if c := s.wantCommand("all of it is forgotten first", OpenSession); !c.Clean {
		t.Fatalf("opened %+v", c)
	}
	s.up(id, false)
	if c := s.wantCommand("then the board's", OpenSession); c.Clean {
		t.Fatalf("opened %+v", c)
	}
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
}
