package board

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func doze(seconds uint16) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Disconnect, HasDuration: true, Duration: seconds}
}

var (
	bye    = mqttsn.Packet{Type: mqttsn.Disconnect}
	wakeUp = mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte("b1")}
	pong   = mqttsn.Packet{Type: mqttsn.PingResp}
)

func (s *script) sleep(d time.Duration) {
	s.t.Helper()
	s.b.Sleep(s.now, d)
	s.collect()
}

func (s *script) wake() {
	s.t.Helper()
	s.b.Wake(s.now)
	s.collect()
	s.wantEvent("the board is awake", Awake)
}

// sleeping brings a board up and puts it to sleep for 10 s.
func (s *script) sleeping() {
	s.t.Helper()
	s.connect()
	s.sleep(10 * time.Second)
	s.want("DISCONNECT with Duration", doze(10))
	s.gateway(bye)
	if e := s.wantEvent("the gateway agrees", Asleep); e.Sleep != 10*time.Second || e.Reason != 0 {
		s.t.Fatalf("got %+v", e)
	}
}

// MQTT-SN 1.2 section 6.14: PINGREQ with the client id, messages, PINGRESP.
func TestSleep(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 30 * time.Second})
	s.sleeping()
	s.advance(10 * time.Second)
	s.wantIdle("asleep the board sends nothing, keepalive or not")
	s.wake()
	s.want("PINGREQ says who is awake", wakeUp)
	s.gateway(mqttsn.Packet{Type: mqttsn.Register, TopicID: 4, MsgID: 1, Topic: []byte("m5/cmd")})
	s.want("REGACK", regack(4, 1, mqttsn.Accepted))
	s.wantEvent("registered", Registered)
	for id := uint16(2); id < 4; id++ {
		s.gateway(publish(mqttsn.QoS1, 4, id, "on"))
		s.want("PUBACK", puback(4, id, mqttsn.Accepted))
		s.wantEvent("a message", Received)
	}
	s.gateway(publish(0, 4, 0, "off"))
	s.wantEvent("the last one", Received)
	if s.b.Asleep() {
		t.Fatal("the board sleeps before PINGRESP")
	}
	s.gateway(pong)
	s.wantEvent("PINGRESP sends it back to sleep", Asleep)
	s.gateway(publish(mqttsn.QoS1, 4, 4, "x"), mqttsn.Packet{Type: mqttsn.PingReq}, bye)
	s.advance(time.Hour)
	s.wantIdle("and it hears nothing")
}

func TestSleepIsAskedAgain(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.sleep(1500 * time.Millisecond)
	s.want("whole seconds", doze(2))
	s.advance(time.Second)
	s.want("again", doze(2))
	s.gateway(publish(mqttsn.QoS1, 0x7474, 1, "a"))
	s.want("what was under way is answered", puback(0x7474, 1, mqttsn.InvalidTopicID))
	s.gateway(publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.ShortName), 0x7474, 1, "a"))
	s.want("and taken", puback(0x7474, 1, mqttsn.Accepted))
	s.wantEvent("a message", Received)
	s.advance(probePatience - time.Second)
	for len(s.frames) > 0 && s.frames[0].Type == mqttsn.Disconnect {
		s.frames = s.frames[1:]
	}
	if e := s.wantEvent("nobody answers", Disconnected); e.Reason != Unanswered {
		t.Fatalf("got %+v", e)
	}
	s.take("a board that was not let go looks for the gateway", mqttsn.Connect)
}

// PINGREQ is sent again as long as nothing at all comes.
func TestWakeIsAskedAgain(t *testing.T) {
	s := newScript(t, Config{})
	s.sleeping()
	s.wake()
	s.want("PINGREQ", wakeUp)
	s.advance(time.Second)
	s.want("again", wakeUp)
	s.advance(time.Second)
	s.gateway(publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.ShortName), 0x7474, 1, "a"))
	s.want("PUBACK", puback(0x7474, 1, mqttsn.Accepted))
	s.wantEvent("a message", Received)
	s.advance(1999 * time.Millisecond)
	s.wantIdle("what came is an answer too")
	s.advance(time.Millisecond)
	s.want("PINGRESP is missing", wakeUp)
	s.advance(2999 * time.Millisecond)
	s.wantIdle("the next time-out is 4 s")
	s.advance(time.Millisecond)
	if e := s.wantEvent("5 s without a word", Asleep); e.Reason != Unanswered {
		t.Fatalf("got %+v", e)
	}
	s.wake()
	s.want("the next time", wakeUp)
	s.advance(3 * time.Millisecond)
	s.gateway(pong)
	s.wantEvent("nothing came", Asleep)
	s.wake()
	s.want("again", wakeUp)
	s.advance(minRTO)
	s.want("the time-out knows the line", wakeUp)
	s.gateway(pong)
	s.wantEvent("nothing came", Asleep)
}

// A message that came just before PINGRESP, and whose PUBACK was lost, is
// recognised after a night.
func TestSleepRemembersMessages(t *testing.T) {
	s := newScript(t, Config{})
	s.sleeping()
	m := publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.ShortName), 0x7474, 1, "a")
	s.wake()
	s.want("PINGREQ", wakeUp)
	s.gateway(m)
	s.want("a PUBACK that gets lost", puback(0x7474, 1, mqttsn.Accepted))
	s.wantEvent("a message", Received)
	s.advance(time.Minute)
	s.frames = nil // PINGREQ
	s.wantEvent("nobody", Asleep)
	s.wake()
	s.want("PINGREQ", wakeUp)
	m.Flags |= mqttsn.DUP
	s.gateway(m)
	s.want("PUBACK", puback(0x7474, 1, mqttsn.Accepted))
	s.wantEvent("the same", Duplicate)
	s.gateway(pong)
	s.wantEvent("PINGRESP", Asleep)
}

// With CONNECT the board is active again, and what waited goes out.
func TestConnectAfterSleep(t *testing.T) {
	s := newScript(t, Config{AskSession: true})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", Data: []byte("a"), QoS: 1})
	s.want("not answered before the board sleeps", publish(mqttsn.QoS1, 1, 1, "a"))
	s.sleep(time.Minute)
	s.want("DISCONNECT", doze(60))
	s.gateway(bye)
	s.wantEvent("asleep", Asleep)
	s.publish(Message{Topic: "m5/t", Data: []byte("b"), QoS: 1})
	s.publish(Message{Topic: "tt", Data: []byte("c"), QoS: -1})
	s.subscribe("a/b", 0)
	s.advance(time.Minute)
	s.wantIdle("asleep the board sends nothing")
	s.start()
	s.want("QoS -1 needs no session", publish(mqttsn.QoSMinus1|mqttsn.Flags(mqttsn.ShortName), 0x7474, 0, "c"))
	s.wantEvent("gone", Published)
	s.take("CONNECT", mqttsn.Connect)
	s.gateway(mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: true})
	s.wantEvent("connected", Connected)
	s.want("SUBSCRIBE waited", mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 2, Topic: []byte("a/b")})
	s.gateway(suback(0, 2, 0, mqttsn.Accepted))
	s.wantEvent("granted", Subscribed)
	s.want("ids are asked for again", register(3, "m5/t"))
	s.gateway(regack(1, 3, mqttsn.Accepted))
	s.wantEvent("registered", Registered)
	s.want("first what was under way", publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "a"))
	s.gateway(puback(1, 1, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
	s.want("then what waited", publish(mqttsn.QoS1, 1, 4, "b"))
	if s.b.Idle() {
		t.Fatal("idle with a message under way")
	}
	s.gateway(puback(1, 4, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
	if !s.b.Idle() {
		t.Fatal("not idle")
	}
}

// A gateway that does not know the sleeper (any more) says DISCONNECT.
func TestWokenByAStranger(t *testing.T) {
	s := newScript(t, Config{})
	s.sleeping()
	s.advance(time.Minute)
	s.wake()
	s.want("PINGREQ", wakeUp)
	s.gateway(bye)
	if e := s.wantEvent("the session is lost", Disconnected); e.Reason != ByGateway {
		t.Fatalf("got %+v", e)
	}
	s.take("so the board connects", mqttsn.Connect)
}

func TestOtherWaysOutOfSleep(t *testing.T) {
	s := newScript(t, Config{})
	s.sleep(time.Second)
	s.wantIdle("a board that is off cannot sleep")
	s.sleeping()
	s.sleep(0)
	s.want("another time, at least a second", doze(1))
	s.gateway(bye)
	s.wantEvent("asleep", Asleep)
	s.sleep(24 * time.Hour)
	s.want("the longest there is", doze(65535))
	s.gateway(bye)
	s.wantEvent("asleep", Asleep)
	s.b.Disconnect(s.now)
	s.collect()
	s.want("an end in good order", bye)
	s.gateway(bye)
	if e := s.wantEvent("over", Disconnected); e.Reason != ByBoard {
		t.Fatalf("got %+v", e)
	}
	s.b.Wake(s.now)
	s.collect()
}
