package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// lastSaved returns the last state that was saved of a client, after the time that
// takes, and forgets the commands until then.
func (s *script) lastSaved(clientID string) []byte {
	s.t.Helper()
	s.advance(saveAfter)
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.frames = nil
	var state []byte
	for _, c := range s.saved {
		if c.ClientID == clientID {
			state = c.State
		}
	}
	s.commands, s.saved = nil, nil
	return state
}

// restart returns a script of a new gateway that was told what was saved.
func (s *script) restart(clientID string, state []byte, stored int) *script {
	s.t.Helper()
	next := &script{t: s.t, g: New(s.g.cfg), now: s.now.Add(time.Minute)}
	if err := next.g.Restore(next.now, clientID, state, stored); err != nil {
		s.t.Fatal(err)
	}
	next.g.PortOpened(next.now)
	next.collect()
	next.want("whoever is there is asked to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	return next
}

// TestRestartKeepsTopicsAndSubscriptions of a board with CleanSession=0.
func TestRestartKeepsTopicsAndSubscriptions(t *testing.T) {
	s, id := newStoring(t, 0)
	s.board(register(1, "b1/temp"))
	s.want("an id", regack(1, 1, mqttsn.Accepted))
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 2, Topic: []byte("b1/cmd/#")})
	c := s.wantCommand("subscribed", SubscribeFilter)
	s.g.Subscribed(s.now, id, c.Token, Granted, 1)
	s.collect()
	state := s.lastSaved("b1")
	t.Logf("saved: %s", state)
	s.board(register(3, "b1/temp"))
	if again := s.lastSaved("b1"); again != nil {
		t.Errorf("saved again without a change: %s", again)
	}

	s = s.restart("b1", state, 0)
	s.wantIdle("nothing waits")
	s.board(connectPacket(0, "b1", 10))
	c = s.wantCommand("its session", OpenSession)
	if c.Clean || len(c.Filters) != 1 || c.Filters["b1/cmd/#"] != 1 {
		t.Fatalf("opened %+v", c)
	}
	s.up(c.Node, true)
	s.want("connected", connack(mqttsn.Accepted))
	s.board(publish(mqttsn.QoS1, 1, 1, "21"))
	p := s.wantPublish("the old id holds", "21")
	if string(p.Topic) != "b1/temp" {
		t.Fatalf("published on %q", p.Topic)
	}
	s.board(register(4, "b1/new"))
	s.want("a new id is none that may have been given before the crash", regack(2+topicGap, 4, mqttsn.Accepted))
	s.deliver(c.Node, "b1/temp", "x", 0)
	s.want("the board may have forgotten its ids", mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("b1/temp")})
}

// TestRestartDelivers what is stored, without waiting for the board.
func TestRestartDelivers(t *testing.T) {
	const clean = `{"clean":true}`
	for _, state := range []string{"", clean, `{"topics":{"7":"x"}}`} {
		var blob []byte // what nothing is known of has a session that must not be lost
		if state != "" {
			blob = []byte(state)
		}
		s, _ := newStoring(t, 0)
		s = s.restart("b1", blob, 2)
		c := s.wantCommand("its session is opened", OpenSession)
		if c.ClientID != "b1" || c.Clean != (state == clean) || c.Will != nil {
			t.Fatalf("opened %+v", c)
		}
		s.up(c.Node, true)
		s.load(s.wantCommand("loaded", LoadMessages), 10, 11)
		one, two := s.wantPublish("in order", "m10"), s.wantPublish("in order", "m11")
		s.published(one)
		s.wantCommand("done", SettleStored)
		s.published(two)
		s.wantCommand("done", SettleStored)
		s.wantCommand("and closed", CloseSession)
		if known := s.g.clients["b1"] != nil; known != (state != clean) {
			t.Errorf("with state %q the board is known: %v", state, known)
		}
	}
}

// TestBoardComesBackWhileItsMessagesAreDelivered after a restart: it takes the
// session over.
func TestBoardComesBackWhileItsMessagesAreDelivered(t *testing.T) {
	s, _ := newStoring(t, 0)
	s = s.restart("b1", []byte(`{"topics":{"7":"x"},"filters":{"cmd":1}}`), 2)
	c := s.wantCommand("its session is opened", OpenSession)
	s.advance(time.Millisecond)
	s.up(c.Node, true)
	load := s.wantCommand("loaded", LoadMessages)
	s.deliver(c.Node, "x", "for the board", 1)
	s.wantIdle("it is not there")
	s.board(connectPacket(0, "b1", 10))
	s.want("connected at once", connack(mqttsn.Accepted))
	s.want("what came meanwhile", mqttsn.Packet{Type: mqttsn.Register, TopicID: 7, MsgID: 1, Topic: []byte("x")})
	s.load(load, 1, 2)
	one, two := s.wantPublish("in order", "m1"), s.wantPublish("in order", "m2")
	s.published(one)
	s.published(two)
	s.commands = nil
	s.wantIdle("the session is the board's")
}

// TestBoardSleepsThroughARestart of the gateway: its messages come to it when it
// wakes up, and if it does not, its will goes out.
func TestBoardSleepsThroughARestart(t *testing.T) {
	s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
	s.up(s.connectWithWill(0), false)
	s.want("connected", connack(mqttsn.Accepted))
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect, HasDuration: true, Duration: 100})
	s.want("asleep", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.advance(saveAfter)
	state := s.saved[len(s.saved)-1].State
	t.Logf("saved: %s", state)
	for _, wakes := range []bool{true, false} {
		s := s.restart("b1", state, 0)
		c := s.wantCommand("its session goes on", OpenSession)
		if c.Clean || c.Will == nil {
			t.Fatalf("opened %+v", c)
		}
		if all := s.g.Nodes(); len(all) != 1 || !all[0].Asleep || all[0].ClientID != "b1" {
			t.Errorf("nodes that a person sees: %+v", all)
		}
		s.advance(time.Millisecond)
		s.up(c.Node, true)
		s.deliver(c.Node, "a", "x", 1)
		if wakes {
			s.board(mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte("b1")})
			s.want("its message", publish(mqttsn.QoS1|predefined, 1, 1, "x"))
			s.board(puback(1, 1, mqttsn.Accepted))
			s.want("that is all", mqttsn.Packet{Type: mqttsn.PingResp})
			continue
		}
		s.wantIdle("it sleeps")
		s.advance(150 * time.Second)
		s.wantCommand("it did not wake up", AbortSession)
	}
}

// TestShutdownRightAfterGoodNight: that a board sleeps is known to the next gateway even if this one ends before it would have been saved.
func TestShutdownRightAfterGoodNight(t *testing.T) {
	s := newScript(t, Config{Outbox: true})
	s.up(s.connectWithWill(0), false)
	s.want("connected", connack(mqttsn.Accepted))
	s.advance(saveAfter)
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect, HasDuration: true, Duration: 100})
	s.want("asleep", mqttsn.Packet{Type: mqttsn.Disconnect})
	s.g.Shutdown(s.now)
	s.collect()
	next := s.restart("b1", s.saved[len(s.saved)-1].State, 0)
	if all := next.g.Nodes(); len(all) != 1 || !all[0].Asleep {
		t.Errorf("nodes after the restart: %+v", all)
	}
}

// TestWillAfterARestart: a board that was there when the gateway died, with
// messages that wait, and does not come back, was lost.
func TestWillAfterARestart(t *testing.T) {
	s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
	id := s.connectWithWill(mqttsn.CleanSession)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	if state := s.lastSaved("b1"); state != nil {
		t.Errorf("saved %s for a clean session, with nothing stored", state)
	}
	s.down(id)
	s.say(1, "m1")
	s.stored(s.wantStore("stored", "m1"), 1)
	state := s.lastSaved("b1")
	t.Logf("saved: %s", state)

	s = s.restart("b1", state, 1)
	if c := s.wantCommand("its session is opened", OpenSession); c.Will != nil || !c.Clean {
		t.Fatalf("opened %+v", c)
	}
	s.advance(15*time.Second - 1)
	s.wantIdle("the board has 1.5 times its Duration")
	s.advance(time.Second)
	c := s.wantCommand("lost", StoreMessage)
	if string(c.Topic) != "w" || string(c.Payload) != "gone" {
		t.Fatalf("stores %q on %q", c.Payload, c.Topic)
	}
	s.advance(time.Hour)
	s.wantIdle("once")
}

// TestNoWillAfterARestartForABoardThatIsThere, or ended orderly before.
func TestNoWillAfterARestartForABoardThatIsThere(t *testing.T) {
	const will = `"will":{"topic":"w","payload":"Z29uZQ=="}`
	s, _ := newStoring(t, 0)
	s = s.restart("b1", []byte(`{`+will+`,"connected":true,"keepalive":10}`), 1)
	s.board(connectPacket(0, "b1", 10))
	s.commands = nil
	for range 5 {
		s.advance(8 * time.Second)
		s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	}
	for _, c := range s.commands {
		if c.Kind == StoreMessage {
			t.Error("the will of a board that is there was stored")
		}
	}
	s = s.restart("b1", []byte(`{`+will+`}`), 1)
	s.advance(time.Hour)
	for _, c := range s.commands {
		if c.Kind == StoreMessage {
			t.Error("the will of a board that had left was stored")
		}
	}
}

// TestForgottenBoardsAreNotSaved: what is kept on disk is bounded like memory.
func TestForgottenBoardsAreNotSaved(t *testing.T) {
	s := newScript(t, Config{Outbox: true})
	kept := map[string]bool{}
	for i := range maxAway + 50 {
		s.board(connectPacket(0, fmt.Sprint("b", i), 10))
		s.up(s.g.clients[fmt.Sprint("b", i)].id, false)
		s.advance(saveAfter)
		s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
		for _, c := range s.saved {
			if kept[c.ClientID] = c.State != nil; c.State == nil {
				delete(kept, c.ClientID)
			}
		}
		s.frames, s.sizes, s.commands, s.notices, s.saved = nil, nil, nil, nil, nil
	}
	if len(kept) > maxAway {
		t.Errorf("%d boards are kept on disk", len(kept))
	}
}

func TestDamagedRestartState(t *testing.T) {
	g := New(Config{Outbox: true})
	if err := g.Restore(time.Unix(0, 0), "b1", []byte(`{"topics":[]}`), 3); err == nil {
		t.Error("no error")
	}
	if c := g.Commands(); len(c) != 1 || c[0].Kind != OpenSession {
		t.Errorf("its messages are not delivered: %+v", c)
	}
}

// TestStateIsSavedBeforeTheFirstMessage is: a gateway killed in between would not
// know whose messages it has, and throw the board's session away at the broker.
func TestStateIsSavedBeforeTheFirstMessage(t *testing.T) {
	for flags, want := range map[mqttsn.Flags]string{0: `{"topics":{"1":"b1/temp"}}`, mqttsn.CleanSession: `{"clean":true}`} {
		s, id := newStoring(t, flags)
		s.board(register(1, "b1/temp"))
		s.down(id)
		s.g.Receive(s.now, addrNone, publishBody(1, []byte("x")))
		all := s.g.Commands()
		if len(all) != 2 || all[0].Kind != SaveNode || string(all[0].State) != want || all[1].Kind != StoreMessage {
			t.Errorf("got %+v, want %s saved first", all, want)
		}
	}
}

// TestShutdownKeepsWhatStoredMessagesNeed of a board that wants to be forgotten.
func TestShutdownKeepsWhatStoredMessagesNeed(t *testing.T) {
	s, id := newStoring(t, mqttsn.CleanSession)
	s.down(id)
	s.say(1, "x")
	s.stored(s.wantStore("stored", "x"), 1)
	s.g.Shutdown(s.now)
	s.collect()
	if state := s.saved[len(s.saved)-1].State; string(state) != `{"clean":true}` {
		t.Errorf("saved %q", state)
	}
}

// TestBoardThatNothingIsKnownOf: the broker knows its session, but should it forget
// it, nobody could subscribe again. So the board does, once.
func TestBoardThatNothingIsKnownOf(t *testing.T) {
	s := newScript(t, Config{Outbox: true})
	connect := connectPacket(mqttsn.WantSession, "b1", 10)
	present := func(is bool) mqttsn.Packet {
		return mqttsn.Packet{Type: mqttsn.ConnAck, HasSession: true, SessionPresent: is}
	}
	s.board(connect)
	s.up(s.wantCommand("open", OpenSession).Node, true)
	s.want("as if it were new", present(false))
	state := s.restartState()
	s = s.restart("b1", state, 0)
	s.board(connect)
	s.up(s.wantCommand("open", OpenSession).Node, true)
	s.want("it may not have heard it", present(false))
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("now it has", mqttsn.Packet{Type: mqttsn.PingResp})
	s = s.restart("b1", s.restartState(), 0)
	s.board(connect)
	s.up(s.wantCommand("open", OpenSession).Node, true)
	s.want("known", present(true))
}

// restartState returns what was last saved.
func (s *script) restartState() []byte {
	s.advance(saveAfter)
	return s.saved[len(s.saved)-1].State
}

// TestWillIsWaitedForAfterARestart: the messages of a board that was there are
// delivered before it is certain that it is lost.
func TestWillIsWaitedForAfterARestart(t *testing.T) {
	s, _ := newStoring(t, 0)
	s = s.restart("b1", []byte(`{"clean":true,"will":{"topic":"w","payload":"Z29uZQ==","qos":1},"connected":true,"keepalive":10}`), 1)
	s.up(s.wantCommand("its session", OpenSession).Node, false)
	s.load(s.wantCommand("loaded", LoadMessages), 1, 1)
	s.published(s.wantPublish("delivered", "m1"))
	s.wantCommand("done", SettleStored)
	s.wantIdle("the board may come back")
	s.advance(15 * time.Second)
	s.stored(s.wantCommand("it is lost", StoreMessage), 2)
	s.load(s.wantCommand("loaded", LoadMessages), 2, 2)
	s.published(s.wantCommand("its will", PublishMessage))
	s.wantCommand("done", SettleStored)
	s.wantCommand("and that is all", CloseSession)
	s.advance(time.Hour)
	s.wantIdle("for ever")
}

// TestRestoredBoardIsOnAnotherPort: its messages wait until its client id is free.
func TestRestoredBoardIsOnAnotherPort(t *testing.T) {
	taken := true
	s, _ := newStoring(t, 0)
	s.g.cfg.Claim = func(string) Reason {
		if taken {
			return ReasonClientIDInUse
		}
		return NoReason
	}
	for _, state := range []string{`{}`, `{"clean":true}`, `{"sleep":60}`} {
		taken = true
		s := s.restart("b1", []byte(state), 1)
		s.advance(time.Minute)
		s.wantIdle("two sessions with one client id push each other out")
		taken = false
		s.advance(claimRetry)
		s.up(s.wantCommand("it is free", OpenSession).Node, true)
		s.load(s.wantCommand("loaded", LoadMessages), 1, 1)
		s.published(s.wantPublish("delivered", "m1"))
		s.wantCommand("done", SettleStored)
		s.wantCommand("over", CloseSession)
	}
}
