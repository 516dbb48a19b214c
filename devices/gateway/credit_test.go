package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestReceiveBufferIsRespected: however fast messages come, the board is never
// sent more than it can take before it answers.
func TestReceiveBufferIsRespected(t *testing.T) {
	const buffer = 240
	s := newScript(t, Config{RxBuffer: buffer})
	id := s.connect(mqttsn.CleanSession)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.frames, s.sizes = nil, nil
	for range 50 {
		s.deliver(id, "ab", strings.Repeat("x", 20), 0)
	}
	got, doubt := 0, 0
	for rounds := 0; got < 50; rounds++ {
		if rounds > 100 {
			t.Fatalf("only %d messages arrived", got)
		}
		pings := 0
		for i, p := range s.frames {
			doubt += s.sizes[i]
			if p.Type == mqttsn.PingReq {
				pings++
			} else {
				got++
			}
		}
		if doubt > buffer {
			t.Fatalf("%d bytes unacknowledged", doubt)
		}
		if pings == 0 && got < 50 {
			t.Fatal("messages wait, and nobody asks for credit")
		}
		s.frames, s.sizes = nil, nil
		if pings > 0 {
			doubt = 0
			s.board(mqttsn.Packet{Type: mqttsn.PingResp})
		}
	}
}

// TestCreditReturnsWithoutPingresp: many clients ignore a PINGREQ.
func TestCreditReturnsWithoutPingresp(t *testing.T) {
	s := newScript(t, Config{RxBuffer: 240})
	id := s.connect(mqttsn.CleanSession)
	for range 50 {
		s.deliver(id, "ab", strings.Repeat("x", 20), 0)
	}
	s.advance(14 * time.Second) // keepalive still holds
	got := 0
	for _, p := range s.frames {
		if p.Type == mqttsn.Publish {
			got++
		}
	}
	if got != 50 {
		t.Fatalf("%d of 50 messages were sent", got)
	}
	if s.g.Connected() != 1 {
		t.Fatal("an unanswered PINGREQ of ours must not end the session")
	}
}

func TestLargeFrameGoesAlone(t *testing.T) {
	s := newScript(t, Config{RxBuffer: 240})
	id := s.connect(mqttsn.CleanSession)
	s.frames = nil
	s.deliver(id, "ab", "small", 1)
	s.board(puback(mqttsn.ShortTopic('a', 'b'), 1, mqttsn.Accepted))
	s.frames, s.sizes, s.commands = nil, nil, nil
	s.deliver(id, "ab", strings.Repeat("x", 1000), 1)
	s.deliver(id, "ab", "next", 1)
	if len(s.frames) != 1 || len(s.frames[0].Data) != 1000 {
		t.Fatalf("the large frame must go, and alone: %d frames", len(s.frames))
	}
}

// TestLateFrameHasNoOldCredit: credit that was due long ago is not that of a frame
// which is sent before anybody has looked.
func TestLateFrameHasNoOldCredit(t *testing.T) {
	s := newScript(t, Config{RxBuffer: 240})
	id := s.connect(mqttsn.CleanSession)
	s.now = s.now.Add(5 * time.Second)
	s.sizes = nil
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	for range 20 {
		s.deliver(id, "ab", strings.Repeat("x", 24), 0)
	}
	total := 0
	for _, n := range s.sizes {
		total += n
	}
	if total > 240 || total < 200 {
		t.Errorf("%d bytes at once", total)
	}
}

// TestForwardedPing: the PINGREQ for a forwarder's node is longer than a bare one.
func TestForwardedPing(t *testing.T) {
	for size := range 40 {
		s := newScript(t, Config{RxBuffer: 240})
		wrap := func(p mqttsn.Packet) mqttsn.Packet {
			return mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: []byte("a long node id"), Data: p.Append(nil)}
		}
		s.board(wrap(connectPacket(mqttsn.CleanSession, "b1", 10)))
		id := s.wantCommand("open", OpenSession).Node
		s.up(id, false)
		s.advance(time.Second)
		s.sizes = nil
		for range 20 {
			s.deliver(id, "ab", strings.Repeat("x", size), 0)
		}
		total := 0
		for _, n := range s.sizes {
			total += n
		}
		if total > 240 {
			t.Fatalf("%d bytes at once", total)
		}
	}
}

// TestSlowBoard: a board that reads only now and then into a small ring loses
// something until the gateway knows how slow it is, and nothing after that.
func TestSlowBoard(t *testing.T) {
	const ring, nap = 240, 300 * time.Millisecond
	s := newScript(t, Config{RxBuffer: ring})
	id := s.connect(mqttsn.CleanSession)
	for range 10 { // so fast it was once
		s.deliver(id, "ab", "x", 1)
		s.now = s.now.Add(5 * time.Millisecond)
		s.board(puback(ab, s.g.byID[id].msgID, mqttsn.Accepted))
	}
	s.frames, s.sizes, s.commands = nil, nil, nil
	overrun := 0
	for round := range 40 {
		for range 20 {
			s.deliver(id, "ab", strings.Repeat("x", 20), 0)
		}
		s.advance(nap)
		got, lost, pings := 0, false, 0
		for i, p := range s.frames {
			got += s.sizes[i]
			lost = lost || got > ring
			if p.Type == mqttsn.PingReq && !lost {
				pings++
			}
		}
		if lost && round >= 10 {
			overrun++
		}
		s.frames, s.sizes, s.commands = nil, nil, nil
		for range pings {
			s.board(mqttsn.Packet{Type: mqttsn.PingResp})
		}
	}
	if overrun > 0 {
		t.Errorf("overrun in %d of 30 rounds", overrun)
	}
}

// TestWillRequestsHaveCredit: nodes of one forwarder share its buffer, whatever
// they are sent.
func TestWillRequestsHaveCredit(t *testing.T) {
	const buffer = 60
	s := newScript(t, Config{RxBuffer: buffer})
	s.frames, s.sizes = nil, nil
	for node := range byte(20) {
		inner := connectPacket(mqttsn.Will|mqttsn.CleanSession, "b"+string('a'+rune(node)), 10)
		s.board(mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: []byte{node + 1}, Data: inner.Append(nil)})
	}
	doubt := serialproto.FrameLen(2) // the DISCONNECT of the opened port
	for _, n := range s.sizes {
		doubt += n
	}
	if doubt > buffer {
		t.Fatalf("%d bytes unacknowledged", doubt)
	}
	s.advance(handshakeTimeout / 2)
	asked := make(map[string]bool)
	for _, p := range s.frames {
		asked[string(p.NodeID)] = true
	}
	if len(asked) != 20 {
		t.Fatalf("%d of 20 nodes were asked", len(asked))
	}
}

// TestCreditForQoS1: messages that need an answer wait for credit like others,
// and go when it returns.
func TestCreditForQoS1(t *testing.T) {
	s := newScript(t, Config{RxBuffer: 60})
	id := s.connect(mqttsn.CleanSession)
	ping := mqttsn.Packet{Type: mqttsn.PingReq}
	s.board(ping, ping, ping, ping)
	s.frames = nil
	s.deliver(id, "a/b", strings.Repeat("x", 20), 1)
	s.wantIdle("no credit for REGISTER")
	s.advance(2 * initialRTO)
	s.want("credit returns", mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("a/b")})
	s.frames = nil
	s.board(ping, ping, ping, ping, regack(1, 1, mqttsn.Accepted))
	s.advance(2 * initialRTO)
	last := s.frames[len(s.frames)-1]
	if last.Type != mqttsn.Publish {
		t.Fatalf("the message does not come: %s", describe(last))
	}
}
