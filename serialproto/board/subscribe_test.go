package board

import (
	"errors"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func (s *script) subscribe(filter string, qos int) {
	s.t.Helper()
	if err := s.b.Subscribe(filter, qos); err != nil {
		s.t.Fatal(err)
	}
	s.collect()
}

func suback(topicID, msgID uint16, qos int, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.SubAck, Flags: mqttsn.Flags(0).WithQoS(qos), TopicID: topicID, MsgID: msgID, ReturnCode: code}
}

func TestSubscribe(t *testing.T) {
	predefined := map[uint16]string{3: "lamp/set"}
	for _, test := range []struct {
		name   string
		filter string
		want   mqttsn.Packet
		ack    mqttsn.Packet
		flags  mqttsn.Flags // of a message that matches
		id     uint16
		topic  string
	}{
		{"a name", "m5/cmd", mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 1, Topic: []byte("m5/cmd")},
			suback(5, 1, 1, mqttsn.Accepted), 0, 5, "m5/cmd"},
		{"a predefined id", "lamp/set", mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID), MsgID: 1, TopicID: 3},
			suback(3, 1, 1, mqttsn.Accepted), mqttsn.Flags(mqttsn.PredefinedID), 3, "lamp/set"},
		{"a short name", "tt", mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName), MsgID: 1, TopicID: 0x7474},
			suback(0, 1, 1, mqttsn.Accepted), mqttsn.Flags(mqttsn.ShortName), 0x7474, "tt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{Predefined: predefined})
			s.connect()
			s.subscribe(test.filter, 1)
			s.want("SUBSCRIBE", test.want)
			s.gateway(test.ack)
			if e := s.wantEvent("granted", Subscribed); e.Topic != test.filter || e.QoS != 1 || e.ReturnCode != mqttsn.Accepted {
				t.Fatalf("got %+v", e)
			}
			s.gateway(publish(mqttsn.QoS1|test.flags, test.id, 40, "on"))
			s.want("a message is acknowledged", puback(test.id, 40, mqttsn.Accepted))
			if e := s.wantEvent("and reported", Received); e.Topic != test.topic || string(e.Data) != "on" || e.QoS != 1 {
				t.Fatalf("got %+v", e)
			}
		})
	}
}

// A wildcard matches topics that the gateway REGISTERs when they come.
func TestSubscribeWildcard(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.subscribe("+/", 0)
	s.want("two bytes, but no short name", mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("+/")})
	s.gateway(suback(0, 1, 0, mqttsn.Accepted))
	s.wantEvent("granted", Subscribed)
	s.gateway(publish(mqttsn.Retain, 6, 0, "x"))
	s.want("an unknown id", puback(6, 0, mqttsn.InvalidTopicID))
	s.registered("m5/", 6)
	s.gateway(publish(mqttsn.Retain, 6, 0, "x"))
	if e := s.wantEvent("now it is known", Received); e.Topic != "m5/" || !e.Retain || e.QoS != 0 {
		t.Fatalf("got %+v", e)
	}
}

func TestSubscribeOneAtATime(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.subscribe("a/b", 0)
	s.subscribe("c/d", 1)
	s.want("the first", mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("a/b")})
	s.wantIdle("the other waits (section 6.9)")
	s.gateway(suback(0, 1, 0, mqttsn.Congestion))
	s.wantEvent("the broker is away", Congested)
	s.advance(time.Second)
	s.want("again", mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 2, Topic: []byte("a/b")})
	s.gateway(suback(0, 2, 0, mqttsn.NotSupported))
	if e := s.wantEvent("refused", Subscribed); e.ReturnCode != mqttsn.NotSupported {
		t.Fatalf("got %+v", e)
	}
	s.want("the second", mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 3, Topic: []byte("c/d")})
	s.gateway(suback(0, 2, 0, mqttsn.Accepted))
	s.wantIdle("an answer to something else")
	s.gateway(suback(7, 3, 0, mqttsn.Accepted))
	if e := s.wantEvent("granted less", Subscribed); e.QoS != 0 {
		t.Fatalf("got %+v", e)
	}
}

// TestPublishWhileSubscribeIsPutOff: what only the broker can answer may wait for
// long; what the gateway can keep goes out.
func TestPublishWhileSubscribeIsPutOff(t *testing.T) {
	s := newScript(t, Config{})
	s.connect()
	s.subscribe("a/b", 1)
	for range 3 {
		p := s.take("the wish", mqttsn.Subscribe)
		s.gateway(suback(0, p.MsgID, 0, mqttsn.Congestion))
		s.wantEvent("the broker is away", Congested)
		s.advance(time.Second)
	}
	p := s.take("the wish", mqttsn.Subscribe)
	s.publish(Message{Topic: "some/topic", Data: []byte("x"), QoS: 1})
	s.gateway(suback(0, p.MsgID, 0, mqttsn.Congestion))
	s.wantEvent("the broker is away", Congested)
	r := s.take("the topic is registered at once", mqttsn.Register)
	s.gateway(mqttsn.Packet{Type: mqttsn.RegAck, TopicID: 9, MsgID: r.MsgID})
	m := s.take("and the message sent", mqttsn.Publish)
	s.gateway(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: 9, MsgID: m.MsgID})
	s.wantEvent("an id", Registered)
	s.wantEvent("safe", Published)
	s.wantIdle("until the wish's time has come")
	s.advance(time.Second)
	s.take("the wish again", mqttsn.Subscribe)
}

func TestUnsubscribe(t *testing.T) {
	s := newScript(t, Config{CleanSession: true})
	s.connect()
	s.subscribe("a/b", 0)
	s.take("SUBSCRIBE", mqttsn.Subscribe)
	s.gateway(suback(1, 1, 0, mqttsn.Accepted))
	s.wantEvent("granted", Subscribed)
	if err := s.b.Unsubscribe("a/b"); err != nil {
		t.Fatal(err)
	}
	s.collect()
	want := mqttsn.Packet{Type: mqttsn.Unsubscribe, MsgID: 2, Topic: []byte("a/b")}
	s.want("UNSUBSCRIBE", want)
	s.advance(minRTO)
	s.want("again: it has no DUP", want)
	s.gateway(mqttsn.Packet{Type: mqttsn.UnsubAck, MsgID: 2})
	s.wantEvent("done", Unsubscribed)
	s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantEvent("over", Disconnected)
	s.advance(connectPause)
	s.take("CONNECT", mqttsn.Connect)
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("a new session subscribes nothing", Connected)
}

// A board asks again for its subscriptions unless it was told that they stand.
func TestSubscribesAgain(t *testing.T) {
	for _, test := range []struct {
		name    string
		present bool
	}{{"the session is there", true}, {"the session is gone", false}} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{AskSession: true})
			s.connect()
			s.subscribe("a/b", 1)
			s.take("SUBSCRIBE", mqttsn.Subscribe)
			s.gateway(suback(1, 1, 1, mqttsn.Accepted))
			s.wantEvent("granted", Subscribed)
			s.subscribe("c/d", 1)
			s.take("SUBSCRIBE", mqttsn.Subscribe)
			s.gateway(mqttsn.Packet{Type: mqttsn.Disconnect})
			s.wantEvent("over", Disconnected)
			s.advance(connectPause)
			s.take("CONNECT", mqttsn.Connect)
			s.gateway(mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: test.present})
			s.wantEvent("connected", Connected)
			if !test.present {
				s.want("everything", mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 3, Topic: []byte("a/b")})
				s.gateway(suback(1, 3, 1, mqttsn.Accepted))
				s.wantEvent("granted", Subscribed)
			}
			p := s.take("what was not answered", mqttsn.Subscribe)
			if string(p.Topic) != "c/d" {
				t.Fatalf("got %s", describe(p))
			}
		})
	}
}

// A CONNACK that says more than it was asked is the answer to a CONNECT of a program
// that ran on this board before. Whether that one had a session is not the question.
func TestSubscribesInSpiteOfAnEarlierAnswer(t *testing.T) {
	s := newScript(t, Config{})
	s.subscribe("a/b", 1)
	s.start()
	s.take("CONNECT", mqttsn.Connect)
	s.gateway(mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: true})
	if e := s.wantEvent("connected", Connected); e.HasSession || e.SessionPresent {
		t.Errorf("nobody asked, and it is said that a session was present: %+v", e)
	}
	s.take("what was subscribed to", mqttsn.Subscribe)
}

func TestSubscribeRefuses(t *testing.T) {
	s := newScript(t, Config{})
	for _, filter := range []string{"", "a/#/b", "a+", "a/b#", "#/", "a\x00"} {
		if err := s.b.Subscribe(filter, 0); !errors.Is(err, ErrFilter) {
			t.Errorf("%q: %v", filter, err)
		}
		if err := s.b.Unsubscribe(filter); !errors.Is(err, ErrFilter) {
			t.Errorf("%q: %v", filter, err)
		}
	}
	for _, filter := range []string{"#", "+", "/", "a/+/b/#", "+/+"} {
		if err := s.b.Subscribe(filter, 1); err != nil {
			t.Errorf("%q: %v", filter, err)
		}
	}
	if err := s.b.Subscribe("a", 2); err == nil {
		t.Error("QoS 2 was accepted")
	}
}
