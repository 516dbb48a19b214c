package mqttsn

import (
	"bytes"
	"strings"
	"testing"
)

// The sizes around the two forms of Length, where codecs are known to fail.
func TestLengthForms(t *testing.T) {
	for _, c := range []struct {
		data int
		want []byte // what the message begins with
	}{
		{0, []byte{7, 0x0C}},
		{246, []byte{253, 0x0C}},
		{247, []byte{254, 0x0C}},
		{248, []byte{255, 0x0C}},
		{249, []byte{1, 1, 2, 0x0C}}, // 258
		{250, []byte{1, 1, 3, 0x0C}},
		{2039, []byte{1, 8, 0, 0x0C}},
		{MaxLen - 9, []byte{1, 255, 255, 0x0C}},
	} {
		p := Packet{Type: Publish, Data: bytes.Repeat([]byte{'a'}, c.data)}
		body := p.Append(nil)
		if !bytes.HasPrefix(body, c.want) || p.Len() != len(body) {
			t.Errorf("%d bytes of data: %d bytes, Len %d, begin with % x, want % x", c.data, len(body), p.Len(), body[:4], c.want)
		}
		var back Packet
		if err := Parse(body, &back); err != nil || !bytes.Equal(back.Data, p.Data) {
			t.Errorf("%d bytes of data: %d come back, %v", c.data, len(back.Data), err)
		}
	}
}

func TestAppendPanicsBeyondLength(t *testing.T) {
	for what, p := range map[string]Packet{
		"message":          {Type: Publish, Data: make([]byte, MaxLen-8)},
		"wireless node id": {Type: Encapsulated, NodeID: make([]byte, 253)},
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); !strings.Contains(msg, what) {
					t.Errorf("%s: panic %q", what, msg)
				}
			}()
			p.Append(nil)
		}()
	}
	longest := Packet{Type: Encapsulated, NodeID: make([]byte, 252), Data: []byte{2, 24}}
	if got := longest.Append(nil); got[0] != 255 || len(got) != longest.Len() {
		t.Errorf("the longest node id has a Length of %d and makes %d bytes", got[0], len(got))
	}
}

func TestParseReturnsSlicesThatCannotGrowIntoTheBody(t *testing.T) {
	buffer := []byte{0x04, 0xFE, 0x00, 0x0A, 0x09, 0x0C, 0x20, 0x00, 0x01, 0x00, 0x07, 'h', 'i', 'n', 'e', 'x', 't'}
	kept := bytes.Clone(buffer)
	var p, inner Packet
	if err := Parse(buffer[:13], &p); err != nil {
		t.Fatal(err)
	}
	if err := Parse(p.Data, &inner); err != nil {
		t.Fatal(err)
	}
	_, _, _ = append(p.NodeID, 0xEE), append(p.Data, 0xEE), append(inner.Data, 0xEE)
	if !bytes.Equal(buffer, kept) {
		t.Errorf("append to a field wrote into the buffer: % x", buffer)
	}
}

// A packet may be parsed out of its own Data: that is how a forwarder's
// message is unwrapped.
func TestParseInPlace(t *testing.T) {
	var p Packet
	if err := Parse([]byte{0x04, 0xFE, 0x00, 0x0A, 0x02, 0x18}, &p); err != nil {
		t.Fatal(err)
	}
	if err := Parse(p.Data, &p); err != nil || p.Type != Disconnect {
		t.Errorf("unwrapped %v, %v", p.Type, err)
	}
}

// What the answer to a bad message needs is there.
func TestParseFillsWhatItCan(t *testing.T) {
	var p Packet
	if err := Parse([]byte{0x08, 0x04, 0x04, 0x02, 0x00, 0x3C, 'm', '5'}, &p); err == nil || p.Type != Connect || string(p.ClientID) != "m5" {
		t.Errorf("CONNECT of another protocol gives %v and %+v", err, p)
	}
	if err := Parse([]byte{0x03, 0x0D, 0x00}, &p); err == nil || p.Type != PubAck {
		t.Errorf("PUBACK cut off gives %v and %+v", err, p)
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		body []byte
		want string
	}{
		{nil, "mqttsn: message has no MsgType"},
		{[]byte{0x02, 0x03}, "mqttsn: type 0x03: MsgType at offset 1: no such message"},
		{[]byte{0x03, 0x18}, "mqttsn: DISCONNECT: Length at offset 0: not the length of the message"},
		{[]byte{0x07, 0x0C, 0x23, 0, 1, 0, 1}, "mqttsn: PUBLISH: Flags at offset 2: reserved value"},
		{[]byte{0x07, 0x0C, 0x28, 0, 1, 0, 1}, "mqttsn: PUBLISH: Flags at offset 2: bit set that this message does not use"},
		{[]byte{0x06, 0x0D, 0, 1, 0, 7}, "mqttsn: PUBACK: ReturnCode at offset 6: missing"},
	} {
		var p Packet
		if err := Parse(c.body, &p); err == nil || err.Error() != c.want {
			t.Errorf("% x: %v, want %s", c.body, err, c.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for qos := -1; qos <= 2; qos++ {
		for _, kind := range []TopicIDType{NormalID, PredefinedID, ShortName} {
			f := (DUP | Retain | CleanSession).WithQoS(2).WithQoS(qos).WithTopicIDType(ShortName).WithTopicIDType(kind)
			if f.QoS() != qos || f.TopicIDType() != kind || !f.Has(DUP|Retain) || f.Has(Will) {
				t.Errorf("QoS %d, %v: flags are %08b", qos, kind, f)
			}
		}
	}
	for f, qos := range map[Flags]int{QoS0: 0, QoS1: 1, QoS2: 2, QoSMinus1: -1} {
		if f.QoS() != qos || Flags(0).WithQoS(qos) != f {
			t.Errorf("flags %08b have QoS %d, want %d", f, f.QoS(), qos)
		}
	}
	if ShortTopic('t', 'u') != 0x7475 {
		t.Errorf("the short topic tu is %#04x", ShortTopic('t', 'u'))
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{WillTopicReq.String(), "WILLTOPICREQ"}, {Encapsulated.String(), "ENCAPSULATED"}, {Type(0xAB).String(), "type 0xab"},
		{Accepted.String(), "accepted"}, {Congestion.String(), "congestion"}, {InvalidTopicID.String(), "invalid topic ID"},
		{NotSupported.String(), "not supported"}, {ReturnCode(9).String(), "reserved"},
		{NormalID.String(), "normal"}, {PredefinedID.String(), "predefined"}, {ShortName.String(), "short"}, {TopicIDType(3).String(), "reserved"},
		{BadLength.String(), "length"}, {UnknownType.String(), "type"}, {Malformed.String(), "malformed"}, {NotProtocol.String(), "protocol"},
		{Reason(0).String(), "unknown"},
	} {
		if c.got != c.want {
			t.Errorf("called %q, want %q", c.got, c.want)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for _, m := range messages(t) {
		var p Packet
		if n := testing.AllocsPerRun(10, func() {
			if err := Parse(m.body, &p); err != nil {
				t.Error(err)
			}
			dst = p.Append(dst[:0])
		}); n != 0 {
			t.Errorf("%s: %v: %v allocations", m.id, m.packet.Type, n)
		}
	}
}

// FuzzParse checks that what is accepted is written as it was read, but for a
// Length that was longer than it needed to be.
func FuzzParse(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(m.body)
	}
	f.Add([]byte{0x01, 0x00, 0x04, 0x18})
	f.Add([]byte{0x02, 0x11})
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := bytes.Clone(body)
		var p Packet
		err := Parse(body, &p)
		if !bytes.Equal(body, kept) {
			t.Fatal("Parse wrote into the body")
		}
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without a text")
			}
			return
		}
		again := p.Append(nil)
		if p.Len() != len(again) {
			t.Fatalf("Len is %d, the encoding has %d bytes", p.Len(), len(again))
		}
		want := body
		if body[0] == longLength && len(again) <= 255 {
			want = append([]byte{byte(len(body) - 2)}, body[3:]...)
		}
		if !bytes.Equal(again, want) {
			t.Fatalf("% x is written as % x", body, again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	benchMessages(b, func(b *testing.B, p Packet, body []byte) {
		for b.Loop() {
			if err := Parse(body, &p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	benchMessages(b, func(b *testing.B, p Packet, body []byte) {
		for b.Loop() {
			body = p.Append(body[:0])
		}
	})
}

func benchMessages(b *testing.B, run func(b *testing.B, p Packet, body []byte)) {
	payload := bytes.Repeat([]byte("21.5 "), 500)
	for _, c := range []struct {
		name string
		p    Packet
	}{
		{"PUBACK", Packet{Type: PubAck, TopicID: 1, MsgID: 2}},
		{"PUBLISH/32B", Packet{Type: Publish, Flags: QoS1, TopicID: 1, MsgID: 2, Data: payload[:32-7]}},
		{"PUBLISH/256B", Packet{Type: Publish, Flags: QoS1, TopicID: 1, MsgID: 2, Data: payload[:256-9]}},
		{"PUBLISH/2048B", Packet{Type: Publish, Flags: QoS1, TopicID: 1, MsgID: 2, Data: payload[:2048-9]}},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := c.p.Append(nil)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			run(b, c.p, body)
		})
	}
}
