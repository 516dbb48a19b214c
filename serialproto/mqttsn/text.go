package mqttsn

import "strconv"

// String returns p on one line for logs and people:
//
//	PUBLISH qos=1 retain topic=5 msgid=7 bytes=4
//
// Names are quoted, so that what a peer put into them is harmless on a
// terminal. Payloads and will messages are not shown, only their length.
func (p *Packet) String() string { return string(p.AppendText(nil)) }

// AppendText appends what String returns.
func (p *Packet) AppendText(dst []byte) []byte {
	t := text{append(dst, p.Type.String()...)}
	t.flags(p)
	switch p.Type {
	case Advertise:
		t.number("gateway", uint64(p.GatewayID))
		t.number("seconds", uint64(p.Duration))
	case SearchGW:
		t.number("radius", uint64(p.Radius))
	case GWInfo:
		t.number("gateway", uint64(p.GatewayID))
		t.number("bytes", uint64(len(p.Data)))
	case Connect:
		t.name("client", p.ClientID)
		t.number("seconds", uint64(p.Duration))
	case ConnAck, WillTopicResp, WillMsgResp:
		t.code(p)
	case WillTopic, WillTopicUpd:
		t.name("topic", p.Topic)
	case WillMsg, WillMsgUpd:
		t.number("bytes", uint64(len(p.Data)))
	case Register:
		t.name("name", p.Topic)
		t.number("topic", uint64(p.TopicID))
		t.number("msgid", uint64(p.MsgID))
	case RegAck, PubAck, SubAck:
		t.number("topic", uint64(p.TopicID))
		t.number("msgid", uint64(p.MsgID))
		t.code(p)
	case Publish:
		t.topic(p)
		t.number("msgid", uint64(p.MsgID))
		t.number("bytes", uint64(len(p.Data)))
	case PubRec, PubRel, PubComp, UnsubAck:
		t.number("msgid", uint64(p.MsgID))
	case Subscribe, Unsubscribe:
		t.topic(p)
		t.number("msgid", uint64(p.MsgID))
	case PingReq:
		if len(p.ClientID) > 0 {
			t.name("client", p.ClientID)
		}
	case Disconnect:
		if p.HasDuration {
			t.number("seconds", uint64(p.Duration))
		}
	case Encapsulated:
		t.node(p)
	}
	return t.dst
}

// text is a line in the making.
type text struct{ dst []byte }

func (t *text) word(s string) { t.dst = append(append(t.dst, ' '), s...) }

func (t *text) number(key string, n uint64) {
	t.word(key)
	t.dst = strconv.AppendUint(append(t.dst, '='), n, 10)
}

func (t *text) name(key string, name []byte) {
	t.word(key)
	t.dst = strconv.AppendQuote(append(t.dst, '='), string(name))
}

func (t *text) code(p *Packet) {
	t.name("code", []byte(p.ReturnCode.String()))
	if p.HasSession {
		t.word("session=")
		t.dst = strconv.AppendBool(t.dst, p.SessionPresent)
	}
}

// flags writes the flags of a message that has some.
func (t *text) flags(p *Packet) {
	switch p.Type {
	case Publish, Subscribe, SubAck:
		t.qos(p)
	case WillTopic, WillTopicUpd:
		if len(p.Topic) > 0 {
			t.qos(p)
		}
	case Connect:
		if p.Flags.Has(WantSession) {
			t.word("session")
		}
	default:
		return
	}
	for _, f := range []struct {
		bit  Flags
		name string
	}{{DUP, "dup"}, {Retain, "retain"}, {Will, "will"}, {CleanSession, "clean"}} {
		if p.Flags.Has(f.bit) {
			t.word(f.name)
		}
	}
}

func (t *text) qos(p *Packet) {
	t.word("qos=")
	t.dst = strconv.AppendInt(t.dst, int64(p.Flags.QoS()), 10)
}

// topic writes what PUBLISH, SUBSCRIBE and UNSUBSCRIBE have for a topic.
func (t *text) topic(p *Packet) {
	switch kind := p.Flags.TopicIDType(); {
	case kind == ShortName:
		t.name("short", []byte{byte(p.TopicID >> 8), byte(p.TopicID)})
	case kind == PredefinedID:
		t.number("predefined", uint64(p.TopicID))
	case p.Type == Publish:
		t.number("topic", uint64(p.TopicID))
	default:
		t.name("name", p.Topic)
	}
}

// node writes an encapsulation with the message inside.
func (t *text) node(p *Packet) {
	t.word("node=")
	for _, b := range p.NodeID {
		t.dst = append(t.dst, hexDigits[b>>4], hexDigits[b&15])
	}
	var inner Packet
	if err := Parse(p.Data, &inner); err != nil {
		t.word(err.Error())
		return
	}
	t.dst = inner.AppendText(append(t.dst, ": "...))
}
