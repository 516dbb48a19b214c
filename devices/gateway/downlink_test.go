package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

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
	s.want("the refused one does not exist", publish(short, ab, 1, "x"))
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
