package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func subscribe(flags mqttsn.Flags, msgID uint16, filter string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Subscribe, Flags: flags, MsgID: msgID, Topic: []byte(filter)}
}

func suback(flags mqttsn.Flags, topicID, msgID uint16, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.SubAck, Flags: flags, TopicID: topicID, MsgID: msgID, ReturnCode: code}
}

func (s *script) subscribed(c Command, result SubscribeResult, qos byte) {
	s.g.Subscribed(s.now, c.Node, c.Token, result, qos)
	s.collect()
}

func TestSubscribeByName(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.board(subscribe(mqttsn.QoS2, 5, "cmd/led"), subscribe(mqttsn.QoS2|mqttsn.DUP, 5, "cmd/led"))
	c := s.wantCommand("asked once", SubscribeFilter)
	if string(c.Topic) != "cmd/led" || c.QoS != 1 {
		t.Fatalf("subscribed %q QoS %d", c.Topic, c.QoS)
	}
	s.wantIdle("the broker answers first")
	s.subscribed(c, Granted, 1)
	s.want("SUBACK tells the id", suback(mqttsn.QoS1, 1, 5, mqttsn.Accepted))
	s.deliver(id, "cmd/led", "on", 1)
	s.want("no REGISTER is needed", publish(mqttsn.QoS1, 1, 1, "on"))
	s.wantIdle("the broker waits for the board")
	s.board(puback(1, 1, mqttsn.Accepted))
	if r := s.wantCommand("now it is told", ReleaseInbound); !r.Accepted || r.Delivery != 1 {
		t.Fatalf("released %+v", r)
	}
}

func TestSubscribeAnswers(t *testing.T) {
	s := newScript(t, Config{
		Predefined: map[uint16]string{3: "pre/defined"},
		Access:     Access{Subscribe: [][]byte{[]byte("cmd/#"), []byte("pre/#"), []byte("ab")}},
	})
	id := s.connect(mqttsn.CleanSession)
	s.board(subscribe(0, 1, "other/x"))
	s.want("forbidden", suback(0, 0, 1, mqttsn.NotSupported))
	s.wantNotice("counted", RequestRefused, ReasonForbidden)
	s.board(subscribe(0, 2, "cmd/a#"))
	s.want("not a filter", suback(0, 0, 2, mqttsn.NotSupported))
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.Flags(mqttsn.PredefinedID), TopicID: 4, MsgID: 3})
	s.want("unknown id", suback(0, 0, 3, mqttsn.InvalidTopicID))
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.Flags(mqttsn.PredefinedID), TopicID: 3, MsgID: 4})
	s.subscribed(s.wantCommand("predefined", SubscribeFilter), Granted, 0)
	s.want("granted", suback(0, 3, 4, mqttsn.Accepted))
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.Flags(mqttsn.ShortName) | mqttsn.QoS1, TopicID: mqttsn.ShortTopic('a', 'b'), MsgID: 5})
	s.subscribed(s.wantCommand("short", SubscribeFilter), Failed, 0)
	s.want("the broker refused", suback(0, 0, 5, mqttsn.NotSupported))
	s.wantNotice("counted", RequestRefused, ReasonRejected)
	s.board(subscribe(0, 6, "cmd/#"))
	c := s.wantCommand("wildcard", SubscribeFilter)
	s.g.SessionDown(s.now, id, s.now, false)
	s.collect()
	s.want("the broker went away", suback(0, 0, 6, mqttsn.Congestion))
	s.wantNotice("counted", RequestRefused, ReasonOffline)
	s.subscribed(c, Unanswered, 0)
	s.wantIdle("answered once")
	s.board(subscribe(0, 7, "cmd/#"))
	s.want("only the broker can answer", suback(0, 0, 7, mqttsn.Congestion))
	s.wantNotice("counted", RequestRefused, ReasonOffline)
	s.up(id, false)
	s.board(mqttsn.Packet{Type: mqttsn.Unsubscribe, MsgID: 8, Topic: []byte("cmd/#")})
	s.subscribed(s.wantCommand("unsubscribe", UnsubscribeFilter), Granted, 0)
	s.want("UNSUBACK", mqttsn.Packet{Type: mqttsn.UnsubAck, MsgID: 8})
}

func unsubscribe(msgID uint16, filter string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Unsubscribe, MsgID: msgID, Topic: []byte(filter)}
}

// TestSubackIsLost: the id in it is not known to the board before it comes.
func TestSubackIsLost(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.board(subscribe(0, 1, "a/b"))
	c := s.wantCommand("asked", SubscribeFilter)
	s.deliver(id, "a/b", "retained", 0) // [MQTT-3.8.4-2]: may come before SUBACK
	s.want("SUBACK has not told the id", mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("a/b")})
	s.board(regack(1, 1, mqttsn.Accepted))
	s.want("now the message", publish(0, 1, 0, "retained"))
	s.wantCommand("it is gone", ReleaseInbound)
	s.subscribed(c, Granted, 0)
	s.want("SUBACK", suback(0, 1, 1, mqttsn.Accepted))

	s.board(subscribe(0, 2, "c/d"))
	s.subscribed(s.wantCommand("asked", SubscribeFilter), Failed, 0)
	s.want("a refusal has no id", suback(0, 0, 2, mqttsn.NotSupported))
	s.deliver(id, "c/d", "x", 0)
	s.want("nor is there one", mqttsn.Packet{Type: mqttsn.Register, TopicID: 2, MsgID: 2, Topic: []byte("c/d")})
}

// TestSubscribeAcrossAnOutage: the connection ends under a SUBSCRIBE. It stays
// with the MQTT session, and what the board asks again is that one.
func TestSubscribeAcrossAnOutage(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.board(subscribe(mqttsn.QoS1, 1, "a/b"), subscribe(mqttsn.QoS1, 2, "c/d"))
	first, second := s.wantCommand("asked", SubscribeFilter), s.wantCommand("asked", SubscribeFilter)
	s.down(id)
	s.want("the broker is away", suback(0, 0, 1, mqttsn.Congestion), suback(0, 0, 2, mqttsn.Congestion))
	s.board(subscribe(mqttsn.QoS1, 1, "a/b"))
	s.want("still", suback(0, 0, 1, mqttsn.Congestion))
	s.up(id, false)
	s.board(subscribe(mqttsn.QoS1, 1, "a/b"))
	s.wantIdle("it is on its way")
	s.subscribed(first, Granted, 1)
	s.want("granted", suback(mqttsn.QoS1, 1, 1, mqttsn.Accepted))
	s.subscribed(second, Granted, 1)
	s.wantIdle("the board was told to ask again")
	s.board(subscribe(mqttsn.QoS1, 9, "c/d"))
	s.want("the answer is there", suback(mqttsn.QoS1, 2, 9, mqttsn.Accepted))
	s.board(subscribe(mqttsn.QoS1, 10, "c/d"))
	s.wantCommand("the next one is new: retained messages come again", SubscribeFilter)
}

// TestUnsubscribeWhileTheBrokerIsAway: nothing comes meanwhile, and the session
// does it when it can. The board is not left waiting.
func TestUnsubscribeWhileTheBrokerIsAway(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	ack := func(msgID uint16) mqttsn.Packet { return mqttsn.Packet{Type: mqttsn.UnsubAck, MsgID: msgID} }
	s.board(unsubscribe(1, "a/b"))
	c := s.wantCommand("asked", UnsubscribeFilter)
	s.wantIdle("the broker answers")
	s.down(id)
	s.want("it has gone", ack(1))
	s.board(unsubscribe(1, "a/b"))
	s.want("UNSUBACK was lost", ack(1))
	s.wantIdle("once is enough")
	s.board(unsubscribe(2, "c/d"))
	s.want("at once", ack(2))
	s.wantCommand("kept until the broker is back", UnsubscribeFilter)
	s.up(id, true)
	s.subscribed(c, Granted, 0)
	s.wantIdle("the board knows")
}

// TestSubscriptionsAreBounded: what a board can make us, and the broker, remember.
func TestSubscriptionsAreBounded(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 65535})
	s.connect(mqttsn.CleanSession)
	for i := range maxFilters {
		s.board(subscribe(0, uint16(i+1), fmt.Sprintf("f/%d/#", i)))
		s.subscribed(s.wantCommand("asked", SubscribeFilter), Granted, 0)
	}
	s.frames = nil
	s.board(subscribe(0, 7, "one/more"))
	s.want("too many", suback(0, 0, 7, mqttsn.Congestion))
	s.board(subscribe(0, 8, "f/8/#"))
	s.subscribed(s.wantCommand("an old one", SubscribeFilter), Granted, 0)
	s.want("may be asked again", suback(0, 0, 8, mqttsn.Accepted))
	s.board(unsubscribe(9, "f/8/#"))
	s.wantCommand("one goes", UnsubscribeFilter)
	s.board(subscribe(0, 10, "one/more"))
	s.wantCommand("another comes", SubscribeFilter)

	s = newScript(t, Config{MaxFrame: 65535})
	s.connect(mqttsn.CleanSession)
	s.board(subscribe(0, 1, strings.Repeat("x", 60_000)))
	s.subscribed(s.wantCommand("long", SubscribeFilter), Granted, 0)
	s.frames = nil
	s.board(subscribe(0, 2, strings.Repeat("y", 60_000)))
	s.want("bytes count", suback(0, 0, 2, mqttsn.Congestion))
}

// TestPendingSubscriptionsAreBounded: a board that asks and asks hears it.
func TestPendingSubscriptionsAreBounded(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	for i := range maxPending {
		s.board(subscribe(0, uint16(i+1), fmt.Sprintf("f/%d", i)))
		s.wantCommand("asked", SubscribeFilter)
	}
	s.board(subscribe(0, 100, "one/more"))
	s.want("too many", suback(0, 0, 100, mqttsn.Congestion))
	s.down(id)
	s.frames = nil
	s.up(id, true)
	s.board(subscribe(0, 100, "one/more"))
	s.wantCommand("those that were given up make room", SubscribeFilter)
}
