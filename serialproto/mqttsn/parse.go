package mqttsn

import "encoding/binary"

// What Error.What says.
const (
	tooShort = "message has no MsgType"
	wrongLen = "not the length of the message"
	unknown  = "no such message"
	missing  = "missing"
	empty    = "empty"
	leftOver = "bytes left over"
	reserved = "reserved value"
	unused   = "bit set that this message does not use"
	nested   = "encapsulated twice"
)

// Parse decodes the one message that body holds into p, whose slices then
// alias body. It allocates only to return an error, which is an *Error; p.Type
// is set even then, if body is long enough to have one.
//
// Parse checks the form of a message. What only a receiver with state can
// judge and has an answer for (topic syntax, MsgId 0, QoS 2, an unknown topic
// id) passes.
func Parse(body []byte, p *Packet) error {
	*p = Packet{}
	r, err := header(body, p)
	if err != nil {
		return err
	}
	r.fields(p)
	if r.err == nil && len(r.rest()) > 0 {
		r.fail(Malformed, "end", leftOver)
	}
	if r.err != nil {
		return r.err
	}
	return nil
}

// header reads Length and MsgType.
func header(body []byte, p *Packet) (reader, error) {
	n, at := length(body)
	if at == 0 {
		return reader{}, &Error{BadLength, 0, "", 0, tooShort}
	}
	p.Type = Type(body[at])
	r := reader{body: body, typ: p.Type, off: at + 1}
	switch {
	case p.Type == Encapsulated:
		// "Length: 1-octet long, specifies the number of octets up to the end
		// of the Wireless Node Id field." (MQTT-SN 1.2 section 5.5)
		if at != 1 || n < 3 || n > len(body) {
			return r, &Error{BadLength, p.Type, "Length", 0, wrongLen}
		}
		r.node = n
	case n != len(body):
		return r, &Error{BadLength, p.Type, "Length", 0, wrongLen}
	case !p.Type.Known():
		return r, &Error{UnknownType, p.Type, "MsgType", at, unknown}
	}
	return r, nil
}

// length returns what the Length field of body says and where MsgType stands,
// or zeros if body is too short to have one.
//
// A short message may have a long Length: "messages with lengths smaller than
// 256 octets may use the shorter 1-octet format" (MQTT-SN 1.2 section 5.2.1).
func length(body []byte) (n, typeAt int) {
	switch {
	case len(body) >= 4 && body[0] == longLength:
		return int(binary.BigEndian.Uint16(body[1:])), 3
	case len(body) >= 2 && body[0] != longLength:
		return int(body[0]), 1
	}
	return 0, 0
}

// fields reads what follows MsgType.
func (r *reader) fields(p *Packet) {
	switch p.Type {
	case Advertise:
		p.GatewayID = r.byte("GwId")
		p.Duration = r.uint16("Duration")
	case SearchGW:
		p.Radius = r.byte("Radius")
	case GWInfo:
		p.GatewayID = r.byte("GwId")
		p.Data = r.tail()
	case Connect:
		r.connect(p)
	case ConnAck:
		p.ReturnCode = ReturnCode(r.byte("ReturnCode"))
		r.session(p)
	case WillTopic, WillTopicUpd:
		if len(r.rest()) == 0 {
			return // no Flags, no topic: the will is deleted (section 5.4.7)
		}
		p.Flags = r.flags(qosMask | Retain)
		p.Topic = r.some("WillTopic")
	case WillMsg, WillMsgUpd:
		p.Data = r.tail()
	case Register:
		p.TopicID = r.uint16("TopicId")
		p.MsgID = r.uint16("MsgId")
		p.Topic = r.some("TopicName")
	case RegAck, PubAck:
		p.TopicID = r.uint16("TopicId")
		p.MsgID = r.uint16("MsgId")
		p.ReturnCode = ReturnCode(r.byte("ReturnCode"))
	case Publish:
		p.Flags = r.flags(DUP | qosMask | Retain | topicIDTypeMask)
		p.TopicID = r.uint16("TopicId")
		p.MsgID = r.uint16("MsgId")
		p.Data = r.tail()
	case PubRec, PubRel, PubComp, UnsubAck:
		p.MsgID = r.uint16("MsgId")
	case Subscribe:
		r.filter(p, DUP|qosMask|topicIDTypeMask)
	case Unsubscribe:
		// It uses TopicIdType alone, but clients copy the rest from SUBSCRIBE.
		r.filter(p, DUP|qosMask|topicIDTypeMask)
	case SubAck:
		p.Flags = r.flags(qosMask)
		p.TopicID = r.uint16("TopicId")
		p.MsgID = r.uint16("MsgId")
		p.ReturnCode = ReturnCode(r.byte("ReturnCode"))
	case PingReq:
		p.ClientID = r.tail()
	case Disconnect:
		if len(r.rest()) > 0 {
			p.HasDuration = true
			p.Duration = r.uint16("Duration")
		}
	case WillTopicResp, WillMsgResp:
		p.ReturnCode = ReturnCode(r.byte("ReturnCode"))
	case Encapsulated:
		r.encapsulated(p)
	case WillTopicReq, WillMsgReq, PingResp: // nothing follows
	}
}

func (r *reader) connect(p *Packet) {
	p.Flags = r.flags(Will | CleanSession | WantSession)
	at := r.off
	protocol := r.byte("ProtocolId")
	p.Duration = r.uint16("Duration")
	p.ClientID = r.tail() // the standard's "1-23 character" limits are the gateway's to judge
	if r.err == nil && protocol != protocolID {
		r.off = at
		r.fail(NotProtocol, "ProtocolId", "not 0x01")
	}
}

// session reads the extension byte of CONNACK, if there is one.
func (r *reader) session(p *Packet) {
	if len(r.rest()) == 0 {
		return
	}
	at := r.off
	b := r.byte("Session")
	if b > 1 {
		r.off = at
		r.fail(Malformed, "Session", reserved)
		return
	}
	p.HasSession = true
	p.SessionPresent = b == 1
}

// filter reads SUBSCRIBE and UNSUBSCRIBE.
func (r *reader) filter(p *Packet, used Flags) {
	p.Flags = r.flags(used)
	p.MsgID = r.uint16("MsgId")
	if p.Flags.TopicIDType() == NormalID {
		p.Topic = r.some("TopicName")
		return
	}
	p.TopicID = r.uint16("TopicId")
}

func (r *reader) encapsulated(p *Packet) {
	at := r.off
	ctrl := r.byte("Ctrl")
	if ctrl > 3 {
		r.off = at
		r.fail(Malformed, "Ctrl", reserved)
		return
	}
	p.Radius = ctrl
	if r.node == r.off {
		r.fail(Malformed, "WirelessNodeId", empty)
		return
	}
	p.NodeID = r.body[r.off:r.node:r.node]
	r.off = r.node
	n, at := length(r.rest())
	switch {
	case at == 0:
		r.fail(BadLength, "Length", tooShort)
	case Type(r.rest()[at]) == Encapsulated:
		r.fail(Malformed, "MsgType", nested)
	case n != len(r.rest()):
		r.fail(BadLength, "Length", wrongLen)
	}
	p.Data = r.tail()
}
