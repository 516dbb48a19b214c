package gateway

import (
	"slices"
	"strconv"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// register handles REGISTER: the board wants an id for a topic name
// (MQTT-SN 1.2 section 5.4.10). Whether it may publish there is decided when it does.
func (g *Gateway) register(now time.Time, n *node, p *mqttsn.Packet) {
	ack := mqttsn.Packet{Type: mqttsn.RegAck, MsgID: p.MsgID}
	if !mqttcore.ValidTopic(p.Topic) {
		ack.ReturnCode = mqttsn.NotSupported
		g.refused(n, p.Type, ReasonInvalidTopic)
	} else if t := n.topics.add(p.Topic, false, n.topicInFlight()); t == nil {
		ack.ReturnCode = mqttsn.Congestion
		g.refused(n, p.Type, ReasonCongestion)
	} else {
		t.known = true
		ack.TopicID = t.id
		g.changed(n)
	}
	g.reply(now, n.peer, &ack)
}

// topicName resolves the topic of a PUBLISH, SUBSCRIBE or UNSUBSCRIBE that is
// named by id. Nil means that the id is not known.
func (g *Gateway) topicName(n *node, p *mqttsn.Packet) []byte {
	switch p.Flags.TopicIDType() {
	case mqttsn.ShortName:
		g.short = [2]byte{byte(p.TopicID >> 8), byte(p.TopicID)}
		return g.short[:]
	case mqttsn.PredefinedID:
		return g.names[p.TopicID]
	case mqttsn.NormalID:
		if n != nil {
			if t := n.topics.id(p.TopicID); t != nil {
				return t.name
			}
		}
	}
	return nil
}

// publish handles PUBLISH with QoS 0 and 1 (MQTT-SN 1.2 section 5.4.12). A MsgId of
// 0x0000 is for messages that are not acknowledged (section 5.3.8).
func (g *Gateway) publish(now time.Time, n *node, p *mqttsn.Packet) {
	switch {
	case p.Flags.QoS() > 1:
		g.refusePublish(now, n, p, mqttsn.NotSupported, ReasonUnsupported)
		return
	case p.Flags.QoS() == 1 && p.MsgID == 0:
		g.refusePublish(now, n, p, mqttsn.NotSupported, ReasonMalformed)
		return
	}
	var print fingerprint
	if p.Flags.QoS() == 1 {
		print = n.dup.fingerprint(p.MsgID, p.TopicID, byte(p.Flags.TopicIDType()), p.Data)
		if p.Flags.Has(mqttsn.DUP) && g.swallow(now, n, p, print) {
			return
		}
	}
	name := g.topicName(n, p)
	if code, why := g.judge(now, n, name, p); why != NoReason {
		g.refusePublish(now, n, p, code, why)
		return
	}
	if isLocal(name) {
		g.local(now, n, p, name)
		return
	}
	if p.Flags.QoS() == 0 && !n.mqtt.takes() {
		g.drop(n, ReasonOffline, p)
		return
	}
	g.notice(Notice{Kind: MessageReceived, Node: n.id, QoS: int8(p.Flags.QoS()), Size: len(p.Data), Topic: name, Payload: p.Data})
	if p.Flags.QoS() == 1 {
		g.token++
		n.dup.inflight = append(n.dup.inflight, inflight{fingerprint: print, token: g.token, received: now, size: len(name) + len(p.Data), answer: true})
		g.send(now, n, g.token, name, p.Data, p.Flags.Has(mqttsn.Retain))
		return
	}
	if n.mqtt.changing { // only QoS 1 outlives the change
		g.token++
		g.send(now, n, g.token, name, p.Data, p.Flags.Has(mqttsn.Retain))
		g.notice(Notice{Kind: MessageUp, Node: n.id, Stored: true})
		return
	}
	token := g.sinceEpoch(now) // nobody asks for that message again
	n.mqtt.used = true
	g.command(Command{
		Kind: PublishMessage, Node: n.id, Token: token,
		Topic: name, Payload: p.Data, QoS: int8(p.Flags.QoS()), Retain: p.Flags.Has(mqttsn.Retain),
	})
}

// sinceEpoch returns now as a number: nanoseconds since the first time it was asked.
func (g *Gateway) sinceEpoch(now time.Time) uint64 {
	if g.epoch.IsZero() {
		g.epoch = now
	}
	return uint64(now.Sub(g.epoch))
}

// swallow deals with a retransmission of a message that is in flight or was
// acknowledged, and reports whether it was one.
func (g *Gateway) swallow(now time.Time, n *node, p *mqttsn.Packet, print fingerprint) bool {
	g.notice(Notice{Kind: Retried, Node: n.id})
	if m := n.dup.findInflight(print); m != nil {
		m.answer = true // perhaps of an earlier board session: adopt it
	} else if n.dup.wasAcknowledged(print) {
		g.puback(now, n, p.TopicID, p.MsgID, mqttsn.Accepted)
	} else {
		return false
	}
	g.notice(Notice{Kind: DuplicateSwallowed, Node: n.id})
	return true
}

// judge decides whether a PUBLISH with that topic name may go on.
func (g *Gateway) judge(now time.Time, n *node, name []byte, p *mqttsn.Packet) (mqttsn.ReturnCode, Reason) {
	switch {
	case name == nil:
		return mqttsn.InvalidTopicID, ReasonInvalidTopicID
	case !mqttcore.ValidTopic(name): // a short name can be anything
		return mqttsn.NotSupported, ReasonInvalidTopic
	case isLocal(name):
		return mqttsn.Accepted, NoReason
	case !g.cfg.Access.mayPublish(name):
		return mqttsn.NotSupported, ReasonForbidden
	case g.cfg.Limits.MaxPayload > 0 && len(p.Data) > g.cfg.Limits.MaxPayload:
		return mqttsn.NotSupported, ReasonTooLarge
	case n != nil && !withinRate(n.limiter, now), n == nil && !withinRate(g.limiter, now):
		return mqttsn.Congestion, ReasonRateLimit
	case n != nil && p.Flags.QoS() == 1 && (len(n.dup.inflight) >= g.cfg.MaxInflight || n.outboxFull(now)):
		return mqttsn.Congestion, ReasonCongestion
	}
	return mqttsn.Accepted, NoReason
}

// refusePublish drops a message and says so to the board. The standard answers
// QoS 0 too when the topic id is wrong (section 6.6).
func (g *Gateway) refusePublish(now time.Time, n *node, p *mqttsn.Packet, code mqttsn.ReturnCode, why Reason) {
	g.drop(n, why, p)
	if p.Flags.QoS() > 0 || code == mqttsn.InvalidTopicID {
		g.puback(now, n, p.TopicID, p.MsgID, code)
	}
}

func (g *Gateway) puback(now time.Time, n *node, topicID, msgID uint16, code mqttsn.ReturnCode) {
	g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.PubAck, TopicID: topicID, MsgID: msgID, ReturnCode: code})
}

// publishOwn handles PUBLISH with QoS -1, which needs no connection and may
// come from anybody (MQTT-SN 1.2 section 6.8).
func (g *Gateway) publishOwn(now time.Time, peer Peer, p *mqttsn.Packet) {
	n := g.nodes[peer]
	if p.Flags.TopicIDType() == mqttsn.NormalID {
		g.drop(n, ReasonUnsupported, p)
		return
	}
	name := g.topicName(nil, p)
	_, why := g.judge(now, n, name, p)
	if why == NoReason && isLocal(name) {
		why = ReasonForbidden // there is no session to answer in
	}
	if why != NoReason {
		g.drop(n, why, p)
		return
	}
	g.notice(Notice{Kind: MessageReceived, QoS: -1, Size: len(p.Data), Topic: name, Payload: p.Data})
	g.command(Command{Kind: PublishOwn, Topic: name, Payload: p.Data, QoS: -1, Retain: p.Flags.Has(mqttsn.Retain), Received: now})
}

// local answers a PUBLISH under $umqttd/.
func (g *Gateway) local(now time.Time, n *node, p *mqttsn.Packet, name []byte) {
	if string(name) != string(timeTopic) {
		g.refusePublish(now, n, p, mqttsn.NotSupported, ReasonForbidden)
		return
	}
	if p.Flags.QoS() == 1 {
		g.puback(now, n, p.TopicID, p.MsgID, mqttsn.Accepted)
	}
	g.reply(now, n.peer, &mqttsn.Packet{
		Type: mqttsn.Publish, Flags: mqttsn.Flags(0).WithTopicIDType(p.Flags.TopicIDType()), TopicID: p.TopicID,
		Data: strconv.AppendInt(nil, now.UnixMilli(), 10),
	})
}

// A PublishResult is what became of a message that was published.
type PublishResult uint8

const (
	// Safe means that the broker has acknowledged the message, or for QoS 0
	// that it was written to the socket.
	Safe PublishResult = iota
	// Refused means that it was never sent and never will be, for now: the
	// board may try again.
	Refused
)

// Published says what became of the message that a PublishMessage command of
// that node named by token.
func (g *Gateway) Published(now time.Time, id NodeID, token uint64, qos int8, result PublishResult) {
	n := g.byID[id]
	if n == nil {
		return
	}
	if qos < 1 {
		if result == Safe {
			g.notice(Notice{Kind: MessageUp, Node: id, Latency: now.Sub(g.epoch) - time.Duration(token)})
		} else {
			g.notice(Notice{Kind: MessageDropped, Node: id, Reason: ReasonOffline})
		}
		return
	}
	g.settle(now, n, token, result, false)
	if result == Safe {
		g.finished(n, token)
	} else {
		g.givenUp(now, n, token)
	}
	g.progress(now, n)
}

// givenUp deals with a message that the MQTT session did not take, or will not
// deliver. One that was promised to be is put aside.
func (g *Gateway) givenUp(now time.Time, n *node, token uint64) {
	i := slices.IndexFunc(n.out.handed, func(m *outMessage) bool { return m.token == token })
	if i >= 0 {
		g.putAside(now, n, n.out.handed[i])
		g.trim(n)
	}
}

// settle tells the board what became of a message, unless it knows. stored says
// that the outbox has it, or would have had it.
func (g *Gateway) settle(now time.Time, n *node, token uint64, result PublishResult, stored bool) {
	m, ok := n.dup.settle(token, result == Safe)
	if !ok {
		return // of a session that CleanSession=1 ended, or it was stored before
	}
	if n.state == away && !n.clean {
		g.awayBytes -= m.size
	}
	code := mqttsn.Accepted
	if result == Safe {
		g.notice(Notice{Kind: MessageUp, Node: n.id, QoS: 1, Latency: now.Sub(m.received), Stored: stored})
	} else {
		code = mqttsn.Congestion
		g.notice(Notice{Kind: MessageDropped, Node: n.id, QoS: 1, Reason: ReasonCongestion})
	}
	if m.answer && n.state == active {
		g.puback(now, n, m.topicID, m.msgID, code)
	}
}
