package board

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// The gateway did not get the PUBACK and sends again: the program hears of it
// once. DUP=0 is a new message whatever its MsgId.
func TestDuplicatesAreReportedOnce(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.registered("m5/cmd", 1)
	for _, step := range []struct {
		what string
		p    mqttsn.Packet
		want EventKind
	}{
		{"new", publish(mqttsn.QoS1, 1, 8, "on"), Received},
		{"sent again", publish(mqttsn.QoS1|mqttsn.DUP, 1, 8, "on"), Duplicate},
		{"other data under the same MsgId", publish(mqttsn.QoS1|mqttsn.DUP, 1, 8, "off"), Received},
		{"the first transmission was lost", publish(mqttsn.QoS1|mqttsn.DUP, 1, 9, "on"), Received},
		{"the MsgId comes round", publish(mqttsn.QoS1, 1, 8, "on"), Received},
	} {
		s.gateway(step.p)
		s.want(step.what, puback(1, step.p.MsgID, mqttsn.Accepted))
		s.wantEvent(step.what, step.want)
	}
}

func TestDuplicatesAcrossSessions(t *testing.T) {
	for _, test := range []struct {
		clean bool
		want  EventKind
	}{{false, Duplicate}, {true, Received}} {
		t.Run(fmt.Sprintf("clean=%t", test.clean), func(t *testing.T) {
			s := newScript(t, Config{CleanSession: test.clean})
			s.connect()
			s.registered("m5/cmd", 1)
			s.gateway(publish(mqttsn.QoS1, 1, 8, "on"))
			s.take("acknowledged, but that is lost", mqttsn.PubAck)
			s.wantEvent("reported", Received)
			s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
			s.wantEvent("over", Disconnected)
			s.advance(connectPause)
			s.take("CONNECT", mqttsn.Connect)
			s.gateway(connack(mqttsn.Accepted))
			s.wantEvent("connected", Connected)
			s.registered("m5/cmd", 1)
			s.gateway(publish(mqttsn.QoS1|mqttsn.DUP, 1, 8, "on"))
			s.take("acknowledged", mqttsn.PubAck)
			s.wantEvent("the gateway sends it again", test.want)
		})
	}
}

func TestRefusesFromTheGateway(t *testing.T) {
	s := newScript(t, Config{MaxTopics: 2, Predefined: map[uint16]string{3: "lamp/set"}})
	s.connect()
	for _, p := range []mqttsn.Packet{
		{Type: mqttsn.Register, TopicID: 0, MsgID: 1, Topic: []byte("a/b")},
		{Type: mqttsn.Register, TopicID: 0xFFFF, MsgID: 1, Topic: []byte("a/b")},
		{Type: mqttsn.Register, TopicID: 5, MsgID: 1, Topic: []byte("a/+")},
	} {
		s.gateway(p)
		s.want("no id, or no topic", regack(p.TopicID, 1, mqttsn.NotSupported))
	}
	s.gateway(publish(mqttsn.QoS2, 1, 2, "x"))
	s.want("QoS 2", puback(1, 2, mqttsn.NotSupported))
	s.gateway(publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.PredefinedID), 4, 2, "x"))
	s.want("a predefined id of somebody else", puback(4, 2, mqttsn.InvalidTopicID))
	s.b.Receive(s.now, []byte{0x03, 0x18})
	s.collect()
	s.wantEvent("not even a message", Malformed)
}

// A board has little memory. It forgets topics that nothing needs, and says
// "congestion" if it needs them all.
func TestTopicsAreBounded(t *testing.T) {
	s := newScript(t, Config{MaxTopics: 2, Window: 2})
	s.connect()
	s.registered("a/1", 1)
	s.registered("a/2", 2)
	s.registered("a/3", 3)
	s.gateway(publish(mqttsn.QoS1, 1, 7, "x"))
	s.want("the oldest is forgotten", puback(1, 7, mqttsn.InvalidTopicID))
	s.publish(Message{Topic: "a/2", QoS: 1})
	s.publish(Message{Topic: "a/3", QoS: 1})
	s.want("two messages", publish(mqttsn.QoS1, 2, 1, ""), publish(mqttsn.QoS1, 3, 2, ""))
	s.gateway(mqttsn.Packet{Type: mqttsn.Register, TopicID: 4, MsgID: 9, Topic: []byte("a/4")})
	s.want("no room", regack(4, 9, mqttsn.Congestion))
	s.gateway(puback(2, 1, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
	s.registered("a/4", 4)
	s.gateway(puback(3, 2, mqttsn.Accepted))
	s.wantEvent("acknowledged", Published)
}

// An id that the gateway gives to another topic is not the old topic's any more.
func TestTopicIDMoves(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.registered("a/1", 1)
	s.registered("a/2", 1)
	s.gateway(publish(0, 1, 0, "x"))
	if e := s.wantEvent("a message", Received); e.Topic != "a/2" {
		t.Fatalf("got %+v", e)
	}
	s.publish(Message{Topic: "a/1"})
	s.take("the other has no id", mqttsn.Register)
}

func TestTime(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	if err := s.b.AskTime(); err != nil {
		t.Fatal(err)
	}
	s.collect()
	s.want("its topic", register(1, "$umqttd/time"))
	s.gateway(regack(1, 1, mqttsn.Accepted))
	s.wantEvent("its id", Registered)
	s.want("what is the time?", publish(0, 1, 0, ""))
	s.wantEvent("sent", Published)
	s.gateway(publish(0, 1, 0, "1700000000123"))
	if e := s.wantEvent("the time", TimeReceived); !e.Time.Equal(time.UnixMilli(1_700_000_000_123)) {
		t.Fatalf("got %v", e.Time)
	}
	s.gateway(publish(0, 1, 0, "noon"))
	s.wantEvent("not a number", Malformed)
}
