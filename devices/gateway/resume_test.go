package gateway

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// again hands a message over that the broker sends for the second time.
func (s *script) again(id NodeID, topic, payload string) {
	s.handed++
	s.now = s.now.Add(time.Millisecond)
	m := s.g.NewInbound()
	m.Set([]byte(topic), []byte(payload))
	m.QoS, m.Dup, m.Received, m.Delivery = 1, true, s.now, s.handed
	s.g.Deliver(s.now, id, m)
	s.collect()
}

// wantRelease consumes the release of a delivery.
func (s *script) wantRelease(what string, delivery uint64, accepted bool) {
	s.t.Helper()
	if c := s.wantCommand(what, ReleaseInbound); c.Delivery != delivery || c.Accepted != accepted {
		s.t.Fatalf("%s: delivery %d accepted %v, want %d %v", what, c.Delivery, c.Accepted, delivery, accepted)
	}
}

// outage delivers three messages, of which the first is sent, and takes the
// broker away.
func (s *script) outage(flags mqttsn.Flags) NodeID {
	s.t.Helper()
	id := s.connect(flags)
	for _, payload := range []string{"1", "2", "3"} {
		s.deliver(id, "ab", payload, 1)
	}
	s.want("one at a time", publish(shortQoS1, ab, 1, "1"))
	s.now = s.now.Add(time.Millisecond)
	s.down(id)
	s.wantIdle("the broker is away")
	return id
}

// TestBrokerSendsAgain: what the board took while the broker was away is not
// sent to it again when the broker does, and what it had not seen yet comes once.
func TestBrokerSendsAgain(t *testing.T) {
	s := newScript(t, Config{})
	id := s.outage(0)
	s.board(puback(ab, 1, mqttsn.Accepted))
	s.wantRelease("of a connection that is gone", 1, true)
	s.wantIdle("2 and 3 will come again")
	s.up(id, true)
	s.wantRelease("so they are left to the broker", 2, false)
	s.wantRelease("so they are left to the broker", 3, false)
	s.again(id, "ab", "1")
	s.wantRelease("the board has it", 4, true)
	s.again(id, "ab", "2")
	s.want("it does not have this", publish(shortQoS1, ab, 2, "2"))
	s.board(puback(ab, 2, mqttsn.Accepted))
	s.wantRelease("done", 5, true)
	s.deliver(id, "ab", "1", 1)
	s.want("a new message that looks like an old one", publish(shortQoS1, ab, 3, "1"))
	s.wantIdle("done")
}

// TestBrokerSendsAgainWhatIsOnItsWay: the board answers once, and the broker is
// told on the connection that is there.
func TestBrokerSendsAgainWhatIsOnItsWay(t *testing.T) {
	for _, early := range []bool{false, true} {
		s := newScript(t, Config{})
		id := s.outage(0)
		s.up(id, true)
		s.wantRelease("will come again", 2, false)
		s.wantRelease("will come again", 3, false)
		if early {
			s.board(puback(ab, 1, mqttsn.Accepted))
			s.wantRelease("too late for the old connection", 1, true)
		}
		s.again(id, "ab", "1")
		if early {
			s.wantRelease("known", 4, true)
		} else {
			s.wantRelease("it takes the place of the old one", 1, false)
			s.wantIdle("the board has it already")
			s.board(puback(ab, 1, mqttsn.Accepted))
			s.wantRelease("the broker is told", 4, true)
		}
		s.wantIdle("done")
	}
}

// TestAnnouncedMessageComesAgain: its REGISTER is on its way when it is left to the
// broker.
func TestAnnouncedMessageComesAgain(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.deliver(id, "a/b", "1", 1)
	s.want("announced", mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("a/b")})
	s.now = s.now.Add(time.Millisecond)
	s.down(id)
	s.up(id, true)
	s.wantRelease("left to the broker", 1, false)
	s.advance(2 * initialRTO)
	s.wantIdle("nothing is to be announced")
	s.board(regack(1, 1, mqttsn.Accepted))
	s.again(id, "a/b", "1")
	s.want("again", mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 2, Topic: []byte("a/b")})
}

// TestBrokerForgets: a broker that comes back without the session sends nothing
// again. What is here is all there is.
func TestBrokerForgets(t *testing.T) {
	s := newScript(t, Config{})
	id := s.outage(0)
	s.board(puback(ab, 1, mqttsn.Accepted))
	s.wantRelease("done", 1, true)
	s.up(id, false)
	s.want("next", publish(shortQoS1, ab, 2, "2"))
	s.board(puback(ab, 2, mqttsn.Accepted))
	s.wantRelease("done", 2, true)
	s.want("next", publish(shortQoS1, ab, 3, "3"))
	s.again(id, "ab", "1")
	s.board(puback(ab, 3, mqttsn.Accepted))
	s.wantRelease("done", 3, true)
	s.want("what this broker says is new", publish(shortQoS1, ab, 4, "1"))
}

// TestCleanSessionNeedsNoBroker: it sends nothing again either.
func TestCleanSessionNeedsNoBroker(t *testing.T) {
	s := newScript(t, Config{})
	s.outage(mqttsn.CleanSession)
	s.board(puback(ab, 1, mqttsn.Accepted))
	s.wantRelease("done", 1, true)
	s.want("next", publish(shortQoS1, ab, 2, "2"))
}

// TestLateDelivery: a message of the connection that is gone comes after the
// broker is back.
func TestLateDelivery(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	received := s.now
	s.now = s.now.Add(time.Millisecond)
	s.down(id)
	s.now = s.now.Add(time.Millisecond)
	s.up(id, true)
	for qos := range byte(2) {
		m := s.g.NewInbound()
		m.Set([]byte("ab"), []byte("late"))
		m.QoS, m.Received, m.Delivery = qos, received, 7
		s.g.Deliver(s.now, id, m)
		s.collect()
		if qos == 0 {
			s.want("nobody sends this again", publish(mqttsn.Flags(mqttsn.ShortName), ab, 0, "late"))
			s.wantRelease("done", 7, true)
		}
	}
	s.wantRelease("the broker sends it again", 7, false)
	s.wantIdle("and then the board gets it")
}

// TestReopenedSession: another will means another connection for the same
// session. It is as if the broker had been away.
func TestReopenedSession(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(0)
	s.deliver(id, "ab", "1", 1)
	s.deliver(id, "ab", "2", 1)
	s.want("sent", publish(shortQoS1, ab, 1, "1"))
	s.board(connectPacket(mqttsn.Will, "b1", 10))
	s.want("ask", mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.board(willTopic(0, "w"))
	s.want("ask", mqttsn.Packet{Type: mqttsn.WillMsgReq})
	s.now = s.now.Add(time.Millisecond)
	s.board(willMsg("m"))
	s.wantCommand("with the will", OpenSession)
	s.up(id, true)
	s.want("connected, and what was on its way", connack(mqttsn.Accepted), publish(shortQoS1|mqttsn.DUP, ab, 1, "1"))
	s.wantRelease("comes again", 2, false)
	s.again(id, "ab", "1")
	s.wantRelease("it takes the place of the old one", 1, false)
	s.board(puback(ab, 1, mqttsn.Accepted))
	s.wantRelease("told", 3, true)
	s.wantIdle("done")
}

// TestUndeliverableIsCounted: messages for a board that is gone, which nobody
// sends again.
func TestUndeliverableIsCounted(t *testing.T) {
	for _, tt := range []struct {
		flags mqttsn.Flags
		qos   byte
		lost  bool
	}{{0, 0, true}, {0, 1, false}, {mqttsn.CleanSession, 1, true}} {
		s := newScript(t, Config{})
		id := s.connect(tt.flags)
		s.reopen() // nothing is sent until the board is heard
		s.deliver(id, "ab", "x", tt.qos)
		s.notices = nil
		s.advance(15 * time.Second)
		lost := 0
		for _, n := range s.notices {
			if n.Kind == MessageDropped && n.Reason == ReasonBoardGone {
				lost++
			}
		}
		if (lost == 1) != tt.lost {
			t.Errorf("flags %x QoS %d: %d messages counted as lost, want %v", tt.flags, tt.qos, lost, tt.lost)
		}
	}
}

// TestBrokerHasSomeOfTheAcknowledgements: what the board settled on connections that
// were lost may or may not come again; what comes must not be given to it twice.
func TestBrokerHasSomeOfTheAcknowledgements(t *testing.T) {
	s := newScript(t, Config{Predefined: map[uint16]string{1: "a"}})
	id := s.connect(0)
	again := func(payload string) {
		m := s.g.NewInbound()
		m.Set([]byte("a"), []byte(payload))
		s.handed++
		m.QoS, m.Dup, m.Received, m.Delivery = 1, true, s.now, s.handed
		s.g.Deliver(s.now, id, m)
		s.collect()
	}
	for i, payload := range []string{"first", "second"} {
		again(payload)
		s.want("to the board", publish(mqttsn.QoS1|predefined, 1, uint16(i+1), payload))
		s.down(id)
		s.board(puback(1, uint16(i+1), mqttsn.Accepted))
		s.advance(time.Second)
		s.up(id, true)
		s.commands = nil
		s.advance(time.Second)
	}
	again("second") // the broker has the PUBACK of the first
	if c := s.wantCommand("the board has it", ReleaseInbound); !c.Accepted {
		t.Error("not acknowledged")
	}
	s.wantIdleFrames("it is not given to it twice")
}
