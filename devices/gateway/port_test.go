package gateway

import (
	"strings"
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

// TestBusyPort: nothing is put out while the port takes nothing, and nothing is
// lost, sent twice, or timed.
func TestBusyPort(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.g.PortBusy(s.now, true)
	s.deliver(id, "ab", "down", 1)
	s.deliver(id, "ab", "down too", 0)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.advance(8 * time.Second)
	s.wantIdle("the port takes nothing")
	s.g.PortBusy(s.now, false)
	s.collect()
	s.want("answers first, then messages", mqttsn.Packet{Type: mqttsn.PingResp}, publish(shortQoS1, ab, 1, "down"))
	s.advance(minRTO)
	s.g.PortBusy(s.now, true)
	s.advance(2 * initialRTO)
	s.wantIdle("a retransmission waits too")
	s.board(puback(ab, 1, mqttsn.Accepted))
	s.wantCommand("and is not needed any more", ReleaseInbound)
	s.g.PortBusy(s.now, false)
	s.collect()
	s.want("next", publish(mqttsn.Flags(mqttsn.ShortName), ab, 0, "down too"))
	s.wantCommand("done", ReleaseInbound)
	s.wantIdle("done")
}

// TestATurnIsBounded: however much waits, the driver gets it in pieces.
func TestATurnIsBounded(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.g.PortBusy(s.now, true)
	for range 100 {
		s.deliver(id, "ab", strings.Repeat("x", 1000), 0)
	}
	s.g.PortBusy(s.now, false)
	count := 0
	for turns := 0; count < 100; turns++ {
		stream, frames := s.g.Stream()
		if len(stream) > maxTurn+1100 || turns > 20 {
			t.Fatalf("turn %d puts out %d bytes", turns, len(stream))
		}
		count += frames
		if d := s.g.Deadline(); count < 100 && d.After(s.now) {
			t.Fatalf("%d frames wait, and nobody is told", 100-count)
		}
		s.g.Advance(s.now)
	}
}
