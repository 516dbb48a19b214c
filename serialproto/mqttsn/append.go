package mqttsn

import "encoding/binary"

// MaxLen is the longest message, in bytes, that a Length field can say.
const MaxLen = 65535

// maxNodeID is the longest Wireless Node Id: Length, MsgType and Ctrl come out
// of the same 255 bytes.
const maxNodeID = 252

// Append appends the canonical encoding of p: its Length takes one byte if the
// message has at most 255. It allocates only if dst lacks room; a PUBLISH is 7
// bytes longer than its Data, and 9 from 249 bytes of Data on.
//
// Append does not judge values: what Parse would refuse is written all the
// same. It panics on a message longer than MaxLen and on a NodeID longer than
// 252 bytes, which no Length field can say: the caller has a frame limit to
// keep and must not let it come to this.
func (p *Packet) Append(dst []byte) []byte {
	start := len(dst)
	dst = p.appendFields(append(dst, 0, byte(p.Type)))
	n := len(dst) - start
	switch {
	case p.Type == Encapsulated:
		if len(p.NodeID) > maxNodeID {
			panic("mqttsn: wireless node id longer than 252 bytes")
		}
		dst[start] = byte(3 + len(p.NodeID)) // the message inside does not count
	case n > 255:
		if n += 2; n > MaxLen {
			panic("mqttsn: message longer than 65535 bytes")
		}
		dst = append(dst, 0, 0)
		copy(dst[start+3:], dst[start+1:])
		dst[start], dst[start+1], dst[start+2] = longLength, byte(n>>8), byte(n)
	default:
		dst[start] = byte(n)
	}
	return dst
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
