package board

import (
	"errors"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func willTopicResp(code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.WillTopicResp, ReturnCode: code}
}

func willMsgResp(code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.WillMsgResp, ReturnCode: code}
}

// willed connects a board whose will is m5/gone: bye.
func (s *script) willed() {
	s.t.Helper()
	s.start()
	s.saysWill(mqttsn.Packet{Type: mqttsn.WillTopic, Flags: mqttsn.QoS1, Topic: []byte("m5/gone")}, "bye")
}

// saysWill takes the CONNECT of a board that has such a will.
func (s *script) saysWill(topic mqttsn.Packet, message string) {
	s.t.Helper()
	if p := s.take("CONNECT", mqttsn.Connect); !p.Flags.Has(mqttsn.Will) {
		s.t.Fatal("CONNECT without a will")
	}
	s.gateway(mqttsn.Packet{Type: mqttsn.WillTopicReq})
	s.want("the topic", topic)
	s.gateway(mqttsn.Packet{Type: mqttsn.WillMsgReq})
	s.want("the message", mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte(message)})
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
}

func (s *script) updateWillTopic(topic string, qos int, retain bool) {
	s.t.Helper()
	if err := s.b.UpdateWillTopic(topic, qos, retain); err != nil {
		s.t.Fatal(err)
	}
	s.collect()
}

func (s *script) updateWillMessage(message string) {
	s.t.Helper()
	if err := s.b.UpdateWillMessage([]byte(message)); err != nil {
		s.t.Fatal(err)
	}
	s.collect()
}

// thrownOut ends the session from the gateway's side, up to the next CONNECT.
func (s *script) thrownOut() {
	s.t.Helper()
	s.gateway(bye)
	s.wantEvent("over", Disconnected)
	s.advance(connectPause)
}

// MQTT-SN 1.2 section 6.4.
func TestUpdateWill(t *testing.T) {
	will := &Will{Topic: "m5/gone", Message: []byte("bye"), QoS: 1}
	s := newScript(t, Config{Will: will})
	s.willed()
	s.updateWillTopic("m5/lost", 0, true)
	update := mqttsn.Packet{Type: mqttsn.WillTopicUpd, Flags: mqttsn.Retain, Topic: []byte("m5/lost")}
	s.want("WILLTOPICUPD", update)
	s.updateWillMessage("ciao")
	s.wantIdle("one request at a time")
	s.advance(time.Second)
	s.want("again: it has no DUP", update)
	s.gateway(willMsgResp(mqttsn.Accepted))
	s.wantIdle("an answer to something else")
	s.gateway(willTopicResp(mqttsn.Accepted))
	if e := s.wantEvent("the topic is changed", WillTopicUpdated); e.Topic != "m5/lost" || e.ReturnCode != mqttsn.Accepted {
		t.Fatalf("got %+v", e)
	}
	s.want("WILLMSGUPD", mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte("ciao")})
	s.gateway(willMsgResp(mqttsn.Accepted))
	s.wantEvent("the message is changed", WillMessageUpdated)
	s.gateway(willMsgResp(mqttsn.Accepted))
	s.wantIdle("the answer to a repetition")
	s.thrownOut()
	s.saysWill(mqttsn.Packet{Type: mqttsn.WillTopic, Flags: mqttsn.Retain, Topic: []byte("m5/lost")}, "ciao")
	if will.Topic != "m5/gone" || string(will.Message) != "bye" {
		t.Fatalf("the program's own will is %+v now", will)
	}
}

func TestUpdateWillIsAnswered(t *testing.T) {
	s := newScript(t, Config{Will: &Will{Topic: "m5/gone", Message: []byte("bye"), QoS: 1}})
	s.willed()
	s.updateWillMessage("a")
	update := mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte("a")}
	s.want("WILLMSGUPD", update)
	s.gateway(willMsgResp(mqttsn.Congestion))
	s.wantEvent("later", Congested)
	s.advance(time.Second)
	s.want("again", update)
	s.gateway(willMsgResp(mqttsn.NotSupported))
	if e := s.wantEvent("refused", WillMessageUpdated); e.ReturnCode != mqttsn.NotSupported {
		t.Fatalf("got %+v", e)
	}
	s.thrownOut()
	s.saysWill(mqttsn.Packet{Type: mqttsn.WillTopic, Flags: mqttsn.QoS1, Topic: []byte("m5/gone")}, "bye")
}

// An update that was not answered is made again in the next session, and only
// the last of those that waited.
func TestUpdateWillOutlivesTheSession(t *testing.T) {
	s := newScript(t, Config{CleanSession: true, Will: &Will{Topic: "m5/gone", Message: []byte("bye"), QoS: 1}})
	s.updateWillMessage("one")
	s.updateWillMessage("two")
	s.willed()
	s.want("the last one counts", mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte("two")})
	s.thrownOut()
	s.saysWill(mqttsn.Packet{Type: mqttsn.WillTopic, Flags: mqttsn.QoS1, Topic: []byte("m5/gone")}, "bye")
	s.want("again", mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte("two")})
	s.gateway(willMsgResp(mqttsn.Accepted))
	s.wantEvent("changed", WillMessageUpdated)
}

func TestUpdateDeletesWill(t *testing.T) {
	s := newScript(t, Config{Will: &Will{Topic: "m5/gone", Message: []byte("bye"), QoS: 1}})
	s.willed()
	s.updateWillTopic("", 0, false)
	s.want("an empty WILLTOPICUPD", mqttsn.Packet{Type: mqttsn.WillTopicUpd})
	ask := mqttsn.Packet{Type: mqttsn.WillTopicReq}
	s.b.Receive(s.now, ask.Append(nil)) // and the line is busy
	s.gateway(willTopicResp(mqttsn.Accepted))
	if e := s.wantEvent("deleted", WillTopicUpdated); e.Topic != "" {
		t.Fatalf("got %+v", e)
	}
	s.thrownOut()
	s.want("no will", mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1")})
}

// What the next CONNECT says of a will that Config did not have.
func TestUpdateMakesWill(t *testing.T) {
	for _, test := range []struct {
		name  string
		clean bool
		flags mqttsn.Flags
	}{
		{"the gateway keeps it", false, 0},
		{"a clean session must be told", true, mqttsn.CleanSession | mqttsn.Will},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{CleanSession: test.clean})
			s.connect()
			s.updateWillTopic("m5/gone", 0, false)
			s.take("WILLTOPICUPD", mqttsn.WillTopicUpd)
			s.gateway(willTopicResp(mqttsn.Accepted))
			s.wantEvent("done", WillTopicUpdated)
			s.thrownOut()
			s.want("CONNECT", mqttsn.Packet{Type: mqttsn.Connect, Flags: test.flags, ClientID: []byte("b1")})
		})
	}
}

func TestUpdateWillRefuses(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 20})
	for _, test := range []struct {
		got, want error
	}{
		{s.b.UpdateWillTopic("a/#", 0, false), ErrTopic},
		{s.b.UpdateWillTopic("a/b", 2, false), ErrQoS},
		{s.b.UpdateWillTopic("a/b", -1, false), ErrQoS},
		{s.b.UpdateWillTopic("123456789/123456789", 0, false), ErrTooLong},
		{s.b.UpdateWillMessage(make([]byte, 19)), ErrTooLong},
		{s.b.UpdateWillMessage(make([]byte, 18)), nil},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("got %v, want %v", test.got, test.want)
		}
	}
}
