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

// TestRepeatedConnect: a CONNECT whose answer takes long is sent again. The
// broker is asked once, and what counts is what the board said last.
func TestRepeatedConnect(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.CleanSession, "b1", 0))
	c := s.wantCommand("open", OpenSession)
	s.advance(time.Second)
	s.board(connectPacket(mqttsn.CleanSession|mqttsn.WantSession, "b1", 2))
	s.wantIdle("it is being opened")
	s.up(c.Node, false)
	s.want("connected", mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true})
	s.advance(3 * time.Second)
	s.want("and its keepalive counts", mqttsn.Packet{Type: mqttsn.Disconnect})
}

// TestRepeatedConnectWithWill: the will is asked for again, since the board may
// be another program now; the broker is asked anew only if it is another will.
func TestRepeatedConnectWithWill(t *testing.T) {
	s := newScript(t, Config{})
	ask := func(message string) {
		s.t.Helper()
		s.board(connectPacket(mqttsn.Will|mqttsn.CleanSession, "b1", 10))
		s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
		s.board(willTopic(0, "w"))
		s.want("ask", mqttsn.Packet{Type: mqttsn.WillMsgReq})
		s.board(willMsg(message))
	}
	ask("m")
	s.wantCommand("open", OpenSession)
	for range 4 {
		s.advance(time.Second)
		ask("m")
		s.wantIdle("the same session")
	}
	s.advance(time.Second)
	s.want("5 s are 5 s", connack(mqttsn.Congestion))
	s.wantCommand("given up", AbortSession)

	ask("m")
	s.wantCommand("open", OpenSession)
	ask("another")
	c := s.wantCommand("open with the other will", OpenSession)
	if string(c.Will.Payload) != "another" {
		t.Fatalf("will %+v", c.Will)
	}
	s.up(c.Node, false)
	s.want("connected", connack(mqttsn.Accepted))
}

// TestBrokerAnswersDuringTheWillHandshake: whichever ends first, the board is
// connected when both have.
func TestBrokerAnswersDuringTheWillHandshake(t *testing.T) {
	s := newScript(t, Config{})
	handshake := func() {
		s.board(connectPacket(mqttsn.Will, "b1", 10))
		s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
		s.board(willTopic(0, "w"))
		s.want("ask", mqttsn.Packet{Type: mqttsn.WillMsgReq})
	}
	handshake()
	s.board(willMsg("m"))
	id := s.wantCommand("open", OpenSession).Node
	handshake()
	s.up(id, false)
	s.wantIdle("the board is not ready")
	s.board(willMsg("m"))
	s.want("connected", connack(mqttsn.Accepted))

	handshake()
	s.g.SessionRefused(s.now, id, 5)
	s.collect()
	s.want("the broker does not want it", connack(mqttsn.NotSupported))
	s.wantCommand("over", AbortSession)
}

// TestConnackLost: the same CONNECT again, and nothing was done in between. It
// is answered again, and the broker does not notice.
func TestConnackLost(t *testing.T) {
	s := newScript(t, Config{})
	again := connectPacket(mqttsn.CleanSession, "b1", 10)
	s.connect(mqttsn.CleanSession)
	s.board(again)
	s.want("at once", connack(mqttsn.Accepted))
	s.wantNotice("said", BoardDisconnected, ReasonConnect)
	s.wantIdle("the MQTT session is as good as new")
	s.board(subscribe(0, 1, "a/b"))
	s.wantCommand("now it is used", SubscribeFilter)
	s.board(again)
	s.wantCommand("and must not be found again", OpenSession)
}

// TestSessionPresentIsTold: what the broker knew, or what was done since.
func TestSessionPresentIsTold(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.WantSession, "b1", 10))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	none := mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true}
	s.want("a new session", none)
	s.board(connectPacket(mqttsn.WantSession, "b1", 10))
	s.want("CONNACK was lost; still nobody subscribed", none)
	s.board(subscribe(0, 1, "a/b"))
	s.subscribed(s.wantCommand("subscribe", SubscribeFilter), Granted, 0)
	s.frames = nil
	s.board(connectPacket(mqttsn.WantSession, "b1", 10))
	s.want("now somebody has", mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: true})
}

// TestSessionThatTheBoardNeverHeardOf: it left before CONNACK came. The session
// is there when it comes back, but nobody has subscribed.
func TestSessionThatTheBoardNeverHeardOf(t *testing.T) {
	s := newScript(t, Config{})
	p := connectPacket(mqttsn.WantSession, "b1", 10)
	none := mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true}
	s.board(p)
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.want("a new session", none)
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("closed", CloseSession)
	s.board(p)
	s.up(s.wantCommand("open", OpenSession).Node, true)
	s.want("new to the board", none)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq}, mqttsn.Packet{Type: mqttsn.Disconnect})
	s.commands, s.frames = nil, nil
	s.board(p)
	s.up(s.wantCommand("open", OpenSession).Node, true)
	s.want("now it knows", mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: true})
}

// TestRefusedConnectEndsTheSession: CONNECT begins anew even if it comes to nothing.
func TestRefusedConnectEndsTheSession(t *testing.T) {
	other := connectPacket(0, "b1", 10)
	for what, body := range map[string][]byte{
		"client id":        (&mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("\xff")}).Append(nil),
		"claimed":          (&mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("taken")}).Append(nil),
		"another protocol": append([]byte{8, 4, 0, 2}, other.Append(nil)[4:]...),
	} {
		s := newScript(t, Config{Claim: func(id string) Reason {
			if id == "taken" {
				return ReasonClientIDInUse
			}
			return NoReason
		}})
		s.connect(0)
		s.raw(body)
		s.wantCommand(what, AbortSession)
		s.want(what, connack(mqttsn.NotSupported))
		s.board(mqttsn.Packet{Type: mqttsn.PingReq})
		s.want("it is nobody now", mqttsn.Packet{Type: mqttsn.Disconnect})
	}
}

// TestSameMessageBeforeAndAfterReboot: two messages that look alike are two, and
// the PUBACK is that of the one which the present session sent.
func TestSameMessageBeforeAndAfterReboot(t *testing.T) {
	const flags = mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID)
	s := newScript(t, Config{Predefined: map[uint16]string{1: "a"}})
	s.connect(0)
	s.board(publish(flags, 1, 1, "boot"))
	before := s.wantCommand("published", PublishMessage)
	s.board(connectPacket(0, "b1", 10))
	s.want("rebooted", connack(mqttsn.Accepted))
	s.board(publish(flags, 1, 1, "boot"))
	after := s.wantCommand("published", PublishMessage)
	s.board(publish(flags|mqttsn.DUP, 1, 1, "boot"))
	s.published(before)
	s.wantIdle("this is not the one")
	s.published(after)
	s.want("this is", puback(1, 1, mqttsn.Accepted))
}
