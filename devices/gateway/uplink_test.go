package gateway

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestPublishQoS1 is the main job: a frame becomes a PUBLISH at the broker, and
// the broker's PUBACK becomes the board's.
func TestPublishQoS1(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	s.board(register(1, "sensors/t"))
	s.want("the topic gets an id", regack(1, 1, mqttsn.Accepted))
	s.board(publish(mqttsn.QoS1, 1, 2, "21.5"))
	c := s.wantCommand("the message goes to the broker", PublishMessage)
	if string(c.Topic) != "sensors/t" || string(c.Payload) != "21.5" || c.QoS != 1 || c.Retain {
		t.Fatalf("published %q %q QoS %d retain %v", c.Topic, c.Payload, c.QoS, c.Retain)
	}
	s.wantIdle("no PUBACK before the broker's")
	s.now = s.now.Add(3 * time.Millisecond)
	s.published(c)
	s.want("PUBACK", puback(1, 2, mqttsn.Accepted))
	for _, n := range s.notices {
		if n.Kind == MessageUp && n.Latency != 3*time.Millisecond {
			t.Errorf("latency %v, want 3ms", n.Latency)
		}
	}
	s.wantNotice("the message is counted", MessageUp, NoReason)
}

func TestDuplicatesAreSuppressed(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	s.board(register(1, "a/b"))
	s.want("REGACK", regack(1, 1, mqttsn.Accepted))
	s.board(publish(mqttsn.QoS1, 1, 7, "x"), publish(mqttsn.QoS1|mqttsn.DUP, 1, 7, "x"))
	c := s.wantCommand("published once", PublishMessage)
	s.wantIdle("a retransmission of what is in flight is swallowed")
	s.published(c)
	s.want("one PUBACK", puback(1, 7, mqttsn.Accepted))
	s.board(publish(mqttsn.QoS1|mqttsn.DUP, 1, 7, "x"))
	s.want("what was acknowledged is acknowledged again", puback(1, 7, mqttsn.Accepted))
	s.wantIdle("and not published again")
	s.board(publish(mqttsn.QoS1, 1, 7, "x"))
	s.wantCommand("DUP=0 is always a new message", PublishMessage)
	s.board(publish(mqttsn.QoS1|mqttsn.DUP, 1, 7, "y"))
	s.wantCommand("another payload is another message", PublishMessage)
	s.wantIdle("done")
}

func TestNoPubackCrossesConnect(t *testing.T) {
	for _, clean := range []bool{false, true} {
		s := newScript(t, Config{})
		flags := mqttsn.Flags(0)
		if clean {
			flags = mqttsn.CleanSession
		}
		id := s.connect(flags)
		s.board(register(1, "a/b"))
		s.want("REGACK", regack(1, 1, mqttsn.Accepted))
		s.board(publish(mqttsn.QoS1, 1, 1, "before"))
		before := s.wantCommand("published", PublishMessage)

		s.board(mqttsn.Packet{Type: mqttsn.Connect, Flags: flags, ClientID: []byte("b1"), Duration: 10})
		if clean {
			s.wantCommand("a clean session is a new one", OpenSession)
			s.up(id, false)
		}
		s.want("CONNACK", mqttsn.Packet{Type: mqttsn.ConnAck})
		s.published(before)
		s.wantIdle("MsgId 1 of before the reboot acknowledges nothing now")
		s.board(register(2, "a/b"))
		s.want("REGACK", regack(1, 2, mqttsn.Accepted))
		s.board(publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "before"))
		if clean {
			s.wantCommand("CleanSession=1 has cleared the table", PublishMessage)
		} else {
			s.want("CleanSession=0 keeps the table", puback(1, 1, mqttsn.Accepted))
		}
		s.wantIdle("done")
	}
}

func TestRetransmissionAdoptsWhatIsInFlight(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(0)
	s.board(register(1, "a/b"))
	s.want("REGACK", regack(1, 1, mqttsn.Accepted))
	s.board(publish(mqttsn.QoS1, 1, 1, "x"))
	c := s.wantCommand("published", PublishMessage)
	s.board(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1"), Duration: 10})
	s.want("CONNACK", mqttsn.Packet{Type: mqttsn.ConnAck})
	s.board(publish(mqttsn.QoS1|mqttsn.DUP, 1, 1, "x"))
	s.wantIdle("still in flight, not published twice")
	s.published(c)
	s.want("PUBACK of the session that asked", puback(1, 1, mqttsn.Accepted))
}

// TestRefusedPublish shows every PUBLISH that goes no further, and its answer.
func TestRefusedPublish(t *testing.T) {
	cfg := Config{
		Predefined: map[uint16]string{5: "cfg/topic"},
		Access:     Access{Publish: [][]byte{[]byte("a/#"), []byte("$x"), []byte("umqttd/#")}},
		Limits:     Limits{MaxPayload: 4},
	}
	const short = mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName)
	for _, tt := range []struct {
		what  string
		topic string // registered as id 1
		p     mqttsn.Packet
		code  mqttsn.ReturnCode
		why   Reason
	}{
		{"unknown topic id", "a/b", publish(mqttsn.QoS1, 9, 2, "x"), mqttsn.InvalidTopicID, ReasonInvalidTopicID},
		{"unknown topic id, QoS 0", "a/b", publish(0, 9, 0, "x"), mqttsn.InvalidTopicID, ReasonInvalidTopicID},
		{"unknown predefined id", "a/b", publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.PredefinedID), 6, 2, "x"), mqttsn.InvalidTopicID, ReasonInvalidTopicID},
		{"forbidden predefined", "a/b", publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.PredefinedID), 5, 2, "x"), mqttsn.NotSupported, ReasonForbidden},
		{"forbidden topic", "b/b", publish(mqttsn.QoS1, 1, 2, "x"), mqttsn.NotSupported, ReasonForbidden},
		{"the gateway's topic", "umqttd/pi/status", publish(mqttsn.QoS1, 1, 2, "x"), mqttsn.NotSupported, ReasonForbidden},
		{"the broker's topic", "$SYS/x", publish(mqttsn.QoS1, 1, 2, "x"), mqttsn.NotSupported, ReasonForbidden},
		{"unknown gateway service", "$umqttd/nothing", publish(mqttsn.QoS1, 1, 2, "x"), mqttsn.NotSupported, ReasonForbidden},
		{"wildcard in a short name", "a/b", publish(short, mqttsn.ShortTopic('a', '#'), 2, "x"), mqttsn.NotSupported, ReasonInvalidTopic},
		{"bad UTF-8 in a short name", "a/b", publish(short, mqttsn.ShortTopic(0xFF, 'a'), 2, "x"), mqttsn.NotSupported, ReasonInvalidTopic},
		{"NUL in a short name", "a/b", publish(short, mqttsn.ShortTopic('a', 0), 2, "x"), mqttsn.NotSupported, ReasonInvalidTopic},
		{"too large", "a/b", publish(mqttsn.QoS1, 1, 2, "12345"), mqttsn.NotSupported, ReasonTooLarge},
		{"QoS 2", "a/b", publish(mqttsn.QoS2, 1, 2, "x"), mqttsn.NotSupported, ReasonUnsupported},
		{"MsgId 0", "a/b", publish(mqttsn.QoS1, 1, 0, "x"), mqttsn.NotSupported, ReasonMalformed},
	} {
		s := newScript(t, cfg)
		s.connect(mqttsn.CleanSession)
		s.board(register(1, tt.topic))
		s.want("REGACK", regack(1, 1, mqttsn.Accepted))
		s.board(tt.p)
		s.want(tt.what, puback(tt.p.TopicID, tt.p.MsgID, tt.code))
		s.wantNotice(tt.what, MessageDropped, tt.why)
		s.wantIdle(tt.what)
		if tt.topic == "a/b" {
			s.board(publish(mqttsn.QoS1, 1, 3, "ok"))
			s.wantCommand("the next good message works", PublishMessage)
		}
	}
}

func TestRefusedRegister(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	for _, topic := range []string{"a/#", "+/b", "a\x00b", "a\xff"} {
		s.board(register(1, topic))
		s.want(topic, regack(0, 1, mqttsn.NotSupported))
		s.wantNotice(topic, RequestRefused, ReasonInvalidTopic)
	}
}

// TestUnexpectedMessages shows good messages that are not for a gateway: discarded, counted, not answered.
func TestUnexpectedMessages(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	for _, p := range []mqttsn.Packet{
		{Type: mqttsn.PubRec, MsgID: 1},
		{Type: mqttsn.PubRel, MsgID: 1},
		{Type: mqttsn.ConnAck},
		{Type: mqttsn.SubAck, MsgID: 1},
		{Type: mqttsn.Advertise, GatewayID: 9, Duration: 900},
		{Type: mqttsn.GWInfo, GatewayID: 9},
		{Type: mqttsn.PingResp},
		{Type: mqttsn.WillTopic},
		{Type: mqttsn.WillMsg},
		puback(1, 0, mqttsn.Accepted),
		puback(1, 77, mqttsn.Accepted),
		regack(1, 77, mqttsn.Accepted),
	} {
		s.board(p)
		s.wantNotice(p.Type.String(), Malformed, ReasonUnexpected)
		s.wantIdle(p.Type.String())
	}
	s.board(mqttsn.Packet{Type: mqttsn.PingReq})
	s.want("the session goes on", mqttsn.Packet{Type: mqttsn.PingResp})
}

func TestRateLimit(t *testing.T) {
	s := newScript(t, Config{Limits: Limits{MessagesPerSecond: 2}, Predefined: map[uint16]string{1: "a"}})
	s.connect(mqttsn.CleanSession)
	const flags = mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID)
	s.board(publish(flags, 1, 1, "1"), publish(flags, 1, 2, "2"))
	s.wantCommand("first", PublishMessage)
	s.wantCommand("second", PublishMessage)
	s.board(publish(flags, 1, 3, "3"))
	s.want("too fast", puback(1, 3, mqttsn.Congestion))
	s.wantNotice("counted", MessageDropped, ReasonRateLimit)
	s.now = s.now.Add(time.Second)
	s.board(publish(flags|mqttsn.DUP, 1, 3, "3"))
	s.wantCommand("a second later it is taken", PublishMessage)
	s.wantIdle("done")
}

func TestWindowFullSaysCongestion(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2, Predefined: map[uint16]string{1: "a"}})
	id := s.connect(mqttsn.CleanSession)
	const flags = mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID)
	s.g.SessionDown(s.now, id, s.now, false)
	s.board(publish(flags, 1, 1, "1"), publish(flags, 1, 2, "2"))
	c := s.wantCommand("held while the broker is away", PublishMessage)
	s.wantCommand("held too", PublishMessage)
	s.wantIdle("and unanswered")
	s.board(publish(flags, 1, 3, "3"))
	s.want("beyond the window", puback(1, 3, mqttsn.Congestion))
	s.published(c)
	s.want("the first one is safe", puback(1, 1, mqttsn.Accepted))
	s.board(publish(flags|mqttsn.DUP, 1, 3, "3"))
	s.wantCommand("there is room again", PublishMessage)
	s.wantIdle("done")
}

func TestQoSMinus1NeedsNoConnection(t *testing.T) {
	s := newScript(t, Config{Predefined: map[uint16]string{1: "a/b", 2: "b/c"}, Access: Access{Publish: [][]byte{[]byte("a/#"), []byte("xy")}}})
	const flags = mqttsn.QoSMinus1
	s.board(publish(flags|mqttsn.Flags(mqttsn.PredefinedID), 1, 0, "x"))
	if c := s.wantCommand("by the gateway's session", PublishOwn); string(c.Topic) != "a/b" {
		t.Fatalf("topic %q", c.Topic)
	}
	s.board(publish(flags|mqttsn.Flags(mqttsn.ShortName), mqttsn.ShortTopic('x', 'y'), 0, "x"))
	s.wantCommand("short names too", PublishOwn)
	s.board(publish(flags, 1, 0, "x"))
	s.wantNotice("normal ids belong to a session", MessageDropped, ReasonUnsupported)
	s.board(publish(flags|mqttsn.Flags(mqttsn.PredefinedID), 2, 0, "x"))
	s.wantNotice("allow governs QoS -1", MessageDropped, ReasonForbidden)
	s.wantIdle("done")
}

// TestStrangersShareALimit: whoever has no session has no limit of its own.
func TestStrangersShareALimit(t *testing.T) {
	s := newScript(t, Config{Limits: Limits{MessagesPerSecond: 2}})
	loose := publish(mqttsn.QoSMinus1|mqttsn.Flags(mqttsn.ShortName), ab, 0, "x")
	for _, taken := range []bool{true, true, false} {
		s.board(loose)
		if taken {
			s.wantCommand("taken", PublishOwn)
		}
	}
	s.wantIdle("too fast")
	s.wantNotice("counted", MessageDropped, ReasonRateLimit)
}

// TestLatencyOfQoS0: from the last byte of its frame.
func TestLatencyOfQoS0(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(mqttsn.CleanSession)
	for range 3 {
		s.now = s.now.Add(time.Second)
		s.board(publish(mqttsn.Flags(mqttsn.ShortName), ab, 0, "x"))
		c := s.wantCommand("published", PublishMessage)
		s.now = s.now.Add(3 * time.Millisecond)
		s.published(c)
		if n := s.wantNotice("counted", MessageUp, NoReason); n.Latency != 3*time.Millisecond {
			t.Errorf("latency %v", n.Latency)
		}
	}
}

func TestTime(t *testing.T) {
	s := newScript(t, Config{Access: Access{Publish: [][]byte{}}})
	s.connect(mqttsn.CleanSession)
	s.board(register(1, "$umqttd/time"))
	s.want("REGACK", regack(1, 1, mqttsn.Accepted))
	s.board(publish(0, 1, 0, ""))
	s.want("Unix time in milliseconds", publish(0, 1, 0, "1700000000000"))
	s.board(publish(mqttsn.QoS1, 1, 9, ""))
	s.want("QoS 1 is acknowledged", puback(1, 9, mqttsn.Accepted), publish(0, 1, 0, "1700000000000"))
	s.wantIdle("and nothing reaches the broker")
}

func TestQoS0IsDroppedWhileTheBrokerIsAway(t *testing.T) {
	s := newScript(t, Config{Predefined: map[uint16]string{1: "a"}})
	id := s.connect(mqttsn.CleanSession)
	s.g.SessionDown(s.now, id, s.now, false)
	s.board(publish(mqttsn.Flags(mqttsn.PredefinedID), 1, 0, "x"))
	s.wantNotice("counted", MessageDropped, ReasonOffline)
	s.up(id, false)
	s.board(publish(mqttsn.Flags(mqttsn.PredefinedID), 1, 0, "x"))
	s.wantCommand("sent again later", PublishMessage)
}
