package e2e

import (
	"reflect"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
)

// badInput is one thing that may come off a line, what umqttd answers and what counts it.
type badInput struct {
	name   string
	raw    string         // bytes as they are, or
	body   []byte         // a frame around this, or
	packet mqttsn.Packet  // a message
	answer *mqttsn.Packet // nil: none
	series string         // that grows by 1; empty: none
}

func frameError(reason string) string { return metric("frame_errors_total", `reason="`+reason+`"`) }
func dropped(reason string) string    { return metric("dropped_total", `reason="`+reason+`"`) }
func refusal(request string) string   { return metric("refused_total", `request="`+request+`"`) }

func publishOf(flags mqttsn.Flags, id, msgID uint16) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Publish, Flags: flags, TopicID: id, MsgID: msgID, Data: []byte("bad")}
}

func pubackOf(id, msgID uint16, code mqttsn.ReturnCode) *mqttsn.Packet {
	return &mqttsn.Packet{Type: mqttsn.PubAck, TopicID: id, MsgID: msgID, ReturnCode: code}
}

// badInputs uses the topic ids: 1 is good, 2 is $SYS/x.
func badInputs() []badInput {
	ping := serialproto.AppendFrame(nil, []byte{2, byte(mqttsn.PingReq)})
	corrupt := []byte(string(ping))
	corrupt[4] ^= 0x10
	short, predefined := mqttsn.QoS1.WithTopicIDType(mqttsn.ShortName), mqttsn.QoS1.WithTopicIDType(mqttsn.PredefinedID)
	wild, bad := mqttsn.ShortTopic('a', '#'), mqttsn.ShortTopic(0xff, 0xfe)
	register := func(topic string) mqttsn.Packet {
		return mqttsn.Packet{Type: mqttsn.Register, MsgID: 7, Topic: []byte(topic)}
	}
	regack := &mqttsn.Packet{Type: mqttsn.RegAck, MsgID: 7, ReturnCode: mqttsn.NotSupported}
	subscribe := func(filter string) mqttsn.Packet {
		return mqttsn.Packet{Type: mqttsn.Subscribe, MsgID: 7, Topic: []byte(filter)}
	}
	suback := func(code mqttsn.ReturnCode) *mqttsn.Packet {
		return &mqttsn.Packet{Type: mqttsn.SubAck, MsgID: 7, ReturnCode: code}
	}
	return []badInput{
		{name: "noise", raw: "\x00\xff\xfe\x80\x81\x00", series: frameError("cobs")},
		{name: "noise that is COBS", raw: "\x00\x02\x80\x00", series: frameError("noise")},
		{name: "frame cut off", raw: string(ping[:5]) + "\x00", series: frameError("cobs")},
		{name: "frame without its first bytes", raw: string(ping[3:]), series: frameError("cobs")},
		{name: "frame with a bit flipped", raw: string(corrupt), series: frameError("crc")},
		{name: "endless run", raw: "\x00" + strings.Repeat("\x81", 5000) + "\x00", series: frameError("oversize")},
		{name: "frame beyond max_frame", body: append([]byte{1, 9, 0, byte(mqttsn.Publish), 0, 0, 1, 0, 0}, make([]byte, 2295)...), series: frameError("oversize")},
		{name: "empty frames", raw: "\x00\x00\x00\x00"},
		{name: "text", raw: "\x00Traceback (most recent call last):\r\n\x00", series: metric("console_lines_total")},
		{name: "empty body", body: []byte{}, series: frameError("noise")},
		{name: "Length too small", body: []byte{2, byte(mqttsn.PingReq), 0}, series: frameError("length")},
		{name: "Length too large", body: []byte{9, byte(mqttsn.PingReq)}, series: frameError("length")},
		{name: "Length 0", body: []byte{0, byte(mqttsn.PingReq)}, series: frameError("length")},
		{name: "reserved type", body: []byte{2, 0x03}, series: frameError("unknown_type")},
		{name: "field missing", body: []byte{4, byte(mqttsn.Publish), 0, 0}, series: frameError("malformed")},
		{name: "field left over", body: []byte{3, byte(mqttsn.PingResp), 0}, series: frameError("malformed")},
		{name: "reserved flag", body: []byte{8, byte(mqttsn.Publish), 0x03, 0, 1, 0, 7, 'x'}, series: frameError("malformed")},
		{name: "unknown topic id", packet: publishOf(mqttsn.QoS1, 999, 7), answer: pubackOf(999, 7, mqttsn.InvalidTopicID), series: dropped("invalid_topic_id")},
		{name: "unknown topic id, QoS 0", packet: publishOf(0, 999, 0), answer: pubackOf(999, 0, mqttsn.InvalidTopicID), series: dropped("invalid_topic_id")},
		{name: "topic id 0", packet: publishOf(mqttsn.QoS1, 0, 7), answer: pubackOf(0, 7, mqttsn.InvalidTopicID), series: dropped("invalid_topic_id")},
		{name: "unknown predefined id", packet: publishOf(predefined, 9, 7), answer: pubackOf(9, 7, mqttsn.InvalidTopicID), series: dropped("invalid_topic_id")},
		{name: "message id 0", packet: publishOf(mqttsn.QoS1, 1, 0), answer: pubackOf(1, 0, mqttsn.NotSupported), series: dropped("malformed")},
		{name: "QoS 2", packet: publishOf(mqttsn.QoS2, 1, 7), answer: pubackOf(1, 7, mqttsn.NotSupported), series: dropped("unsupported")},
		{name: "forbidden topic", packet: publishOf(mqttsn.QoS1, 2, 7), answer: pubackOf(2, 7, mqttsn.NotSupported), series: dropped("forbidden")},
		{name: "forbidden topic, QoS 0", packet: publishOf(0, 2, 0), series: dropped("forbidden")},
		{name: "wildcard in PUBLISH", packet: publishOf(short, wild, 7), answer: pubackOf(wild, 7, mqttsn.NotSupported), series: dropped("invalid_topic")},
		{name: "invalid UTF-8 in PUBLISH", packet: publishOf(short, bad, 7), answer: pubackOf(bad, 7, mqttsn.NotSupported), series: dropped("invalid_topic")},
		{name: "QoS -1 with a normal id", packet: publishOf(mqttsn.QoSMinus1, 1, 0), series: dropped("unsupported")},
		{name: "wildcard in REGISTER", packet: register("m5/+/t"), answer: regack, series: refusal("register")},
		{name: "invalid UTF-8 in REGISTER", packet: register("m5/\xff"), answer: regack, series: refusal("register")},
		{name: "U+0000 in REGISTER", packet: register("m5/\x00"), answer: regack, series: refusal("register")},
		{name: "not a filter", packet: subscribe("m5/a#"), answer: suback(mqttsn.NotSupported), series: refusal("subscribe")},
		{name: "invalid UTF-8 in SUBSCRIBE", packet: subscribe("m5/\xc3"), answer: suback(mqttsn.NotSupported), series: refusal("subscribe")},
		{name: "unknown predefined id in SUBSCRIBE", packet: mqttsn.Packet{Type: mqttsn.Subscribe, Flags: predefined, MsgID: 7, TopicID: 9}, answer: suback(mqttsn.InvalidTopicID), series: refusal("subscribe")},
		{name: "answer to no question", packet: mqttsn.Packet{Type: mqttsn.PubAck, TopicID: 1, MsgID: 99}, series: frameError("unexpected")},
		{name: "PINGRESP unasked", packet: mqttsn.Packet{Type: mqttsn.PingResp}, series: frameError("unexpected")},
		{name: "WILLTOPIC out of turn", packet: mqttsn.Packet{Type: mqttsn.WillTopic, Topic: []byte("m5/will")}, series: frameError("unexpected")},
		{name: "QoS 2 in mid-air", packet: mqttsn.Packet{Type: mqttsn.PubRel, MsgID: 7}, series: frameError("unexpected")},
		{name: "another gateway", packet: mqttsn.Packet{Type: mqttsn.ConnAck}, series: frameError("unexpected")},
	}
}

// TestBadInput sends each thing that a line or a bad client can come up with, and a good message after it: the bad one is never delivered, answered where the
// standard has an answer, and counted by its reason; the good one works.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{"console: {log: false}"}})
	judge := r.judge("#")
	s := cable.NewScript(t, r.line)
	s.Connect("m5", mqttsn.CleanSession)
	if good, forbidden := s.Register("m5/t", 1), s.Register("$SYS/x", 2); good != 1 || forbidden != 2 {
		t.Fatalf("topic ids %d and %d", good, forbidden)
	}
	sent := 0
	for i, bad := range badInputs() {
		before := r.gateway.Metrics()
		switch {
		case bad.raw != "":
			s.Raw([]byte(bad.raw))
		case bad.body != nil:
			s.Body(bad.body...)
		default:
			s.Send(bad.packet)
		}
		if bad.answer != nil {
			if got := nextAnswer(s); !reflect.DeepEqual(got, *bad.answer) {
				t.Errorf("%s: answered with %v %+v, want %v %+v", bad.name, got.Type, got, bad.answer.Type, *bad.answer)
			}
		}
		msgID := uint16(100 + i)
		good := publishOf(mqttsn.QoS1, 1, msgID)
		good.Data = []byte(bad.name)
		s.Send(good)
		sent++
		if got := nextAnswer(s); !reflect.DeepEqual(got, *pubackOf(1, msgID, mqttsn.Accepted)) {
			t.Fatalf("%s: the next good message was answered with %v %+v", bad.name, got.Type, got)
		}
		wantCounted(t, bad, before, r.gateway.Metrics())
	}
	judge.waitFor("m5/t", badInputs()[sent-1].name)
	var names []string
	for _, bad := range badInputs() {
		names = append(names, bad.name)
	}
	wantOnce(t, judge.on("m5/t"), names)
	for _, m := range judge.all() {
		if m.topic != "m5/t" && !strings.HasPrefix(m.topic, "umqttd/gw/") {
			t.Errorf("%q was delivered on %s", m.payload, m.topic)
		}
	}
}

// TestAnotherProtocol refuses a CONNECT that is not for MQTT-SN 1.2. It ends the session before it, as any CONNECT does; the next good one begins another.
func TestAnotherProtocol(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	s := cable.NewScript(t, r.line)
	s.Connect("m5", mqttsn.CleanSession)
	s.Body(8, byte(mqttsn.Connect), byte(mqttsn.CleanSession), 2, 0, 60, 'm', '5')
	if p := s.Want(mqttsn.ConnAck); p.ReturnCode != mqttsn.NotSupported {
		t.Errorf("CONNACK says %v", p.ReturnCode)
	}
	r.gateway.WaitMetric(refusal("connect"), 1)
	r.gateway.WaitMetric(metric("board_connected"), 0)
	s.Connect("m5", mqttsn.CleanSession)
}

// nextAnswer returns the next message that is an answer. The gateway's own question, whether all has arrived, is answered.
func nextAnswer(s *cable.Script) mqttsn.Packet {
	for {
		p := s.Next()
		if p.Type != mqttsn.PingReq {
			return p
		}
		s.Send(mqttsn.Packet{Type: mqttsn.PingResp})
	}
}

// wantCounted demands that of all that counts bad input one series has grown, by 1.
func wantCounted(t *testing.T, bad badInput, before, after map[string]float64) {
	t.Helper()
	found := bad.series == ""
	for series, v := range after {
		switch grown := v - before[series]; {
		case series == bad.series:
			found = true
			if grown != 1 {
				t.Errorf("%s: %s has grown by %v, want 1", bad.name, series, grown)
			}
		case grown != 0 && (strings.HasPrefix(series, "umqttd_frame_errors") || strings.HasPrefix(series, "umqttd_dropped") || strings.HasPrefix(series, "umqttd_refused")):
			t.Errorf("%s: %s has grown by %v", bad.name, series, grown)
		}
	}
	if !found {
		t.Errorf("%s: there is no %s", bad.name, bad.series)
	}
}
