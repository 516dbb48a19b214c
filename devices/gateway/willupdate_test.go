package gateway

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func willTopicUpd(topic string) mqttsn.Packet {
	p := willTopic(mqttsn.QoS1, topic)
	p.Type = mqttsn.WillTopicUpd
	return p
}

func willMsgUpd(data string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte(data)}
}

func willResp(t mqttsn.Type, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: t, ReturnCode: code}
}

// TestWillUpdate: a new will takes a new connection, of a session that the broker
// keeps meanwhile. Nothing is lost, and nothing is stored.
func TestWillUpdate(t *testing.T) {
	for _, flags := range []mqttsn.Flags{0, mqttsn.CleanSession} {
		s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
		id := s.connectWithWill(flags)
		s.up(id, false)
		s.want("connected", connack(mqttsn.Accepted))
		s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("cmd")})
		c := s.wantCommand("subscribed", SubscribeFilter)
		s.g.Subscribed(s.now, id, c.Token, Granted, 1)
		s.collect()
		s.frames = nil

		s.board(willMsgUpd("later"))
		c = s.wantCommand("another connection", OpenSession)
		if c.Clean || string(c.Will.Topic) != "w" || string(c.Will.Payload) != "later" {
			t.Fatalf("opened %+v with %+v", c, c.Will)
		}
		s.wantIdle("it is not in force yet")
		s.board(willMsgUpd("later"))
		s.wantIdle("asked again")
		s.say(7, "x")
		up := s.wantPublish("it waits in the MQTT session", "x")
		s.board(publish(predefined, 1, 0, "y"))
		s.wantPublish("QoS 0 too", "y")
		s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 8, Topic: []byte("more")})
		s.wantCommand("and a subscription", SubscribeFilter)
		s.up(id, true)
		s.want("now it is", willResp(mqttsn.WillMsgResp, mqttsn.Accepted))
		s.published(up)
		s.want("safe", puback(1, 7, mqttsn.Accepted))
		s.wantIdle("that is all")

		s.board(willTopicUpd("other"))
		c = s.wantCommand("another connection", OpenSession)
		if string(c.Will.Topic) != "other" || string(c.Will.Payload) != "later" || c.Will.QoS != 1 {
			t.Fatalf("opened with %+v", c.Will)
		}
		s.up(id, true)
		s.want("in force", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))
		s.board(willTopicUpd("other"))
		s.want("it is already", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))

		s.board(willTopicUpd(""))
		if c = s.wantCommand("deleted", OpenSession); c.Will != nil || c.Clean {
			t.Fatalf("opened %+v", c)
		}
		s.up(id, true)
		s.want("in force", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))
	}
}

// TestWillUpdateWhileTheBrokerIsAway: it is part of the next connection, and if the
// board is lost before that, it stands behind its messages.
func TestWillUpdateWhileTheBrokerIsAway(t *testing.T) {
	s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
	id := s.connectWithWill(0)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.down(id)
	s.board(willMsgUpd("later"))
	s.want("accepted", willResp(mqttsn.WillMsgResp, mqttsn.Accepted))
	if c := s.wantCommand("for the next connection", OpenSession); string(c.Will.Payload) != "later" {
		t.Fatalf("opened with %+v", c.Will)
	}
	s.commands = nil
	s.advance(15 * time.Second)
	if c := s.wantCommand("lost", StoreMessage); string(c.Payload) != "later" {
		t.Fatalf("stores %q", c.Payload)
	}
}

// TestWillUpdateAndNoBroker: the board is not kept waiting when the new connection
// does not come.
func TestWillUpdateAndNoBroker(t *testing.T) {
	s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
	id := s.connectWithWill(0)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.board(willMsgUpd("later"))
	s.wantCommand("another connection", OpenSession)
	s.say(1, "x")
	s.wantPublish("waits for it", "x")
	s.down(id)
	s.want("kept", willResp(mqttsn.WillMsgResp, mqttsn.Accepted))
	s.wantStore("and stored", "x")
}

// TestFirstWillOfACleanSession: the broker would forget its subscriptions, so the
// gateway keeps the will until there is nothing to forget.
func TestFirstWillOfACleanSession(t *testing.T) {
	for _, outbox := range []bool{true, false} {
		s := newScript(t, Config{Outbox: outbox})
		id := s.connect(mqttsn.CleanSession)
		s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("cmd")})
		c := s.wantCommand("subscribed", SubscribeFilter)
		s.g.Subscribed(s.now, id, c.Token, Granted, 1)
		s.collect()
		s.frames = nil
		s.board(willTopicUpd("w"))
		s.want("in force", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))
		s.board(willMsgUpd("gone"))
		s.want("in force", willResp(mqttsn.WillMsgResp, mqttsn.Accepted))
		s.wantIdle("no message is missed")
		s.commands = nil
		s.advance(15 * time.Second)
		s.want("lost", mqttsn.Packet{Type: mqttsn.Disconnect})
		if outbox {
			c = s.wantCommand("the gateway publishes it", StoreMessage)
			s.stored(c, 1)
		} else {
			c = s.wantCommand("the gateway publishes it", PublishMessage)
		}
		if string(c.Topic) != "w" || string(c.Payload) != "gone" {
			t.Fatalf("publishes %q on %q", c.Payload, c.Topic)
		}
		s.wantCommand("in a session that ends then", OpenSession)
		s.up(id, false)
		if outbox {
			s.load(s.wantCommand("load", LoadMessages), 1, 1)
			c = s.wantCommand("publish", PublishMessage)
		}
		s.published(c)
		for len(s.commands) > 1 {
			s.commands = s.commands[1:]
		}
		s.wantCommand("over", CloseSession)
	}
}

// TestFirstWillGoesToTheBroker as soon as nothing can be lost by it.
func TestFirstWillGoesToTheBroker(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.board(willTopicUpd("w"))
	if c := s.wantCommand("it has no subscriptions", OpenSession); c.Will == nil || c.Clean {
		t.Fatalf("opened %+v", c)
	}
	s.up(id, false)
	s.want("in force", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))

	s = newScript(t, Config{})
	id = s.connect(mqttsn.CleanSession)
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("cmd")})
	c := s.wantCommand("subscribed", SubscribeFilter)
	s.g.Subscribed(s.now, id, c.Token, Granted, 1)
	s.collect()
	s.frames = nil
	s.board(willTopicUpd("w"))
	s.frames = nil
	s.wantIdle("not now")
	s.down(id)
	if c := s.wantCommand("now the subscriptions are lost anyway", OpenSession); c.Will == nil || c.Clean {
		t.Fatalf("opened %+v", c)
	}
}

// TestWillUpdateThatNobodyCouldKeep: without an outbox it is asked for again.
func TestWillUpdateThatNobodyCouldKeep(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connectWithWill(0)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.down(id)
	s.board(willMsgUpd("later"))
	s.want("not now", willResp(mqttsn.WillMsgResp, mqttsn.Congestion))
	s.up(id, true)
	s.board(willMsgUpd("later"))
	s.wantCommand("another connection", OpenSession)
	s.down(id)
	s.want("it did not come", willResp(mqttsn.WillMsgResp, mqttsn.Congestion))
	s.up(id, true)
	s.board(willMsgUpd("later"))
	s.want("in force", willResp(mqttsn.WillMsgResp, mqttsn.Accepted))
	s.wantIdle("with the connection that came at last")
}

func TestRefusedWillUpdates(t *testing.T) {
	s := newScript(t, Config{Access: Access{Publish: [][]byte{[]byte("ok/#")}}, Limits: Limits{MaxPayload: 4}})
	s.connect(0)
	s.board(willMsgUpd("x"))
	s.want("there is no will", willResp(mqttsn.WillMsgResp, mqttsn.NotSupported))
	s.board(willTopicUpd("forbidden"))
	s.want("not allowed", willResp(mqttsn.WillTopicResp, mqttsn.NotSupported))
	s.wantNotice("told", RequestRefused, ReasonForbidden)
	s.board(willTopicUpd("ok/w"))
	s.commands = nil
	s.up(1, true)
	s.want("allowed", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))
	s.board(willMsgUpd("12345"))
	s.want("too large", willResp(mqttsn.WillMsgResp, mqttsn.NotSupported))
	s.wantIdle("nothing changes")
}
