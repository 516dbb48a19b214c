package mqttsn

import "encoding/binary"

// What Error.What says.
const (
	missing   = "missing"
	empty     = "empty"
	leftOver  = "bytes left over"
	reserved  = "reserved value"
	unused    = "bit set that this message does not use"
	wrongLen  = "not the length of the message"
	wrongType = "unknown"
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
	r := reader{body: body}
	if len(body) < 2 {
		return r, &Error{BadLength, 0, "Length", 0, "message too short"}
	}
	n := int(body[0])
	r.off = 1
	if n == 1 {
		// "If the first octet of the Length field is coded 0x01 then the
		// Length field is 3-octet long." (MQTT-SN 1.2 section 5.2.1)
		if len(body) < 4 {
			return r, &Error{BadLength, 0, "Length", 0, "message too short"}
		}
		n = int(binary.BigEndian.Uint16(body[1:]))
		r.off = 3
	}
	p.Type = Type(body[r.off])
	r.typ = p.Type
	if p.Type == Encapsulated {
		// Its Length ends with the Wireless Node Id (section 5.5).
		if r.off != 1 || n < 3 || n > len(body) {
			return r, &Error{BadLength, p.Type, "Length", 0, "not the length of the header"}
		}
		r.node = n
	} else if n != len(body) {
		return r, &Error{BadLength, p.Type, "Length", 0, wrongLen}
	}
	if !p.Type.Known() {
		return r, &Error{UnknownType, p.Type, "MsgType", r.off, wrongType}
	}
	r.off++
	return r, nil
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
		r.filter(p, topicIDTypeMask)
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
	p.ClientID = r.some("ClientId")
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
	p.Data = r.some("message")
}
