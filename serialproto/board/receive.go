package board

import (
	"bytes"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// answer is a REGACK, PUBACK or PINGRESP that the board owes.
type answer struct {
	kind    mqttsn.Type
	topicID uint16
	msgID   uint16
	code    mqttsn.ReturnCode
}

// maxAnswers bounds what the board owes. What is beyond is asked again.
const maxAnswers = 32

// recent has fingerprints of the messages acknowledged last. It outlives the
// session unless that is clean, as the gateway's memory does.
type recent struct {
	prints [8]fingerprint
	next   int
}

// fingerprint tells a retransmission from another message with the same MsgId.
type fingerprint struct {
	msgID   uint16
	topicID uint16
	kind    mqttsn.TopicIDType
	data    uint32
}

// Receive handles one message from the gateway: the body of a frame, or a
// datagram.
func (b *Board) Receive(now time.Time, body []byte) {
	if b.state == off || b.state == asleep {
		return
	}
	p := &b.in
	if err := mqttsn.Parse(body, p); err != nil {
		b.event(Event{Kind: Malformed, Err: err})
		return
	}
	b.heard, b.mute = now, 0
	b.sampleWake(now)
	switch p.Type {
	case mqttsn.ConnAck:
		b.connAck(now, p)
	case mqttsn.WillTopicReq:
		b.willRequested(mqttsn.WillTopic)
	case mqttsn.WillMsgReq:
		b.willRequested(mqttsn.WillMsg)
	case mqttsn.Disconnect:
		b.disconnected(now)
	default:
		if b.state != connecting {
			b.receiveActive(now, p)
		}
	}
}

// receiveActive handles what makes sense only in a session.
func (b *Board) receiveActive(now time.Time, p *mqttsn.Packet) {
	switch p.Type {
	case mqttsn.RegAck:
		b.regAck(now, p)
	case mqttsn.PubAck:
		b.pubAck(now, p)
	case mqttsn.SubAck:
		b.subAck(now, p)
	case mqttsn.UnsubAck:
		b.unsubAck(now, p)
	case mqttsn.PingResp:
		b.pingResp(now)
	case mqttsn.PingReq: // either end may ask (MQTT-SN 1.2 section 5.4.19)
		b.owe(answer{kind: mqttsn.PingResp})
	case mqttsn.WillTopicResp, mqttsn.WillMsgResp:
		b.willUpdated(now, p)
	case mqttsn.Register:
		b.registered(p)
	case mqttsn.Publish:
		b.published(p)
	}
}

func (b *Board) owe(a answer) {
	if len(b.answers) < maxAnswers {
		b.answers = append(b.answers, a)
	}
}

// nextAnswer puts what the board owes into b.out.
func (b *Board) nextAnswer() bool {
	if len(b.answers) == 0 {
		return false
	}
	a := b.answers[0]
	b.answers = b.answers[:copy(b.answers, b.answers[1:])]
	b.out.Type, b.out.TopicID, b.out.MsgID, b.out.ReturnCode = a.kind, a.topicID, a.msgID, a.code
	return true
}

// registered handles the gateway's REGISTER (MQTT-SN 1.2 section 6.10).
func (b *Board) registered(p *mqttsn.Packet) {
	a := answer{kind: mqttsn.RegAck, topicID: p.TopicID, msgID: p.MsgID}
	switch name := string(p.Topic); {
	case !assignable(p.TopicID) || !validTopic(name):
		a.code = mqttsn.NotSupported
	case !b.topics.learn(name, p.TopicID):
		a.code = mqttsn.Congestion
	default:
		b.event(Event{Kind: Registered, Topic: name, TopicID: p.TopicID})
	}
	b.owe(a)
}

// published handles a message from the broker.
func (b *Board) published(p *mqttsn.Packet) {
	a := answer{kind: mqttsn.PubAck, topicID: p.TopicID, msgID: p.MsgID}
	name := b.topics.name(p)
	switch {
	case p.Flags.QoS() < 0 || p.Flags.QoS() > 1:
		a.code = mqttsn.NotSupported
		b.owe(a)
		return
	case name == "":
		a.code = mqttsn.InvalidTopicID // QoS 0 too: the gateway must REGISTER
		b.owe(a)
		return
	case p.Flags.QoS() == 1:
		b.owe(a)
		if b.recent.seen(p) {
			b.event(Event{Kind: Duplicate, Topic: name, QoS: 1})
			return
		}
	}
	if name == timeTopic {
		b.timeReceived(p.Data)
		return
	}
	b.event(Event{Kind: Received, Topic: name, Data: p.Data, QoS: p.Flags.QoS(), Retain: p.Flags.Has(mqttsn.Retain)})
}

// timeReceived handles the answer on $umqttd/time: ASCII decimal milliseconds.
func (b *Board) timeReceived(data []byte) {
	ms, err := strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil {
		b.event(Event{Kind: Malformed, Err: err})
		return
	}
	b.event(Event{Kind: TimeReceived, Topic: timeTopic, Time: time.UnixMilli(ms)})
}

// seen reports whether p is sent again after it was acknowledged, and remembers
// it. DUP=0 is always a new message.
func (r *recent) seen(p *mqttsn.Packet) bool {
	f := fingerprint{p.MsgID, p.TopicID, p.Flags.TopicIDType(), crc32.ChecksumIEEE(p.Data)}
	for _, known := range r.prints {
		if p.Flags.Has(mqttsn.DUP) && known == f && f.msgID != 0 {
			return true
		}
	}
	r.prints[r.next] = f
	r.next = (r.next + 1) % len(r.prints)
	return false
}
