package gateway

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const predefined = mqttsn.Flags(mqttsn.PredefinedID)

// newStoring returns a script of a gateway with an outbox and a connected board.
func newStoring(t *testing.T, flags mqttsn.Flags) (*script, NodeID) {
	t.Helper()
	s := newScript(t, Config{Outbox: true, MaxInflight: 4, Predefined: map[uint16]string{1: "a"}})
	return s, s.connect(flags)
}

// say publishes a QoS 1 message.
func (s *script) say(msgID uint16, data string) {
	s.t.Helper()
	s.board(publish(mqttsn.QoS1|predefined, 1, msgID, data))
}

// stored answers a StoreMessage command.
func (s *script) stored(c Command, seq uint64) {
	s.g.Stored(s.now, c.Node, c.Token, seq, StoreOK)
	s.collect()
}

// wantStore consumes a StoreMessage command with that payload.
func (s *script) wantStore(what, payload string) Command {
	s.t.Helper()
	c := s.wantCommand(what, StoreMessage)
	if string(c.Payload) != payload || string(c.Topic) != "a" || c.ClientID != "b1" {
		s.t.Fatalf("%s: stores %+v, want %q", what, c, payload)
	}
	return c
}

// wantPublish consumes a PublishMessage command with that payload.
func (s *script) wantPublish(what, payload string) Command {
	s.t.Helper()
	c := s.wantCommand(what, PublishMessage)
	if string(c.Payload) != payload {
		s.t.Fatalf("%s: publishes %q, want %q", what, c.Payload, payload)
	}
	return c
}

// down takes the broker away.
func (s *script) down(id NodeID) { s.g.SessionDown(s.now, id, s.now, true); s.collect() }

// load answers a LoadMessages command with messages numbered from first to last.
func (s *script) load(c Command, first, last uint64) {
	var messages []StoredMessage
	for seq := first; seq <= last && len(messages) < c.Max; seq++ {
		messages = append(messages, StoredMessage{Seq: seq, Topic: []byte("a"), Payload: fmt.Append(nil, "m", seq)})
	}
	s.g.Loaded(s.now, c.Node, messages)
	s.collect()
}

func TestNothingIsStoredWhileTheBrokerAnswers(t *testing.T) {
	s, _ := newStoring(t, 0)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("it has heard CONNACK", mqttsn.Packet{Type: mqttsn.PingResp})
	s.advance(2 * time.Second)
	if len(s.saved) != 1 {
		t.Errorf("a board with CleanSession=0 was saved %d times", len(s.saved))
	}
	s.saved = nil
	for i := range uint16(1000) {
		s.say(i+1, "x")
		c := s.wantPublish("straight to the broker", "x")
		s.advance(200 * time.Millisecond)
		s.published(c)
		s.want("acknowledged by it", puback(1, i+1, mqttsn.Accepted))
		if i%10 == 0 {
			s.board(mqttsn.Packet{Type: mqttsn.PingReq})
			s.want("alive", mqttsn.Packet{Type: mqttsn.PingResp})
		}
		s.wantIdle("and that is all")
	}
	if len(s.saved) > 0 {
		t.Errorf("saved %s", s.saved[0].State)
	}
}

func TestSlowBrokerMakesTheOutboxAnswer(t *testing.T) {
	s, _ := newStoring(t, 0)
	s.say(1, "x")
	c := s.wantPublish("straight", "x")
	s.advance(249 * time.Millisecond)
	s.wantIdle("the broker has time")
	s.advance(time.Millisecond)
	store := s.wantStore("no longer", "x")
	s.wantIdle("it is not safe yet")
	s.stored(store, 1)
	s.want("safe", puback(1, 1, mqttsn.Accepted))
	s.published(c)
	if c := s.wantCommand("and done with", SettleStored); c.Seq != 1 || c.ClientID != "b1" {
		t.Fatalf("settled %+v", c)
	}
	s.wantIdleFrames("a message is acknowledged once")
}

// TestBrokerFasterThanTheDisk: the first to have it makes it safe, the last to
// answer ends it.
func TestBrokerFasterThanTheDisk(t *testing.T) {
	s, _ := newStoring(t, 0)
	s.say(1, "x")
	c := s.wantPublish("straight", "x")
	s.advance(250 * time.Millisecond)
	store := s.wantStore("stored", "x")
	s.published(c)
	s.want("safe", puback(1, 1, mqttsn.Accepted))
	s.wantIdle("the disk has not answered")
	s.stored(store, 7)
	if c := s.wantCommand("done with", SettleStored); c.Seq != 7 {
		t.Fatalf("settled %+v", c)
	}
}

// TestOutage follows messages through an outage: what the broker has not
// acknowledged is stored, in order; what comes meanwhile too; all is replayed in
// order, and what comes then waits behind it.
func TestOutage(t *testing.T) {
	s, id := newStoring(t, 0)
	s.say(1, "m1")
	first := s.wantPublish("straight", "m1")
	s.say(2, "m2")
	second := s.wantPublish("straight", "m2")
	s.down(id)
	s.stored(s.wantStore("at once", "m1"), 1)
	s.stored(s.wantStore("in order", "m2"), 2)
	s.want("safe", puback(1, 1, 0), puback(1, 2, 0))
	for i := uint64(3); i <= 20; i++ {
		s.say(uint16(i), fmt.Sprint("m", i))
		s.stored(s.wantStore("not even shown to the MQTT session", fmt.Sprint("m", i)), i)
		s.want("safe", puback(1, uint16(i), 0))
	}
	s.wantIdle("memory does not grow")

	s.up(id, true)
	c := s.wantCommand("what is stored is loaded", LoadMessages)
	if c.Seq != 2 || c.Max != 6 {
		t.Fatalf("loads %+v, want what is behind the two that are with the session already", c)
	}
	s.say(21, "m21")
	s.stored(s.wantStore("what comes now waits behind", "m21"), 21)
	s.want("safe", puback(1, 21, 0))
	s.published(first)
	s.wantCommand("done with", SettleStored)
	s.published(second)
	s.wantCommand("done with", SettleStored)
	s.load(c, 3, 21)
	for next := uint64(3); next <= 21; {
		var sent []Command
		for len(s.commands) > 0 && s.commands[0].Kind == PublishMessage {
			sent = append(sent, s.wantPublish("in order", fmt.Sprint("m", next)))
			next++
		}
		for _, c := range sent {
			s.published(c)
		}
		for len(s.commands) > 0 && s.commands[0].Kind != PublishMessage {
			if c := s.commands[0]; c.Kind == LoadMessages {
				s.load(c, c.Seq+1, 21)
			}
			s.commands = s.commands[1:]
		}
	}
	s.say(22, "m22")
	s.published(s.wantPublish("all is as it was", "m22"))
	s.want("by the broker", puback(1, 22, 0))
	s.advance(time.Second)
	s.wantIdleFrames("all is quiet")
}

// TestDiskRefuses: the board is told, and the service is restored by itself.
func TestDiskRefuses(t *testing.T) {
	for result, what := range map[StoreResult]string{StoreFull: "full", StoreFailed: "failed"} {
		s, id := newStoring(t, mqttsn.CleanSession)
		s.say(1, "m1")
		first := s.wantPublish("straight", "m1")
		s.down(id)
		c := s.wantStore("stored", "m1")
		s.g.Stored(s.now, id, c.Token, 0, result)
		s.collect()
		s.wantIdleFrames("the broker may still take it")
		if n := s.wantNotice("told", StoreRefused, NoReason); n.Result != result {
			t.Errorf("%s: notice %+v", what, n)
		}
		s.say(2, "m2")
		s.want("the others are told", puback(1, 2, mqttsn.Congestion))
		s.advance(storeRetry)
		c = s.wantStore("a second later it is tried again", "m1")
		s.stored(c, 5)
		s.want("safe", puback(1, 1, mqttsn.Accepted))
		s.say(2, "m2")
		s.stored(s.wantStore("all is well", "m2"), 6)
		s.want("safe", puback(1, 2, mqttsn.Accepted))
		s.up(id, false)
		s.published(first)
	}
}

// TestUnhandedMessageRefused: one that only the outbox was to have.
func TestUnhandedMessageRefused(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	s.say(1, "m1")
	c := s.wantStore("stored", "m1")
	s.g.Stored(s.now, id, c.Token, 0, StoreFull)
	s.collect()
	s.want("not safe", puback(1, 1, mqttsn.Congestion))
	s.up(id, false)
	s.wantIdle("and not published")
}

// TestEvicted: what drop_oldest dropped is not waited for.
func TestEvicted(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	for i := uint64(1); i <= 3; i++ {
		s.say(uint16(i), fmt.Sprint("m", i))
		s.stored(s.wantStore("stored", fmt.Sprint("m", i)), i)
	}
	s.g.Evicted(s.now, "b1", 2, 2)
	s.up(id, false)
	c := s.wantCommand("the rest", LoadMessages)
	s.load(c, 3, 3)
	rest := s.wantPublish("the rest", "m3")
	s.load(s.wantCommand("what it dropped is not certain", LoadMessages), 1, 0)
	s.published(rest)
	s.wantCommand("done", SettleStored)
	if got := &s.g.byID[id].out; got.stored() != 0 || got.unfinished() {
		t.Errorf("%d stored", got.stored())
	}
}

// TestEvictedWhatWasDone: the outbox counts messages that the gateway has settled
// meanwhile. What is left must not be overtaken.
func TestEvictedWhatWasDone(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	for i := uint64(1); i <= 12; i++ {
		s.say(uint16(i), fmt.Sprint("m", i))
		s.stored(s.wantStore("stored", fmt.Sprint("m", i)), i)
	}
	s.up(id, false)
	c := s.wantCommand("the first", LoadMessages)
	s.load(c, 1, 8)
	for i := range 8 {
		s.published(s.wantPublish("sent", fmt.Sprint("m", i+1)))
		for len(s.commands) > 0 && s.commands[0].Kind == SettleStored {
			s.commands = s.commands[1:]
		}
		if last := len(s.commands) - 1; last >= 0 && s.commands[last].Kind == LoadMessages {
			c = s.commands[last]
			s.commands = s.commands[:last]
		}
		for len(s.commands) > 0 && s.commands[len(s.commands)-1].Kind == SettleStored {
			s.commands = s.commands[:len(s.commands)-1]
		}
	}
	s.g.Evicted(s.now, "b1", 10, 10) // eight of them were done
	s.frames = nil
	s.say(13, "m13")
	s.stored(s.wantStore("what comes now waits behind", "m13"), 13)
	s.load(c, 11, 13)
	for i := 11; i <= 13; i++ {
		s.wantPublish("in order", fmt.Sprint("m", i))
	}
}

// TestLostRecord: what was damaged on disk is not waited for.
func TestLostRecord(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	for i := uint64(1); i <= 3; i++ {
		s.say(uint16(i), "x")
		s.stored(s.wantStore("stored", "x"), i)
	}
	s.up(id, false)
	s.load(s.wantCommand("load", LoadMessages), 3, 3) // 1 and 2 are damaged
	neighbour := s.wantPublish("the neighbour", "m3")
	s.wantCommand("two are missing", LoadMessages)
	s.published(neighbour)
	s.wantCommand("done", SettleStored)
	s.g.Loaded(s.now, id, nil)
	s.collect()
	s.commands = nil
	s.say(4, "x")
	s.wantPublish("straight again", "x")
}

// TestConnectWithoutTheBroker: a board can say what it has to say.
func TestConnectWithoutTheBroker(t *testing.T) {
	for _, refused := range []bool{true, false} {
		s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
		s.board(connectPacket(mqttsn.CleanSession, "b1", 10))
		id := s.wantCommand("open", OpenSession).Node
		if refused {
			s.down(id)
		} else {
			s.wantIdle("the broker has a little time")
			s.advance(offlineAfter)
		}
		s.want("connected", connack(mqttsn.Accepted))
		s.say(1, "x")
		s.stored(s.wantStore("stored", "x"), 1)
		s.want("safe", puback(1, 1, mqttsn.Accepted))
		s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 2, Topic: []byte("x/#")})
		s.want("only the broker can answer", mqttsn.Packet{Type: mqttsn.SubAck, MsgID: 2, ReturnCode: mqttsn.Congestion})
		s.up(id, false)
		s.wantCommand("replayed", LoadMessages)
	}
}

// TestStoredMessagesSurviveTheirBoard: whatever becomes of it, its session goes on
// until they are delivered.
func TestStoredMessagesSurviveTheirBoard(t *testing.T) {
	for name, leave := range map[string]func(s *script){
		"DISCONNECT": func(s *script) { s.board(mqttsn.Packet{Type: mqttsn.Disconnect}) },
		"lost":       func(s *script) { s.advance(15 * time.Second) },
		"swapped":    func(s *script) { s.board(connectPacket(mqttsn.CleanSession, "other", 10)) },
	} {
		s, id := newStoring(t, mqttsn.CleanSession)
		s.down(id)
		s.say(1, "m1")
		s.stored(s.wantStore("stored", "m1"), 1)
		leave(s)
		c := s.wantCommand(name, OpenSession)
		if !c.Clean || c.Will != nil || c.ClientID != "b1" || c.Node != id {
			t.Fatalf("%s: opened %+v", name, c)
		}
		s.commands = nil
		s.up(id, false)
		s.load(s.wantCommand("replayed without the board", LoadMessages), 1, 1)
		s.published(s.wantPublish("in its session", "m1"))
		s.wantCommand("done", SettleStored)
		if c := s.wantCommand("which ends then", CloseSession); c.Node != id {
			t.Fatalf("%s: closed %+v", name, c)
		}
		if s.g.clients["b1"] != nil {
			t.Errorf("%s: the board is still known", name)
		}
	}
}

// TestStoredMessagesSurviveCleanSession: they are the application's.
func TestStoredMessagesSurviveCleanSession(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	s.say(1, "m1")
	s.stored(s.wantStore("stored", "m1"), 1)
	s.want("safe", puback(1, 1, mqttsn.Accepted))
	s.board(connectPacket(mqttsn.CleanSession, "b1", 10))
	s.wantCommand("a session of its own", OpenSession)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.load(s.wantCommand("replayed", LoadMessages), 1, 1)
	s.published(s.wantPublish("replayed", "m1"))
	s.wantIdleFrames("no PUBACK crosses CONNECT")
}

// TestWillBehindStoredMessages: the will of a board that is lost while the broker
// is away stands behind what it said before.
func TestWillBehindStoredMessages(t *testing.T) {
	for _, flags := range []mqttsn.Flags{0, mqttsn.CleanSession} {
		s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
		id := s.connectWithWill(flags)
		s.up(id, false)
		s.want("connected", connack(mqttsn.Accepted))
		s.down(id)
		s.say(1, "m1")
		s.stored(s.wantStore("stored", "m1"), 1)
		s.want("safe", puback(1, 1, mqttsn.Accepted))
		s.commands = nil
		s.advance(15 * time.Second)
		s.want("lost", mqttsn.Packet{Type: mqttsn.Disconnect})
		c := s.wantCommand("the will is stored", StoreMessage)
		if string(c.Topic) != "w" || string(c.Payload) != "gone" || c.QoS != 1 {
			t.Fatalf("stores %+v", c)
		}
		if c := s.wantCommand("and the broker is given none", OpenSession); c.Will != nil || c.Clean != (flags != 0) {
			t.Fatalf("opened %+v", c)
		}
		s.stored(c, 2)
		s.up(id, true)
		s.load(s.wantCommand("replayed", LoadMessages), 1, 2)
		one, two := s.wantPublish("first", "m1"), s.wantPublish("then", "m2")
		s.published(one)
		s.published(two)
		s.wantCommand("done", SettleStored)
		s.wantCommand("done", SettleStored)
		s.wantCommand("without a will of the session", CloseSession)
	}
}

// TestQuarantine: a message on which the broker closes the connection five times
// does not stop the others.
func TestQuarantine(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.say(1, "poison")
	poison := s.wantPublish("straight", "poison")
	s.say(2, "good")
	good := s.wantPublish("straight", "good")
	s.down(id)
	s.stored(s.wantStore("stored", "poison"), 1)
	s.stored(s.wantStore("stored", "good"), 2)
	for range maxStrikes - 1 {
		s.commands, s.frames = nil, nil
		s.up(id, true)
		s.wantIdle("the MQTT session sends both again")
		s.down(id)
	}
	c := s.wantCommand("enough", WithdrawMessage)
	if c.Token != poison.Token {
		t.Fatalf("withdraws %+v", c)
	}
	s.g.Withdrawn(s.now, id, c.Token, true)
	s.collect()
	if c := s.wantCommand("put aside", QuarantineStored); c.Seq != 1 || c.ClientID != "b1" {
		t.Fatalf("quarantines %+v", c)
	}
	s.wantNotice("told", Quarantined, NoReason)
	s.commands = nil
	s.up(id, true)
	s.published(good)
	if c := s.wantCommand("the rest goes on", SettleStored); c.Seq != 2 {
		t.Fatalf("settled %+v", c)
	}
}

// TestNoQuarantineWithProgress: a broker that takes something in between is only
// restarting often.
func TestNoQuarantineWithProgress(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	for i := range uint16(20) {
		s.say(i+1, "x")
		c := s.wantCommand("on its way", PublishMessage)
		s.down(id)
		s.stored(s.wantStore("stored", "x"), uint64(i+1))
		s.up(id, true)
		s.published(c)
		s.wantCommand("done", SettleStored)
	}
	s.frames = nil
	s.wantIdle("nothing is withdrawn")
}

// TestPoisonWithoutAnOutbox: there is nowhere to put it, so the board is told.
func TestPoisonWithoutAnOutbox(t *testing.T) {
	s := newScript(t, Config{Predefined: map[uint16]string{1: "a"}})
	id := s.connect(0)
	s.say(1, "poison")
	s.wantPublish("straight", "poison")
	for range maxStrikes {
		s.up(id, true)
		s.down(id)
	}
	c := s.wantCommand("enough", WithdrawMessage)
	s.g.Withdrawn(s.now, id, c.Token, true)
	s.collect()
	s.want("refused", puback(1, 1, mqttsn.NotSupported))
	s.wantIdle("that is all")
}

// TestStoredPayloadStaysValid: the disk is slower than the loop.
func TestStoredPayloadStaysValid(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	big := bytes.Repeat([]byte("x"), 1000)
	s.g.Receive(s.now, addrNone, publishBody(1, big))
	all := s.g.Commands() // SaveNode first
	c := all[len(all)-1]
	for i := range uint16(3) {
		s.g.Receive(s.now, addrNone, publishBody(i+2, bytes.Repeat([]byte("y"), 1000)))
		s.g.Commands()
	}
	if !bytes.Equal(c.Payload, big) {
		t.Error("the payload changed before it was stored")
	}
}

// TestPoisonThatCannotBeStored: the disk fails while the broker is found not to
// take a message. Its board is told.
func TestPoisonThatCannotBeStored(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.say(1, "poison")
	s.wantPublish("straight", "poison")
	s.down(id)
	store := s.wantStore("stored", "poison")
	for range maxStrikes - 1 {
		s.up(id, true)
		s.down(id)
	}
	c := s.wantCommand("enough", WithdrawMessage)
	s.g.Withdrawn(s.now, id, c.Token, true)
	s.collect()
	s.wantIdle("the disk has not answered")
	s.g.Stored(s.now, id, store.Token, 0, StoreFailed)
	s.collect()
	s.want("refused", puback(1, 1, mqttsn.NotSupported))
	s.wantIdle("nothing is left of it")
}

// TestBoardLeavesWhileItsMessageIsStored: the message was promised to nobody, but it
// is on disk, and what is there is delivered.
func TestBoardLeavesWhileItsMessageIsStored(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.say(1, "m1")
	first := s.wantPublish("straight", "m1")
	s.advance(250 * time.Millisecond)
	store := s.wantStore("the broker is slow", "m1")
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.want("goodbye", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.wantCommand("its session goes on", OpenSession)
	s.stored(store, 1)
	s.up(id, false)
	s.published(first)
	s.wantCommand("done", SettleStored)
	s.wantCommand("and ends", CloseSession)
}
