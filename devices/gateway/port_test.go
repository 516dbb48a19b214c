package gateway

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestPortThatComesAndGoes: absences add up until the board is heard. A port
// that opens and fails at once does not keep a lost board alive.
func TestPortThatComesAndGoes(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	flap := func(times int) {
		for range times {
			s.g.PortLost(s.now)
			s.advance(500 * time.Millisecond)
			s.g.PortOpened(s.now)
			s.collect()
			s.now = s.now.Add(time.Millisecond)
		}
		s.frames = nil
	}
	flap(5)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("the board is there", mqttsn.Packet{Type: mqttsn.PingResp})
	flap(5)
	s.wantIdle("2.5 s since it was")
	flap(2)
	s.wantCommand("3 s", AbortSession)
	s.wantNotice("said", BoardDisconnected, ReasonPortLost)
}

// TestPortGoneLongAgo: what was before a session does not end it.
func TestPortGoneLongAgo(t *testing.T) {
	s := newScript(t, Config{})
	s.g.PortLost(s.now)
	s.advance(time.Minute)
	s.g.PortOpened(s.now)
	s.collect()
	s.want("connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.board(connectPacket(0, "b1", 0))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.advance(time.Hour)
	s.wantIdle("nothing has happened since")
	s.g.PortLost(s.now)
	s.advance(portGrace - 1)
	s.wantIdle("not yet")
	s.advance(1)
	s.wantCommand("now", AbortSession)
}
