package gateway

import (
	"net/netip"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func connectPacket(flags mqttsn.Flags, clientID string, duration uint16) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Connect, Flags: flags, ClientID: []byte(clientID), Duration: duration}
}

func connack(code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: code}
}

func willTopic(flags mqttsn.Flags, topic string) mqttsn.Packet {
	p := mqttsn.Packet{Type: mqttsn.WillTopic, Flags: flags}
	if topic != "" {
		p.Topic = []byte(topic)
	}
	return p
}

func willMsg(data string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte(data)}
}

func TestConnectWithWill(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.Will|mqttsn.CleanSession, "b1", 10))
	s.want("the will is asked for", mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.board(willTopic(mqttsn.QoS1|mqttsn.Retain, "b1/lost"))
	s.want("and its message", mqttsn.Packet{Type: mqttsn.WillMsgReq})
	s.wantIdle("the broker is not asked before that")
	s.board(willMsg("gone"))
	c := s.wantCommand("now it is", OpenSession)
	if w := c.Will; w == nil || string(w.Topic) != "b1/lost" || string(w.Payload) != "gone" || w.QoS != 1 || !w.Retain || c.Clean || c.ClientID != "b1" {
		t.Fatalf("opened %+v with will %+v", c, c.Will)
	}
	s.up(c.Node, false)
	s.want("CONNACK", connack(mqttsn.Accepted))
}

// TestStoredWill follows MQTT-SN 1.2 section 6.3 through CleanSession=0.
func TestStoredWill(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.Will, "b1", 10))
	s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.board(willTopic(0, "w"))
	s.want("ask", mqttsn.Packet{Type: mqttsn.WillMsgReq})
	s.board(willMsg("m"))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.want("CONNACK", connack(mqttsn.Accepted))
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("orderly", CloseSession)
	s.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})

	s.board(connectPacket(0, "b1", 10))
	c := s.wantCommand("open", OpenSession)
	if c.Will == nil || string(c.Will.Topic) != "w" {
		t.Fatalf("Will=0 must keep the stored will, got %+v", c.Will)
	}
	s.up(c.Node, true)
	s.want("CONNACK", connack(mqttsn.Accepted))

	s.board(connectPacket(mqttsn.Will, "b1", 10))
	s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.board(willTopic(0, ""))
	if c := s.wantCommand("an empty WILLTOPIC needs no WILLMSGREQ", OpenSession); c.Will != nil {
		t.Fatalf("the will must be deleted, got %+v", c.Will)
	}
}

func TestRefusedWill(t *testing.T) {
	for _, tt := range []struct {
		topic, msg string
		why        Reason
	}{
		{"b/x", "", ReasonForbidden},
		{"umqttd/x", "", ReasonForbidden},
		{"a/+", "", ReasonInvalidTopic},
		{"a/b", "too long", ReasonTooLarge},
	} {
		s := newScript(t, Config{Access: Access{Publish: [][]byte{[]byte("a/#"), []byte("umqttd/#")}}, Limits: Limits{MaxPayload: 4}})
		s.board(connectPacket(mqttsn.Will|mqttsn.CleanSession, "b1", 10))
		s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
		s.board(willTopic(0, tt.topic))
		if tt.msg != "" {
			s.want("ask", mqttsn.Packet{Type: mqttsn.WillMsgReq})
			s.board(willMsg(tt.msg))
		}
		s.want(tt.topic, connack(mqttsn.NotSupported))
		n := s.wantNotice(tt.topic, BoardRefused, tt.why)
		if n.Type != mqttsn.WillTopic && n.Type != mqttsn.WillMsg {
			t.Errorf("refused because of %s", n.Type)
		}
		s.wantIdle("no session is opened")
	}
}

func TestWillRequestIsRetransmitted(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.Will|mqttsn.CleanSession, "b1", 10))
	s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.advance(initialRTO)
	s.want("ask again", mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.advance(handshakeTimeout)
	s.frames = nil
	s.board(willTopic(0, "a"))
	s.want("the handshake was given up", mqttsn.Packet{Type: mqttsn.Disconnect})
}

func TestConnectWhileTheBrokerIsAway(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.CleanSession, "b1", 10))
	s.wantCommand("the broker is tried", OpenSession)
	s.advance(connectTimeout - time.Millisecond)
	s.wantIdle("for a while")
	s.board(connectPacket(mqttsn.CleanSession, "b1", 10))
	s.wantIdle("a retransmission changes nothing")
	s.advance(time.Millisecond)
	s.want("then the board is told", connack(mqttsn.Congestion))
	s.wantCommand("and the session given up", AbortSession)
	s.board(connectPacket(mqttsn.CleanSession, "b1", 10))
	s.up(s.wantCommand("the next try works", OpenSession).Node, false)
	s.want("CONNACK", connack(mqttsn.Accepted))
}

func TestBrokerRefuses(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.CleanSession, "b1", 10))
	id := s.wantCommand("open", OpenSession).Node
	s.g.SessionRefused(s.now, id, 3)
	s.collect()
	s.wantIdle("server unavailable may pass")
	s.g.SessionRefused(s.now, id, 5)
	s.collect()
	s.want("not authorised does not", connack(mqttsn.NotSupported))
	s.wantCommand("over", AbortSession)
}

func TestSessionPresentExtension(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.WantSession, "b1", 10))
	s.up(s.wantCommand("open", OpenSession).Node, true)
	s.want("CONNACK says so", mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: true})
}

func TestClientIDs(t *testing.T) {
	taken := map[string]Reason{"taken": ReasonClientIDInUse, "many": ReasonTooManyNodes}
	cfg := Config{DefaultClientID: "greenhouse", Claim: func(id string) Reason { return taken[id] }}
	for _, tt := range []struct {
		said string
		code mqttsn.ReturnCode
	}{{"taken", mqttsn.NotSupported}, {"many", mqttsn.Congestion}, {"a\x00", mqttsn.NotSupported}, {"\xff", mqttsn.NotSupported}} {
		s := newScript(t, cfg)
		s.board(connectPacket(mqttsn.CleanSession, tt.said, 10))
		s.want(tt.said, connack(tt.code))
		s.wantIdle("no session")
	}
	s := newScript(t, cfg)
	p := connectPacket(mqttsn.CleanSession, "", 10)
	s.board(p)
	if c := s.wantCommand("open", OpenSession); c.ClientID != "greenhouse" {
		t.Errorf("a board without an id is called %q", c.ClientID)
	}
	cfg.ClientID = "fixed"
	s = newScript(t, cfg)
	s.board(connectPacket(mqttsn.CleanSession, "taken", 10))
	if c := s.wantCommand("open", OpenSession); c.ClientID != "fixed" {
		t.Errorf("the configured id must win, got %q", c.ClientID)
	}
}

func TestKeepalive(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession) // Duration 10
	s.advance(14 * time.Second)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("alive", mqttsn.Packet{Type: mqttsn.PingResp})
	s.advance(15*time.Second - time.Millisecond)
	s.wantIdle("1.5 times Duration is allowed")
	s.advance(time.Millisecond)
	s.want("lost", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("its will goes out", AbortSession)
	s.wantNotice("said", BoardDisconnected, ReasonKeepalive)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("it must connect again", mqttsn.Packet{Type: mqttsn.Disconnect})
}

func TestDurationZeroMeansNoKeepalive(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(mqttsn.CleanSession, "b1", 0))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.want("CONNACK", connack(mqttsn.Accepted))
	s.advance(24 * time.Hour)
	s.wantIdle("a day of silence is fine")
}

func TestPortGone(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	s.g.PortLost(s.now)
	s.advance(2900 * time.Millisecond)
	s.wantIdle("a short absence is no end")
	s.g.PortOpened(s.now)
	s.collect()
	s.want("whoever is there is asked to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.advance(time.Second)
	s.wantIdle("the session goes on")
	s.g.PortLost(s.now)
	s.advance(portGrace)
	s.wantCommand("3 s end it, and the will goes out", AbortSession)
	s.wantNotice("said", BoardDisconnected, ReasonPortLost)
}

func TestNothingUninvited(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.g.PortLost(s.now)
	s.g.PortOpened(s.now)
	s.collect()
	s.want("only DISCONNECT", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.deliver(id, "ab", "x", 1)
	s.wantIdle("a message waits until the board is heard")
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("it is", mqttsn.Packet{Type: mqttsn.PingResp}, publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.ShortName), mqttsn.ShortTopic('a', 'b'), 1, "x"))
}

func TestStrangers(t *testing.T) {
	s := newScript(t, Config{})
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("connect first", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantNotice("no message is lost", Malformed, ReasonUnexpected)
	s.board(publish(mqttsn.QoS1, 1, 1, "x"))
	s.want("connect first", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantNotice("this is one", MessageDropped, ReasonUnknownClient)
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantIdle("an echo of our DISCONNECT is not answered")
	s.board(mqttsn.Packet{Type: mqttsn.SearchGW})
	s.want("GWINFO", mqttsn.Packet{Type: mqttsn.GWInfo, GatewayID: 1})

	s.connect(mqttsn.CleanSession)
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.want("confirmed", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("orderly", CloseSession)
	s.now = s.now.Add(2 * time.Second)
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.want("the confirmation was lost", mqttsn.Packet{Type: mqttsn.Disconnect})
}

func TestMalformed(t *testing.T) {
	s := newScript(t, Config{})
	s.raw([]byte{5, 0x0C})
	s.wantNotice("wrong length", Malformed, ReasonLength)
	s.raw([]byte{4, 0x1A, 0x01, 0x02}[:3])
	s.wantNotice("cut short", Malformed, ReasonLength)
	s.raw([]byte{6, 0x0D, 0, 1, 0, 1})
	s.wantNotice("a field is missing", Malformed, ReasonMalformed)
	s.raw([]byte{2, 0x03})
	s.wantNotice("reserved type", Malformed, ReasonUnknownType)
	s.wantIdle("neither is answered")
	s.raw([]byte{7, 0x04, 0x04, 0x02, 0, 10, 'b'})
	s.want("another protocol version is", connack(mqttsn.NotSupported))
	s.connect(mqttsn.CleanSession)
}

func TestAnotherBoardOnTheSameWire(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	s.board(connectPacket(mqttsn.CleanSession, "b2", 10))
	s.wantCommand("the first board's will goes out", AbortSession)
	if c := s.wantCommand("the second one's session", OpenSession); c.ClientID != "b2" {
		t.Fatalf("opened for %q", c.ClientID)
	}
}

func TestShutdown(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	s.g.Shutdown(s.now)
	s.collect()
	s.want("connect anew", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("without DISCONNECT", AbortSession)
	s.wantNotice("said", BoardDisconnected, ReasonShutdown)
}

// TestDatagrams shows one node per peer address, and who may take a client id.
func TestDatagrams(t *testing.T) {
	one, two := netip.MustParseAddrPort("127.0.0.1:1001"), netip.MustParseAddrPort("127.0.0.1:1002")
	for _, takeOver := range []bool{true, false} {
		s := newScript(t, Config{Datagram: true, TakeOver: takeOver})
		s.boardFrom(one, connectPacket(mqttsn.CleanSession, "b1", 10))
		first := s.wantCommand("open", OpenSession)
		s.up(first.Node, false)
		s.want("CONNACK", connack(mqttsn.Accepted))
		s.boardFrom(two, connectPacket(mqttsn.CleanSession, "b2", 10))
		if c := s.wantCommand("open", OpenSession); c.Node == first.Node {
			t.Fatal("two peers are two nodes")
		}
		s.boardFrom(two, connectPacket(mqttsn.CleanSession, "b1", 10))
		s.wantCommand("b2 is gone", AbortSession)
		if takeOver {
			s.want("b1 has moved, unused", connack(mqttsn.Accepted))
		} else {
			s.want("b1 is live elsewhere", connack(mqttsn.NotSupported))
			s.advance(15 * time.Second)
			s.wantCommand("b1 is silent", AbortSession)
			s.want("and lost", mqttsn.Packet{Type: mqttsn.Disconnect})
			s.boardFrom(two, connectPacket(mqttsn.CleanSession, "b1", 10))
			s.wantCommand("now its id is free", OpenSession)
		}
		s.boardFrom(one, mqttsn.Packet{Type: mqttsn.PingReq})
		s.want("its old address is a stranger", mqttsn.Packet{Type: mqttsn.Disconnect})
	}
}

// TestClientIDOfASilentBoard: a board without keepalive holds its id for as
// long as it answers.
func TestClientIDOfASilentBoard(t *testing.T) {
	one, two := netip.MustParseAddrPort("127.0.0.1:1001"), netip.MustParseAddrPort("127.0.0.1:1002")
	s := newScript(t, Config{Datagram: true})
	s.boardFrom(one, connectPacket(mqttsn.CleanSession, "b1", 0))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.want("CONNACK", connack(mqttsn.Accepted))
	s.advance(time.Hour)
	ask := func() {
		s.boardFrom(two, connectPacket(mqttsn.CleanSession, "b1", 0))
		s.want("is the first one there", mqttsn.Packet{Type: mqttsn.PingReq}, connack(mqttsn.NotSupported))
	}
	ask()
	s.boardFrom(one, mqttsn.Packet{Type: mqttsn.PingResp})
	s.advance(time.Minute)
	s.wantIdle("it is")
	ask()
	s.advance(challengeTime / 2)
	ask()
	s.advance(challengeTime / 2)
	s.wantCommand("now it is not", AbortSession)
	s.frames = nil
	s.boardFrom(two, connectPacket(mqttsn.CleanSession, "b1", 0))
	s.wantCommand("its id is free", OpenSession)
}

func TestForwarder(t *testing.T) {
	s := newScript(t, Config{})
	inner := connectPacket(mqttsn.CleanSession, "b1", 10)
	s.board(mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: []byte{7}, Data: inner.Append(nil)})
	c := s.wantCommand("open", OpenSession)
	s.up(c.Node, false)
	ack := connack(mqttsn.Accepted)
	s.want("CONNACK goes back to the node", mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: []byte{7}, Data: ack.Append(nil)})
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("the forwarder itself has no session", mqttsn.Packet{Type: mqttsn.Disconnect})
}
