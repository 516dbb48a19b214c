package mqttsn

import "encoding/binary"

// MaxLen is the longest message, in bytes, that a Length field can say.
const MaxLen = 65535

// maxNodeID is the longest Wireless Node Id: Length, MsgType and Ctrl come out
// of the same 255 bytes.
const maxNodeID = 252

// Len returns the length of p's encoding in bytes. It may be more than MaxLen.
func (p *Packet) Len() int {
	n := 2 + p.fieldsLen()
	if n > 255 && p.Type != Encapsulated {
		n += 2
	}
	return n
}

// Append appends the canonical encoding of p: its Length takes one byte if the
// message has at most 255. It allocates only if dst lacks room.
//
// Append does not judge values: what Parse would refuse is written all the
// same. It panics on a message longer than MaxLen and on a NodeID longer than
// 252 bytes, which no Length field can say: the caller has a frame limit to
// keep and must not let it come to this.
func (p *Packet) Append(dst []byte) []byte {
	n := p.Len()
	switch {
	case p.Type == Encapsulated:
		if len(p.NodeID) > maxNodeID {
			panic("mqttsn: wireless node id longer than 252 bytes")
		}
		dst = append(dst, byte(3+len(p.NodeID))) // the message inside does not count
	case n > MaxLen:
		panic("mqttsn: message longer than 65535 bytes")
	case n > 255:
		dst = append(dst, longLength, byte(n>>8), byte(n))
	default:
		dst = append(dst, byte(n))
	}
	return p.appendFields(append(dst, byte(p.Type)))
}

// fieldsLen returns the length of what appendFields appends.
func (p *Packet) fieldsLen() int {
	switch p.Type {
	case Advertise:
		return 3
	case SearchGW, WillTopicResp, WillMsgResp:
		return 1
	case GWInfo:
		return 1 + len(p.Data)
	case Connect:
		return 4 + len(p.ClientID)
	case ConnAck:
		if p.HasSession {
			return 2
		}
		return 1
	case WillTopic, WillTopicUpd:
		if len(p.Topic) == 0 {
			return 0
		}
		return 1 + len(p.Topic)
	case WillMsg, WillMsgUpd:
		return len(p.Data)
	case Register:
		return 4 + len(p.Topic)
	case RegAck, PubAck:
		return 5
	case Publish:
		return 5 + len(p.Data)
	case PubRec, PubRel, PubComp, UnsubAck:
		return 2
	case Subscribe, Unsubscribe:
		if p.Flags.TopicIDType() == NormalID {
			return 3 + len(p.Topic)
		}
		return 5
	case SubAck:
		return 6
	case PingReq:
		return len(p.ClientID)
	case Disconnect:
		if p.HasDuration {
			return 2
		}
	case Encapsulated:
		return 1 + len(p.NodeID) + len(p.Data)
	}
	return 0
}

// appendFields appends what follows MsgType.
func (p *Packet) appendFields(dst []byte) []byte {
	be := binary.BigEndian
	switch p.Type {
	case Advertise:
		return be.AppendUint16(append(dst, p.GatewayID), p.Duration)
	case SearchGW:
		return append(dst, p.Radius)
	case GWInfo:
		return append(append(dst, p.GatewayID), p.Data...)
	case Connect:
		dst = be.AppendUint16(append(dst, byte(p.Flags), protocolID), p.Duration)
		return append(dst, p.ClientID...)
	case ConnAck:
		return p.appendConnAck(dst)
	case WillTopic, WillTopicUpd:
		if len(p.Topic) == 0 {
			return dst
		}
		return append(append(dst, byte(p.Flags)), p.Topic...)
	case WillMsg, WillMsgUpd:
		return append(dst, p.Data...)
	case Register:
		dst = be.AppendUint16(be.AppendUint16(dst, p.TopicID), p.MsgID)
		return append(dst, p.Topic...)
	case RegAck, PubAck:
		dst = be.AppendUint16(be.AppendUint16(dst, p.TopicID), p.MsgID)
		return append(dst, byte(p.ReturnCode))
	case Publish:
		dst = be.AppendUint16(append(dst, byte(p.Flags)), p.TopicID)
		return append(be.AppendUint16(dst, p.MsgID), p.Data...)
	case PubRec, PubRel, PubComp, UnsubAck:
		return be.AppendUint16(dst, p.MsgID)
	case Subscribe, Unsubscribe:
		dst = be.AppendUint16(append(dst, byte(p.Flags)), p.MsgID)
		if p.Flags.TopicIDType() == NormalID {
			return append(dst, p.Topic...)
		}
		return be.AppendUint16(dst, p.TopicID)
	case SubAck:
		dst = be.AppendUint16(append(dst, byte(p.Flags)), p.TopicID)
		return append(be.AppendUint16(dst, p.MsgID), byte(p.ReturnCode))
	case PingReq:
		return append(dst, p.ClientID...)
	case Disconnect:
		if p.HasDuration {
			return be.AppendUint16(dst, p.Duration)
		}
	case WillTopicResp, WillMsgResp:
		return append(dst, byte(p.ReturnCode))
	case Encapsulated:
		return append(append(append(dst, p.Radius), p.NodeID...), p.Data...)
	}
	return dst
}

func (p *Packet) appendConnAck(dst []byte) []byte {
	dst = append(dst, byte(p.ReturnCode))
	if !p.HasSession {
		return dst
	}
	if p.SessionPresent {
		return append(dst, 1)
	}
	return append(dst, 0)
}
