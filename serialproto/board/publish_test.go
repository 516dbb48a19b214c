package board

import (
	"errors"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func TestPublishRegistersOnce(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.publish(Message{Topic: "m5/t", Data: []byte("21.5"), QoS: 1, Token: 7})
	s.want("the topic has no id yet", register(1, "m5/t"))
	s.gateway(regack(1, 1, mqttsn.Accepted))
	s.wantEvent("the id is known", Registered)
	s.want("then the message", publish(mqttsn.QoS1, 1, 2, "21.5"))
	s.gateway(puback(1, 2, mqttsn.Accepted))
	if e := s.wantEvent("acknowledged", Published); e.Token != 7 || e.QoS != 1 || e.Tries != 1 || string(e.Data) != "21.5" {
		t.Fatalf("got %+v", e)
	}
	s.publish(Message{Topic: "m5/t", Data: []byte("21.6"), Retain: true})
	s.want("QoS 0 has no MsgId", publish(mqttsn.Retain, 1, 0, "21.6"))
	s.wantEvent("handed to the line", Published)
}

func TestPublishWithoutRegister(t *testing.T) {
	s := newScript(t, Config{Predefined: map[uint16]string{3: "lamp/state"}})
	s.publish(Message{Topic: "lamp/state", Data: []byte("on"), QoS: -1})
	s.want("QoS -1 needs no connection", publish(mqttsn.QoSMinus1|mqttsn.Flags(mqttsn.PredefinedID), 3, 0, "on"))
	s.wantEvent("sent", Published)
	if err := s.b.Publish(Message{Topic: "m5/t", QoS: -1}); !errors.Is(err, ErrTopic) {
		t.Fatalf("QoS -1 to a topic that needs a session: %v", err)
	}
	s.connect()
	s.publish(Message{Topic: "tt", Data: []byte("on"), QoS: 1})
	s.want("a short name", publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.ShortName), 0x7474, 1, "on"))
	s.gateway(puback(0x7474, 1, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
	s.publish(Message{Topic: "lamp/state", Data: []byte("off"), QoS: 1})
	s.want("a predefined id", publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.PredefinedID), 3, 2, "off"))
	s.gateway(puback(3, 2, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
}

func TestPublishIsSentAgain(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", Data: []byte("1"), QoS: 1})
	s.want("first", publish(mqttsn.QoS1, 1, 1, "1"))
	s.advance(999 * time.Millisecond)
	s.wantIdle("the first round trip may take a second")
	s.advance(time.Millisecond)
	s.want("the same MsgId, and DUP", publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "1"))
	s.advance(1999 * time.Millisecond)
	s.wantIdle("twice as long")
	s.advance(time.Millisecond)
	s.want("again", publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "1"))
	s.gateway(puback(1, 1, mqttsn.Accepted))
	if e := s.wantEvent("acknowledged", Published); e.Tries != 3 {
		t.Fatalf("got %+v", e)
	}
	s.advance(time.Minute)
}

// The timer follows the line: after answers in 2 ms a lost frame costs 25 ms.
func TestRetransmissionAdapts(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.registered("m5/t", 1)
	for id := uint16(1); id <= 20; id++ {
		s.publish(Message{Topic: "m5/t", QoS: 1})
		s.take("a message", mqttsn.Publish)
		s.advance(2 * time.Millisecond)
		s.gateway(puback(1, id, mqttsn.Accepted))
		if e := s.wantEvent("acknowledged", Published); e.RTT != 2*time.Millisecond {
			t.Fatalf("got %+v", e)
		}
	}
	s.publish(Message{Topic: "m5/t", QoS: 1})
	s.take("a message", mqttsn.Publish)
	s.advance(24 * time.Millisecond)
	s.wantIdle("the floor")
	s.advance(time.Millisecond)
	s.take("again", mqttsn.Publish)
	s.gateway(puback(1, 21, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
}

// At 9600 baud 100 bytes take 0.11 s to leave: the timer starts when they have.
func TestTimerStartsWhenTheMessageHasLeft(t *testing.T) {
	s := newScript(t, Config{Baud: 9600})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", Data: make([]byte, 93), QoS: 1})
	s.take("a message of 100 bytes", mqttsn.Publish)
	left := 107 * 10 * time.Second / 9600
	s.advance(left + time.Second - 1)
	s.wantIdle("the gateway may still be reading")
	s.advance(1)
	s.take("again", mqttsn.Publish)
	s.advance(left + 10*time.Millisecond)
	s.gateway(puback(1, 1, mqttsn.Accepted))
	if e := s.wantEvent("acknowledged", Published); e.RTT != 10*time.Millisecond {
		t.Fatalf("the wire counted as round trip: %+v", e)
	}
}

// The answer to an earlier transmission may come while the last one is leaving.
func TestAnswerWhileTheMessageLeaves(t *testing.T) {
	s := newScript(t, Config{Baud: 9600})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", Data: make([]byte, 93), QoS: 1})
	s.take("a message of 100 bytes", mqttsn.Publish)
	s.advance(107*10*time.Second/9600 + time.Second)
	s.take("again", mqttsn.Publish)
	s.advance(time.Millisecond)
	s.gateway(puback(1, 1, mqttsn.Accepted))
	if e := s.wantEvent("acknowledged", Published); e.Tries != 2 || e.RTT != 0 {
		t.Fatalf("got %+v", e)
	}
}

func TestWindow(t *testing.T) {
	s := newScript(t, Config{Window: 2})
	s.connect()
	s.registered("m5/t", 1)
	for _, data := range []string{"a", "b", "c"} {
		s.publish(Message{Topic: "m5/t", Data: []byte(data), QoS: 1})
	}
	s.publish(Message{Topic: "m5/t", Data: []byte("d")})
	s.want("two at a time", publish(mqttsn.QoS1, 1, 1, "a"), publish(mqttsn.QoS1, 1, 2, "b"))
	s.wantIdle("and nothing passes them")
	s.gateway(puback(1, 2, mqttsn.Accepted))
	s.wantEvent("b is acknowledged", Published)
	s.want("a leaves room for c, but not for d", publish(mqttsn.QoS1, 1, 3, "c"))
	s.advance(minRTO)
	s.want("one timeout, both again, in order",
		publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "a"), publish(mqttsn.QoS1|mqttsn.DUP, 1, 3, "c"))
	s.gateway(puback(1, 1, mqttsn.Accepted))
	s.wantEvent("a is acknowledged", Published)
	s.want("now d", publish(0, 1, 0, "d"))
	s.wantEvent("d is sent", Published)
	s.gateway(puback(1, 3, mqttsn.Accepted))
	s.wantEvent("c is acknowledged", Published)
}

func TestInvalidTopicIDLeadsToRegister(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", Data: []byte("x"), QoS: 1})
	s.want("a message", publish(mqttsn.QoS1, 1, 1, "x"))
	s.gateway(puback(1, 1, mqttsn.InvalidTopicID))
	s.want("the gateway has forgotten", register(2, "m5/t"))
	s.gateway(regack(4, 2, mqttsn.Accepted))
	s.wantEvent("a new id", Registered)
	s.want("the same message", publish(mqttsn.QoS1|mqttsn.DUP, 4, 1, "x"))
	s.gateway(puback(4, 1, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
	s.publish(Message{Topic: "m5/t", Data: []byte("y")})
	s.want("QoS 0", publish(0, 4, 0, "y"))
	s.wantEvent("sent", Published)
	s.gateway(puback(4, 0, mqttsn.InvalidTopicID))
	s.publish(Message{Topic: "m5/t", Data: []byte("z")})
	s.want("is answered too", register(3, "m5/t"))
	s.gateway(regack(5, 3, mqttsn.NotSupported))
	if e := s.wantEvent("a topic that is refused takes its messages with it", Dropped); e.ReturnCode != mqttsn.NotSupported {
		t.Fatalf("got %+v", e)
	}
}

func TestInvalidTopicIDIsNotForEver(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.publish(Message{Topic: "m5/t", QoS: 1})
	for range maxRefusals {
		p := s.take("the topic has no id", mqttsn.Register)
		s.gateway(regack(1, p.MsgID, mqttsn.Accepted))
		s.wantEvent("registered", Registered)
		p = s.take("the message", mqttsn.Publish)
		s.gateway(puback(1, p.MsgID, mqttsn.InvalidTopicID))
	}
	s.wantEvent("given up", Dropped)
}

func TestCongestion(t *testing.T) {
	s := newScript(t, Config{Window: 2})
	s.connect()
	s.registered("m5/t", 1)
	s.publish(Message{Topic: "m5/t", Data: []byte("a"), QoS: 1})
	s.want("a message", publish(mqttsn.QoS1, 1, 1, "a"))
	s.gateway(puback(1, 1, mqttsn.Congestion))
	s.wantEvent("the gateway is busy", Congested)
	s.publish(Message{Topic: "m5/t", Data: []byte("b"), QoS: 1})
	s.advance(999 * time.Millisecond)
	s.wantIdle("nothing leaves for a second")
	s.advance(time.Millisecond)
	s.want("then both, in order", publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "a"), publish(mqttsn.QoS1, 1, 2, "b"))
	s.gateway(puback(1, 1, mqttsn.Accepted), puback(1, 2, mqttsn.NotSupported))
	s.wantEvent("a is acknowledged", Published)
	s.wantEvent("b is refused for good", Dropped)
}

func TestPublishRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		m    Message
		want error
	}{
		{"no topic", Message{}, ErrTopic},
		{"a wildcard", Message{Topic: "a/+"}, ErrTopic},
		{"QoS 2", Message{Topic: "a/b", QoS: 2}, ErrQoS},
		{"more than a frame", Message{Topic: "a/b", Data: make([]byte, 2040)}, ErrTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{})
			if err := s.b.Publish(test.m); !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
		})
	}
	s := newScript(t, Config{MaxQueue: 1})
	s.publish(Message{Topic: "a/b", Data: make([]byte, 2039)})
	if err := s.b.Publish(Message{Topic: "a/b"}); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("got %v", err)
	}
}

func TestRegisterCongestion(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.publish(Message{Topic: "m5/t", QoS: 1})
	s.want("the topic has no id", register(1, "m5/t"))
	s.advance(minRTO)
	s.gateway(regack(0, 1, mqttsn.Congestion))
	s.wantEvent("the gateway is busy", Congested)
	s.advance(congestionWait - 1)
	s.wantIdle("so the board waits")
	s.advance(1)
	s.want("and asks again", register(1, "m5/t"))
	s.advance(minRTO)
	s.gateway(regack(1, 1, mqttsn.Accepted))
	s.wantEvent("registered", Registered)
	s.take("the message", mqttsn.Publish)
	s.gateway(puback(1, 2, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
}
