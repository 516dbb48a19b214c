package gateway

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

var (
	goodbye  = mqttsn.Packet{Type: mqttsn.Disconnect}
	pingReq  = mqttsn.Packet{Type: mqttsn.PingReq}
	pingResp = mqttsn.Packet{Type: mqttsn.PingResp}
)

func doze(seconds uint16) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Disconnect, HasDuration: true, Duration: seconds}
}

func wakeUp(clientID string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte(clientID)}
}

// short is PUBLISH QoS 1 to the topic tt, which needs no REGISTER.
func short(flags mqttsn.Flags, msgID uint16, data string) mqttsn.Packet {
	return publish(flags|mqttsn.QoS1|mqttsn.Flags(mqttsn.ShortName), 0x7474, msgID, data)
}

func shortAck(msgID uint16) mqttsn.Packet { return puback(0x7474, msgID, mqttsn.Accepted) }

// asleep brings up a board that sleeps, for at most 60 s at a time.
func (s *script) asleep(flags mqttsn.Flags) NodeID {
	s.t.Helper()
	id := s.connect(flags)
	s.board(doze(60))
	s.want("it may sleep", goodbye)
	s.wantNotice("said", BoardAsleep, NoReason)
	s.wantIdle("its session goes on")
	return id
}

// TestSleep: messages wait for the board, and come in order. PINGRESP comes when
// the last of them is acknowledged, and not before.
func TestSleep(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(mqttsn.CleanSession)
	for i, qos := range []byte{1, 1, 0, 1} {
		s.deliver(id, "m5/cmd", fmt.Sprint(i), qos)
	}
	s.advance(50 * time.Second)
	s.wantIdle("asleep it hears nothing, and the broker neither")
	s.board(wakeUp("b1"))
	s.wantNotice("said", BoardAwake, NoReason)
	s.want("its topic id", mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("m5/cmd")})
	s.board(regack(1, 1, mqttsn.Accepted))
	s.want("the first", publish(mqttsn.QoS1, 1, 2, "0"))
	s.wantIdle("one at a time")
	s.board(puback(1, 2, mqttsn.Accepted))
	s.wantRelease("the board has it", 1, true)
	s.want("the second", publish(mqttsn.QoS1, 1, 3, "1"))
	s.board(puback(1, 3, mqttsn.Accepted))
	s.wantRelease("and that", 2, true)
	s.wantRelease("QoS 0 is done with when it is sent", 3, true)
	s.want("the third", publish(0, 1, 0, "2"))
	s.want("the last", publish(mqttsn.QoS1, 1, 4, "3"))
	s.wantIdle("no PINGRESP before it is acknowledged")
	s.board(puback(1, 4, mqttsn.Accepted))
	s.wantRelease("all", 4, true)
	s.want("back to sleep", pingResp)
	s.wantNotice("said", BoardAsleep, NoReason)
	s.deliver(id, "m5/cmd", "4", 1)
	s.advance(time.Second)
	s.wantIdle("the next one waits for the next time")
	s.board(wakeUp("b1"))
	s.want("its id is known", publish(mqttsn.QoS1, 1, 5, "4"))
}

// TestWakeWithNothing: PINGRESP comes at once.
func TestWakeWithNothing(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	for range 3 {
		s.board(wakeUp("b1"))
		s.want("nothing came", pingResp)
	}
	s.board(pingReq)
	s.want("it was there before: no need to say who it is", pingResp)
	s.g.SessionDown(s.now, id, s.now, true)
	s.board(wakeUp("b1"))
	s.want("a broker that is away is not the board's business", pingResp)
}

// TestWhileAwake: what comes meanwhile is part of it, and another PINGREQ is no
// other round.
func TestWhileAwake(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	s.deliver(id, "tt", "a", 1)
	s.board(wakeUp("b1"))
	s.want("the message", short(0, 1, "a"))
	s.board(wakeUp("b1"), pingReq)
	s.wantIdle("a repetition means nothing")
	woken := 0
	for _, n := range s.notices {
		if n.Kind == BoardAwake {
			woken++
		}
	}
	if woken != 1 {
		t.Errorf("the board woke up %d times", woken)
	}
	s.deliver(id, "tt", "b", 1)
	s.board(shortAck(1))
	s.wantRelease("the board has it", 1, true)
	s.want("what came meanwhile", short(0, 2, "b"))
	s.advance(minRTO - 1)
	s.wantIdle("not yet")
	s.advance(1)
	s.want("retransmitted", short(mqttsn.DUP, 2, "b"))
	s.board(shortAck(2))
	s.wantRelease("the board has it", 2, true)
	s.want("PINGRESP once", pingResp)
	s.wantIdle("that is all")
	if s.g.Nodes()[0].Queued != 0 || !s.g.Nodes()[0].Asleep || s.g.Connected() != 1 {
		t.Fatalf("got %+v, %d connected", s.g.Nodes()[0], s.g.Connected())
	}
}

// TestSilentThoughAwake: the board is left in peace after a while, and the message
// is the first the next time.
func TestSilentThoughAwake(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	s.deliver(id, "tt", "a", 1)
	s.deliver(id, "tt", "b", 1)
	s.board(wakeUp("b1"))
	s.want("the message", short(0, 1, "a"))
	s.advance(awakePatience - 1)
	for len(s.frames) > 0 {
		s.want("retransmitted", short(mqttsn.DUP, 1, "a"))
	}
	s.notices = nil
	s.advance(1)
	s.wantNotice("said", BoardAsleep, NoReason)
	s.advance(30 * time.Second)
	s.wantIdle("in peace")
	s.board(shortAck(1))
	s.wantIdle("an answer that is late means nothing, and no harm")
	s.board(wakeUp("b1"))
	s.want("the first is still the first", short(mqttsn.DUP, 1, "a"))
	s.board(shortAck(1))
	s.wantRelease("the board has it", 1, true)
	s.want("the second", short(0, 2, "b"))
}

// TestSleepTimer: 1.5 times Duration without a word, and the will goes out; the
// keepalive does not count, and the broker has what was not delivered.
func TestSleepTimer(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0) // with a Duration of 10 s in CONNECT
	s.advance(80 * time.Second)
	s.board(wakeUp("b1"))
	s.want("it starts again", pingResp)
	s.deliver(id, "tt", "a", 1)
	s.advance(90*time.Second - 1)
	s.wantIdle("not yet")
	s.advance(1)
	s.wantCommand("now", AbortSession)
	s.wantRelease("the broker keeps it", 1, false)
	s.wantNotice("said", BoardDisconnected, ReasonKeepalive)
	s.wantIdle("nothing is said to it")
	if s.g.Connected() != 0 {
		t.Fatalf("%d connected", s.g.Connected())
	}
	s.board(wakeUp("b1"))
	s.want("too late: connect", goodbye)
}

// TestSleepAgain: each DISCONNECT with Duration sets the time, also of a board that
// sleeps, and is answered however often it comes.
func TestSleepAgain(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	s.board(doze(20), doze(20))
	s.want("both are answered", goodbye, goodbye)
	s.deliver(id, "tt", "a", 1)
	s.board(wakeUp("b1"))
	s.want("awake", short(0, 1, "a"))
	s.board(doze(10))
	s.want("it has no time for that", goodbye)
	s.advance(15*time.Second - 1)
	s.wantIdle("not yet")
	s.advance(1)
	s.wantCommand("1.5 times 10 s", AbortSession)
}

// TestPortOfSleeper: native USB vanishes in deep sleep. The board comes back on the
// port when it wakes up.
func TestPortOfSleeper(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(mqttsn.CleanSession)
	s.g.PortLost(s.now)
	s.deliver(id, "tt", "a", 1)
	s.advance(50 * time.Second)
	s.wantIdle("the sleep timer alone counts")
	s.g.PortOpened(s.now)
	s.collect()
	s.want("whoever is there is asked to connect", goodbye)
	s.board(wakeUp("b1"))
	s.want("it is who it was", short(0, 1, "a"))
	s.g.PortLost(s.now)
	s.advance(awakePatience)
	s.g.PortOpened(s.now)
	s.collect()
	s.want("it went while it was awake", goodbye)
	s.board(wakeUp("b1"))
	s.want("and is back", short(mqttsn.DUP, 1, "a"))
	s.board(shortAck(1))
	s.wantRelease("at last", 1, true)
	s.want("PINGRESP", pingResp)
	s.g.PortLost(s.now)
	s.advance(90 * time.Second)
	s.wantCommand("it never came back", AbortSession)
}

// TestShortAbsenceWhileAwake: the port comes back before the board is given up.
func TestShortAbsenceWhileAwake(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	s.deliver(id, "tt", "a", 1)
	s.board(wakeUp("b1"))
	s.want("awake", short(0, 1, "a"))
	s.reopen()
	s.advance(time.Second)
	s.wantIdle("nothing uninvited")
	s.board(wakeUp("b1"))
	s.want("again", short(mqttsn.DUP, 1, "a"))
}

// TestStrangerWakes: who is not known, or lost, is told to connect.
func TestStrangerWakes(t *testing.T) {
	s := newScript(t, Config{})
	s.board(wakeUp("b1"))
	s.want("never seen", goodbye)
	s.asleep(0)
	s.board(wakeUp("b2"))
	s.want("somebody else on the wire", goodbye)
	s.wantIdle("who proves nothing about the one that sleeps")
	s.board(connectPacket(0, "b2", 0))
	s.wantCommand("another board", AbortSession)
	s.up(s.wantCommand("connects", OpenSession).Node, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.board(wakeUp("b1"))
	s.want("it is gone", goodbye)
	s.board(wakeUp("b2"))
	s.want("an active board may say its name", pingResp)
}

// TestWakeElsewhere: on UDP a board may have another address after a night, and
// behind a forwarder another node id.
func TestWakeElsewhere(t *testing.T) {
	at := func(n int) netip.AddrPort { return netip.MustParseAddrPort(fmt.Sprintf("192.0.2.1:%d", n)) }
	s := newScript(t, Config{Datagram: true})
	connect := func(n int, clientID string) NodeID {
		s.boardFrom(at(n), connectPacket(0, clientID, 60))
		id := s.wantCommand("open", OpenSession).Node
		s.up(id, false)
		s.want("connected", connack(mqttsn.Accepted))
		return id
	}
	id := connect(1, "b1")
	s.boardFrom(at(1), doze(60))
	s.want("asleep", goodbye)
	s.deliver(id, "tt", "a", 1)
	s.boardFrom(at(2), wakeUp("b1"))
	s.want("the client id tells", short(0, 1, "a"))
	s.boardFrom(at(1), shortAck(1))
	s.want("nobody is there any more", goodbye)
	s.boardFrom(at(2), shortAck(1))
	s.wantRelease("delivered", 1, true)
	s.want("PINGRESP", pingResp)
	for n := 6; n < 9; n++ {
		s.advance(80 * time.Second)
		s.boardFrom(at(n), wakeUp("b1"))
		s.want("it was heard in time", pingResp)
	}

	connect(3, "b3")
	s.boardFrom(at(3), wakeUp("b1"))
	s.wantCommand("another board lived there", AbortSession)
	s.want("its address has a new tenant", pingResp)
	connect(5, "b3")
	s.boardFrom(at(4), connectPacket(0, "b3", 0))
	s.want("a board that is active keeps its id", connack(mqttsn.NotSupported))
	s.boardFrom(at(4), wakeUp("b3"))
	s.want("also from one that says it slept", goodbye)
}

// TestConnectElsewhereAfterSleep: the same, with CONNECT.
func TestConnectElsewhereAfterSleep(t *testing.T) {
	at := func(n int) netip.AddrPort { return netip.MustParseAddrPort(fmt.Sprintf("192.0.2.1:%d", n)) }
	s := newScript(t, Config{Datagram: true})
	s.boardFrom(at(1), connectPacket(0, "b1", 0))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.boardFrom(at(1), doze(60))
	s.want("connected, asleep", connack(mqttsn.Accepted), goodbye)
	s.boardFrom(at(2), connectPacket(0, "b1", 0))
	s.want("at once: the session is there", connack(mqttsn.Accepted))
	s.wantIdle("the MQTT session has not noticed")
}

// TestConnectAfterSleep: the board is active again. What waited comes then, and no
// PUBACK crosses CONNECT.
func TestConnectAfterSleep(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.board(register(1, "m5/t"))
	s.want("a topic", regack(1, 1, mqttsn.Accepted))
	s.board(publish(mqttsn.QoS1, 1, 7, "up"))
	up := s.wantCommand("a message", PublishMessage)
	s.board(doze(60))
	s.want("asleep before it is safe", goodbye)
	s.published(up)
	s.wantIdle("asleep it hears of nothing")
	s.deliver(id, "tt", "a", 1)
	s.notices = nil
	s.board(connectPacket(0, "b1", 10))
	s.want("connected", connack(mqttsn.Accepted))
	if n := s.wantNotice("said", BoardConnected, NoReason); n.Again {
		t.Error("to wake up is no reconnection")
	}
	s.want("what waited", short(0, 1, "a"))
	s.board(shortAck(1))
	s.wantRelease("delivered", 1, true)
	s.board(publish(mqttsn.QoS1|mqttsn.DUP, 1, 7, "up"))
	s.want("known", puback(1, 7, mqttsn.Accepted))
	s.wantIdle("the topic id is, too, and nothing is published twice")
	s.advance(14 * time.Second)
	s.wantIdle("now the keepalive counts")
	s.advance(time.Second)
	s.wantCommand("again", AbortSession)
}

// TestCleanConnectAfterSleep: CleanSession=1 discards what waits.
func TestCleanConnectAfterSleep(t *testing.T) {
	for _, flags := range []mqttsn.Flags{0, mqttsn.CleanSession} {
		s := newScript(t, Config{})
		id := s.asleep(flags)
		s.g.nodes[Peer{}].mqtt.used = true // it has subscribed
		s.deliver(id, "tt", "a", 1)
		s.board(connectPacket(mqttsn.CleanSession, "b1", 0))
		s.wantRelease("nobody wants it", 1, false)
		s.up(s.wantCommand("another session", OpenSession).Node, false)
		s.want("and nothing but that", connack(mqttsn.Accepted))
		s.wantIdle("the buffer is empty")
	}
}

// TestEndOfSleep: DISCONNECT without Duration ends the session in good order.
func TestEndOfSleep(t *testing.T) {
	for _, zero := range []mqttsn.Packet{goodbye, doze(0)} {
		s := newScript(t, Config{})
		id := s.asleep(0)
		s.deliver(id, "tt", "a", 1)
		s.board(zero)
		s.wantCommand("no will", CloseSession)
		s.wantRelease("the broker keeps it", 1, false)
		s.want("said", goodbye)
		s.board(zero)
		s.want("again, if that was lost", goodbye)
	}
}

// TestAsleepMustConnect: what only an active board may send is answered as if
// nobody knew it. It goes on to sleep.
func TestAsleepMustConnect(t *testing.T) {
	s := newScript(t, Config{Predefined: map[uint16]string{1: "a"}})
	id := s.asleep(0)
	for _, p := range []mqttsn.Packet{
		register(1, "m5/t"), short(0, 1, "x"), {Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("m5/t")}, willTopicUpd("w"), willMsgUpd("w"),
	} {
		s.board(p)
		s.want("connect first", goodbye)
		s.wantIdle("that is all")
	}
	s.board(willTopic(0, "w"))
	s.wantIdle("nobody asked")
	s.wantNotice("said", Malformed, ReasonUnexpected)
	s.board(publish(mqttsn.QoSMinus1|mqttsn.Flags(mqttsn.PredefinedID), 1, 0, "x"))
	s.wantCommand("QoS -1 needs no session", PublishOwn)
	s.deliver(id, "tt", "a", 1)
	s.board(wakeUp("b1"))
	s.want("it still sleeps", short(0, 1, "a"))
	s.board(register(1, "m5/t"))
	s.want("awake it may not either", goodbye)
	s.board(shortAck(1))
	s.wantRelease("delivered", 1, true)
	s.want("PINGRESP", pingResp)
}

// TestSleepBeforeConnack: there is nothing to keep yet.
func TestSleepBeforeConnack(t *testing.T) {
	s := newScript(t, Config{})
	s.board(connectPacket(0, "b1", 0))
	s.wantCommand("open", OpenSession)
	s.board(doze(60))
	s.wantCommand("and close", CloseSession)
	s.want("goodbye", goodbye)
}

// TestSleepDropsRequests: what was not answered before the board slept is not
// answered after it; it asks again.
func TestSleepDropsRequests(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 3, Topic: []byte("m5/cmd")})
	c := s.wantCommand("subscribe", SubscribeFilter)
	s.board(doze(60))
	s.want("asleep", goodbye)
	s.g.Subscribed(s.now, id, c.Token, Granted, 1)
	s.collect()
	s.wantIdle("it hears nothing")
}

// TestSleepersCredit: bytes for a board that is awake never exceed its buffer, and
// PINGRESP waits as everything does.
func TestSleepersCredit(t *testing.T) {
	s := newScript(t, Config{RxBuffer: 100})
	id := s.asleep(0)
	for range 10 {
		s.deliver(id, "tt", "0123456789", 0)
	}
	s.sizes = nil
	s.board(wakeUp("b1"))
	got := 0
	for round := 0; s.g.nodes[Peer{}].state == awake; round++ {
		sum := 0
		for _, n := range s.sizes {
			sum += n
		}
		if s.sizes = nil; sum > 100 || round > 10 {
			t.Fatalf("%d bytes at once in round %d", sum, round)
		}
		for _, p := range s.frames {
			if p.Type == mqttsn.Publish {
				got++
			}
		}
		if last := s.frames[len(s.frames)-1].Type; last != mqttsn.PingReq {
			t.Fatalf("a run ends with %s", last)
		}
		s.frames = nil
		s.board(pingResp)
	}
	for s.frames[0].Type == mqttsn.Publish {
		got++
		s.frames = s.frames[1:]
	}
	s.want("the last one", pingResp)
	if got != 10 {
		t.Fatalf("%d messages", got)
	}
}

// TestShutdownWithSleepers: sessions are cut as ever, and nobody is woken for it.
func TestShutdownWithSleepers(t *testing.T) {
	s := newScript(t, Config{Datagram: true})
	s.boardFrom(netip.MustParseAddrPort("192.0.2.1:1"), connectPacket(0, "b1", 0))
	s.up(s.wantCommand("open", OpenSession).Node, false)
	s.boardFrom(netip.MustParseAddrPort("192.0.2.1:1"), doze(60))
	s.want("connected, asleep", connack(mqttsn.Accepted), goodbye)
	s.g.Shutdown(s.now)
	s.collect()
	s.wantCommand("cut", AbortSession)
	s.wantIdle("that is all")
}

// TestBrokerLostWhileAsleep: a message of the old connection comes again by the new
// one. Until then there is nothing for the board.
func TestBrokerLostWhileAsleep(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	s.deliver(id, "tt", "a", 1)
	s.down(id)
	s.board(wakeUp("b1"))
	s.want("what waits for the broker does not keep the board awake", pingResp)
	s.advance(time.Second)
	s.up(id, true)
	s.wantRelease("it comes again", 1, false)
	s.again(id, "tt", "a")
	s.wantIdle("the board sleeps")
	s.board(wakeUp("b1"))
	s.want("now", short(0, 1, "a"))
}

// TestBusyPortAndSleep: PINGRESP waits for the port as everything does.
func TestBusyPortAndSleep(t *testing.T) {
	s := newScript(t, Config{})
	s.asleep(0)
	s.g.PortBusy(s.now, true)
	s.board(wakeUp("b1"))
	s.wantIdle("the port takes nothing")
	s.g.PortBusy(s.now, false)
	s.collect()
	s.want("now it does", pingResp)
}

// TestBrokerRefusesSleeper: it is connected already, and not disturbed.
func TestBrokerRefusesSleeper(t *testing.T) {
	s := newScript(t, Config{})
	id := s.asleep(0)
	s.down(id)
	s.g.SessionRefused(s.now, id, 5)
	s.collect()
	s.wantIdle("perhaps it changes its mind")
	s.board(wakeUp("b1"))
	s.want("it sleeps", pingResp)
}

// TestWillOfLostSleeper: it stands behind what the board said before it slept,
// also after a restart, which waits for the board as long as its sleep may last.
func TestWillOfLostSleeper(t *testing.T) {
	s := newScript(t, Config{Outbox: true, Predefined: map[uint16]string{1: "a"}})
	id := s.connectWithWill(0)
	s.up(id, false)
	s.want("connected", connack(mqttsn.Accepted))
	s.down(id)
	s.say(1, "x")
	s.stored(s.wantStore("the broker is away", "x"), 1)
	s.want("safe", puback(1, 1, mqttsn.Accepted))
	s.advance(saveAfter)
	s.board(doze(60))
	s.want("asleep", goodbye)
	s.advance(saveAfter)
	state := s.saved[len(s.saved)-1].State
	s.advance(90 * time.Second)
	if c := s.wantCommand("lost", StoreMessage); string(c.Topic) != "w" || string(c.Payload) != "gone" {
		t.Fatalf("stores %+v", c)
	}

	s = &script{t: t, g: New(Config{Outbox: true}), now: s.now}
	if err := s.g.Restore(s.now, "b1", state, 1); err != nil {
		t.Fatal(err)
	}
	s.collect()
	s.wantCommand("what was stored is delivered", OpenSession)
	s.advance(90*time.Second - 1)
	s.wantIdle("it may still sleep")
	s.advance(1)
	s.wantCommand("it does not come back", StoreMessage)
}

// TestHeldWillOfSleeper: a will that the gateway keeps is told to the broker as soon
// as nothing can be lost by it, asleep or not.
func TestHeldWillOfSleeper(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.board(mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 1, Topic: []byte("cmd")})
	c := s.wantCommand("a clean session that has something to lose", SubscribeFilter)
	s.g.Subscribed(s.now, id, c.Token, Granted, 1)
	s.collect()
	s.frames = nil
	s.board(willTopicUpd("w"))
	s.want("the gateway keeps it", willResp(mqttsn.WillTopicResp, mqttsn.Accepted))
	s.board(doze(60))
	s.want("asleep", goodbye)
	s.down(id)
	if c := s.wantCommand("the session is lost anyway", OpenSession); c.Will == nil {
		t.Fatalf("opened %+v", c)
	}
}

// TestMessageOfForgottenSession: what a broker sends of a session that it is about
// to forget is not for the board.
func TestMessageOfForgottenSession(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connectWithWill(mqttsn.CleanSession)
	s.up(id, true)
	s.wantCommand("the broker is to forget it", OpenSession)
	s.deliver(id, "tt", "old", 1)
	s.wantRelease("too late", 1, false)
	s.up(id, false)
	s.wantCommand("forgotten", OpenSession)
	s.up(id, false)
	s.want("a session without it", connack(mqttsn.Accepted))
	s.wantIdle("that is all")
}
