package gateway

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestSessionPresentOfARunningSession: a board that connects again has a
// session, unless it may only not have heard of it: then the answer is repeated,
// so that a board whose first CONNACK was lost subscribes all the same.
func TestSessionPresentOfARunningSession(t *testing.T) {
	for _, heard := range []bool{false, true} {
		s := newScript(t, Config{})
		s.board(connectPacket(mqttsn.WantSession, "b1", 10))
		s.up(s.wantCommand("open", OpenSession).Node, false)
		answer := mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true}
		s.want("a new session", answer)
		if heard {
			s.board(mqttsn.Packet{Type: mqttsn.PingReq})
			s.want("it has got CONNACK", mqttsn.Packet{Type: mqttsn.PingResp})
		}
		s.board(connectPacket(mqttsn.WantSession, "b1", 10))
		answer.SessionPresent = heard
		s.want("connected again", answer)
	}
}

// TestTakeOver: on loopback a client that starts again has another port.
func TestTakeOver(t *testing.T) {
	s := newScript(t, Config{Datagram: true, TakeOver: true})
	from := func(addr string, p mqttsn.Packet) {
		s.g.Receive(s.now, netip.MustParseAddrPort(addr), p.Append(nil))
		s.collect()
	}
	from("127.0.0.1:1001", connectPacket(mqttsn.CleanSession, "b1", 10))
	first := s.wantCommand("open", OpenSession)
	s.up(first.Node, false)
	s.want("connected", connack(mqttsn.Accepted))
	from("127.0.0.1:1002", connectPacket(mqttsn.CleanSession, "b1", 10))
	s.up(first.Node, false)
	s.want("from its new port", connack(mqttsn.Accepted))
	from("127.0.0.1:1001", mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("the old one is a stranger", mqttsn.Packet{Type: mqttsn.Disconnect})
}

// TestPingNeverOverfillsTheBuffer: frames of all sizes near the buffer's.
func TestPingNeverOverfillsTheBuffer(t *testing.T) {
	for size := 180; size <= 240; size++ {
		s := newScript(t, Config{RxBuffer: 240})
		id := s.connect(mqttsn.CleanSession)
		s.frames, s.sizes = nil, nil
		s.deliver(id, "ab", strings.Repeat("x", size), 0)
		total := 0
		for _, n := range s.sizes {
			total += n
		}
		if len(s.sizes) > 1 && total > 240 {
			t.Errorf("payload of %d: %d bytes at once in %d frames", size, total, len(s.sizes))
		}
	}
}
