package board

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func TestConnect(t *testing.T) {
	s := newScript(t, Config{CleanSession: true, AskSession: true, KeepAlive: 1500 * time.Millisecond})
	s.start()
	s.want("everything in it", mqttsn.Packet{
		Type: mqttsn.Connect, Flags: mqttsn.CleanSession | mqttsn.WantSession, Duration: 2, ClientID: []byte("b1"),
	})
	s.gateway(mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: true})
	if e := s.wantEvent("connected", Connected); !e.HasSession || !e.SessionPresent {
		t.Fatalf("got %+v", e)
	}
	s.gateway(connack(mqttsn.Congestion))
	if !s.b.Connected() {
		t.Fatal("a CONNACK too many ended the session")
	}
}

func TestConnectWithWill(t *testing.T) {
	s := newScript(t, Config{Will: &Will{Topic: "m5/gone", Message: []byte("bye"), QoS: 1, Retain: true}})
	s.start()
	s.want("a will is announced", mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.Will, ClientID: []byte("b1")})
	topic := mqttsn.Packet{Type: mqttsn.WillTopic, Flags: mqttsn.QoS1 | mqttsn.Retain, Topic: []byte("m5/gone")}
	s.gateway(mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.want("its topic", topic)
	s.gateway(mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.want("its topic again", topic)
	s.gateway(mqttsn.Packet{Type: mqttsn.WillMsgReq})
	s.want("its message", mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte("bye")})
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
}

// CONNACK and a second CONNECT cross: the gateway begins anew, and asks anew.
func TestWillIsAskedForInTheSession(t *testing.T) {
	s := newScript(t, Config{Will: &Will{Topic: "m5/gone", Message: []byte("bye")}})
	s.start()
	s.take("CONNECT", mqttsn.Connect)
	s.advance(time.Second)
	s.take("CONNECT again", mqttsn.Connect)
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
	s.subscribe("a/b", 0)
	s.take("which the gateway does not take yet", mqttsn.Subscribe)
	s.gateway(mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.want("the topic", mqttsn.Packet{Type: mqttsn.WillTopic, Topic: []byte("m5/gone")})
	s.gateway(mqttsn.Packet{Type: mqttsn.WillMsgReq})
	s.want("the message", mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte("bye")})
	s.gateway(connack(mqttsn.Accepted))
	s.advance(time.Second)
	s.take("now it does", mqttsn.Subscribe)
}

func TestConnectDeletesWill(t *testing.T) {
	s := newScript(t, Config{Will: &Will{}})
	s.start()
	s.take("CONNECT", mqttsn.Connect)
	s.gateway(mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.want("an empty topic", mqttsn.Packet{Type: mqttsn.WillTopic})
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
}

func TestConnectBacksOff(t *testing.T) {
	s := newScript(t, Config{})
	s.start()
	s.take("at once", mqttsn.Connect)
	for _, wait := range []time.Duration{1, 2, 4, 8, 15, 15, 15} {
		s.advance(wait*time.Second - 1)
		s.wantIdle("not yet")
		s.advance(1)
		s.take("again", mqttsn.Connect)
	}
	s.advance(5 * time.Second)
	s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.take("a gateway that comes up says DISCONNECT", mqttsn.Connect)
	s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect}, mqttsn.Packet{Type: mqttsn.Disconnect})
	s.advance(connectPause - 1)
	s.wantIdle("one CONNECT is enough")
	s.advance(1)
	s.take("but if that was lost", mqttsn.Connect)
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
	s.advance(time.Hour)
}

func TestConnectRefused(t *testing.T) {
	s := newScript(t, Config{})
	s.start()
	s.take("at once", mqttsn.Connect)
	s.gateway(connack(mqttsn.Congestion))
	s.wantEvent("the broker is away", Congested)
	s.advance(999 * time.Millisecond)
	s.wantIdle("a second")
	s.advance(time.Millisecond)
	s.take("again", mqttsn.Connect)
	s.gateway(connack(mqttsn.NotSupported))
	if e := s.wantEvent("not welcome", Refused); e.ReturnCode != mqttsn.NotSupported {
		t.Fatalf("got %+v", e)
	}
	s.advance(3999 * time.Millisecond)
	s.wantIdle("back off")
	s.advance(time.Millisecond)
	s.take("again", mqttsn.Connect)
}

// The gateway restarted: what was not acknowledged goes out again, and topic
// ids are asked for again.
func TestGatewayDisconnects(t *testing.T) {
	for _, test := range []struct {
		name  string
		clean bool
		again mqttsn.Packet
	}{
		{"a kept session knows the message", false, publish(mqttsn.QoS1|mqttsn.DUP, 9, 1, "x")},
		{"to a clean one it is new", true, publish(mqttsn.QoS1, 9, 3, "x")},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{CleanSession: test.clean})
			s.connect()
			s.registered("m5/t", 1)
			s.publish(Message{Topic: "m5/t", Data: []byte("x"), QoS: 1})
			s.want("a message", publish(mqttsn.QoS1, 1, 1, "x"))
			s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
			if e := s.wantEvent("the session is over", Disconnected); e.Reason != ByGateway {
				t.Fatalf("got %+v", e)
			}
			s.wantIdle("the last CONNECT was just now")
			s.advance(connectPause)
			s.take("CONNECT", mqttsn.Connect)
			s.gateway(puback(1, 1, mqttsn.Accepted))
			s.wantIdle("no PUBACK crosses a CONNECT")
			s.gateway(connack(mqttsn.Accepted))
			s.wantEvent("connected", Connected)
			s.want("the id may be another one", register(2, "m5/t"))
			s.gateway(regack(9, 2, mqttsn.Accepted))
			s.wantEvent("registered", Registered)
			s.want("the message", test.again)
			s.gateway(puback(9, test.again.MsgID, mqttsn.Accepted))
			s.wantEvent("acknowledged", Published)
		})
	}
}

func TestGatewayDoesNotAnswer(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", QoS: 1})
	s.take("first", mqttsn.Publish)
	s.advance(time.Second)
	s.take("second", mqttsn.Publish)
	s.advance(2 * time.Second)
	s.take("third", mqttsn.Publish)
	s.advance(4 * time.Second)
	s.want("is anybody there?", mqttsn.Packet{Type: mqttsn.PingReq})
	s.take("fourth", mqttsn.Publish)
	s.gateway(mqttsn.Packet{Type: mqttsn.PingResp})
	s.advance(8 * time.Second)
	s.take("it is the broker that does not answer", mqttsn.Publish)
	s.advance(30 * time.Second)
	s.frames = nil
	s.advance(probePatience)
	s.frames = nil
	if e := s.wantEvent("nobody", Disconnected); e.Reason != Unanswered {
		t.Fatalf("got %+v", e)
	}
}

func TestKeepAlive(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 8 * time.Second})
	s.connect()
	s.advance(6*time.Second - 1)
	s.wantIdle("not yet")
	s.advance(1)
	s.want("three quarters of 8 s", mqttsn.Packet{Type: mqttsn.PingReq})
	s.advance(5 * time.Millisecond)
	s.gateway(mqttsn.Packet{Type: mqttsn.PingResp})
	s.registered("m5/t", 1)
	for range 5 {
		s.advance(time.Second)
		s.publish(Message{Topic: "m5/t"})
		s.wantEvent("sent", Published)
		s.take("QoS 0 has no answer", mqttsn.Publish)
	}
	s.advance(time.Second)
	s.want("so the board asks", mqttsn.Packet{Type: mqttsn.PingReq})
	s.advance(25 * time.Millisecond)
	s.want("again", mqttsn.Packet{Type: mqttsn.PingReq})
	s.advance(probePatience)
	s.wantEvent("the gateway is gone", Disconnected)
	for s.frames[0].Type == mqttsn.PingReq {
		s.frames = s.frames[1:]
	}
	s.take("so it connects again", mqttsn.Connect)
}

func TestAnswersPing(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.gateway(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("either end may ask", mqttsn.Packet{Type: mqttsn.PingResp})
}

func TestDisconnect(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.b.Disconnect(s.now)
	s.collect()
	s.want("goodbye", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
	if e := s.wantEvent("it is over", Disconnected); e.Reason != ByBoard {
		t.Fatalf("got %+v", e)
	}
	s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.advance(time.Hour)
	s.wantIdle("the board is off")
	s.connect()
	s.b.Disconnect(s.now) // and nobody takes bytes
	s.advance(leavePatience)
	s.wantEvent("nobody answers: it is over all the same", Disconnected)
	s.frames = nil
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no client id":      {},
		"a long keepalive":  {ClientID: "b", KeepAlive: 65536 * time.Second},
		"a large window":    {ClientID: "b", Window: 65},
		"a negative queue":  {ClientID: "b", MaxQueue: -1},
		"a long frame":      {ClientID: "b", MaxFrame: 65536},
		"a will of QoS 2":   {ClientID: "b", Will: &Will{Topic: "a/b", QoS: 2}},
		"a wildcard will":   {ClientID: "b", Will: &Will{Topic: "a/#"}},
		"topic id 0":        {ClientID: "b", Predefined: map[uint16]string{0: "a/b"}},
		"topic id 0xFFFF":   {ClientID: "b", Predefined: map[uint16]string{0xFFFF: "a/b"}},
		"a wildcard for id": {ClientID: "b", Predefined: map[uint16]string{1: "a/+"}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What the board owes in one session it does not owe in the next.
func TestAnswersEndWithTheSession(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.advance(connectPause)
	ping, bye := mqttsn.Packet{Type: mqttsn.PingReq}, mqttsn.Packet{Type: mqttsn.Disconnect}
	s.b.Receive(s.now, ping.Append(nil)) // and the line is busy
	s.gateway(bye)
	s.wantEvent("over", Disconnected)
	s.take("CONNECT", mqttsn.Connect)
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
}
