package gateway

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestNoWaitingPubackCrossesConnect: acknowledgements that wait for credit are
// of the old session too.
func TestNoWaitingPubackCrossesConnect(t *testing.T) {
	const flags = mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID)
	for _, first := range []mqttsn.Packet{connectPacket(0, "b1", 10), {Type: mqttsn.Disconnect}} {
		s := newScript(t, Config{RxBuffer: 100, MaxInflight: 50, Predefined: map[uint16]string{1: "a"}})
		s.connect(0)
		for i := range uint16(20) {
			s.board(publish(flags, 1, i+1, "x"))
			s.published(s.wantCommand("published", PublishMessage))
		}
		s.frames = nil
		s.board(first)
		s.advance(initialRTO)
		for _, p := range s.frames {
			if p.Type == mqttsn.PubAck {
				t.Fatalf("a PUBACK crossed %s", first.Type)
			}
		}
		if len(s.frames) == 0 {
			t.Fatalf("%s was not answered", first.Type)
		}
	}
}

// TestAwayBoardIsAsked: a board whose session ended while it was gone is told
// to connect, whatever it says first.
func TestAwayBoardIsAsked(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(0)
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.reopen()
	s.board(publish(mqttsn.QoS1, 1, 1, "x"))
	s.want("connect first", mqttsn.Packet{Type: mqttsn.Disconnect})
}

// TestEveryMessageIsASignOfLife: what needs no session keeps one alive, and
// ends the silence after the port was opened.
func TestEveryMessageIsASignOfLife(t *testing.T) {
	search := mqttsn.Packet{Type: mqttsn.SearchGW}
	loose := publish(mqttsn.QoSMinus1|mqttsn.Flags(mqttsn.ShortName), mqttsn.ShortTopic('a', 'b'), 0, "x")
	for _, p := range []mqttsn.Packet{search, loose} {
		s := newScript(t, Config{})
		id := s.connect(mqttsn.CleanSession) // Duration 10
		for range 5 {
			s.advance(10 * time.Second)
			s.board(p)
		}
		s.frames, s.commands = nil, nil
		s.reopen()
		s.deliver(id, "ab", "down", 0)
		s.wantIdle("nothing uninvited")
		s.board(p)
		if p.Type == mqttsn.SearchGW {
			s.want("answered", mqttsn.Packet{Type: mqttsn.GWInfo, GatewayID: gatewayID})
		}
		s.want("the board is there", publish(mqttsn.Flags(mqttsn.ShortName), mqttsn.ShortTopic('a', 'b'), 0, "down"))
	}
}

// TestKeepaliveBeginsWithConnack: while the broker takes its time, a board has
// nothing to say.
func TestKeepaliveBeginsWithConnack(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.CleanSession, "b1", 1))
	id := s.wantCommand("open", OpenSession).Node
	s.advance(4 * time.Second)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.advance(1500*time.Millisecond - 1)
	s.wantIdle("1.5 times Duration")
	s.advance(1)
	s.want("lost", mqttsn.Packet{Type: mqttsn.Disconnect})
}
