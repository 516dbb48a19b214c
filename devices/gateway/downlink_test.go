package gateway

import (
	"strings"
	"testing"
	"time"

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
	s.g.SessionDown(s.now, id)
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

// TestWildcardRegisters shows REGISTER before the first message of a new topic.
func TestWildcardRegisters(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.deliver(id, "cmd/a", "1", 0)
	s.deliver(id, "cmd/a", "2", 1)
	reg := mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("cmd/a")}
	s.want("the board learns the topic", reg)
	s.wantIdle("first")
	s.advance(initialRTO)
	s.want("and again if it does not answer", reg)
	s.wantNotice("counted", Retransmitted, NoReason)
	s.board(regack(1, 1, mqttsn.Accepted))
	s.want("both messages, in order", publish(0, 1, 0, "1"), publish(mqttsn.QoS1, 1, 2, "2"))
	s.board(puback(1, 2, mqttsn.Accepted))
	s.wantCommand("first", ReleaseInbound)
	s.wantCommand("second", ReleaseInbound)
	s.deliver(id, "cmd/a", "3", 0)
	s.want("known from now on", publish(0, 1, 0, "3"))
}

func TestBoardForgotTopics(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.board(register(1, "a/b"))
	s.want("REGACK", regack(1, 1, mqttsn.Accepted))
	s.deliver(id, "a/b", "x", 1)
	s.want("known", publish(mqttsn.QoS1, 1, 1, "x"))
	s.board(puback(1, 1, mqttsn.InvalidTopicID))
	reg := mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 2, Topic: []byte("a/b")}
	s.want("it has forgotten: REGISTER", reg)
	s.board(regack(1, 2, mqttsn.Accepted))
	again := publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "x")
	s.want("and the message again", again)

	s.board(connectPacket(0, "b1", 10))
	reg.MsgID = 3
	s.want("after a reboot", connack(mqttsn.Accepted), reg)
	s.board(regack(1, 3, mqttsn.Accepted))
	s.want("the message that was not acknowledged", again)
	s.board(puback(1, 1, mqttsn.Accepted))
	s.wantCommand("done", ReleaseInbound)
	s.wantIdle("done")
}

func TestCongestedBoard(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.deliver(id, "ab", "x", 1)
	const short = mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName)
	ab := mqttsn.ShortTopic('a', 'b')
	s.want("sent", publish(short, ab, 1, "x"))
	s.board(puback(ab, 1, mqttsn.Congestion))
	s.advance(congestionWait - time.Millisecond)
	s.wantIdle("the board needs time")
	s.advance(time.Millisecond)
	s.want("again", publish(short|mqttsn.DUP, ab, 1, "x"))
	s.board(puback(ab, 1, mqttsn.NotSupported))
	s.wantNotice("refused for good", MessageDropped, ReasonRejected)
	s.wantCommand("and not kept", ReleaseInbound)
}

func TestTooLargeForTheBoard(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 100})
	id := s.connect(mqttsn.CleanSession)
	s.deliver(id, "ab", strings.Repeat("x", 200), 1)
	s.wantNotice("dropped", MessageDropped, ReasonTooLarge)
	s.wantCommand("and the broker told", ReleaseInbound)
	s.deliver(id, "ab", "ok", 0)
	s.want("the next one goes", publish(mqttsn.Flags(mqttsn.ShortName), mqttsn.ShortTopic('a', 'b'), 0, "ok"))
}

// TestEndReleasesTheQueue: what a lost board did not get stays with the broker.
func TestEndReleasesTheQueue(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.deliver(id, "ab", "1", 1)
	s.deliver(id, "ab", "2", 1)
	s.advance(15 * time.Second)
	s.wantCommand("lost", AbortSession)
	for range 2 {
		if c := s.wantCommand("released", ReleaseInbound); c.Accepted {
			t.Fatal("the board never had it")
		}
	}
	s.deliver(id, "ab", "3", 1)
	if c := s.wantCommand("released", ReleaseInbound); c.Accepted {
		t.Fatal("a late delivery must stay with the broker")
	}
}
