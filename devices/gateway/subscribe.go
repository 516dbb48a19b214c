package gateway

import (
	"bytes"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// maxPending bounds the SUBSCRIBEs and UNSUBSCRIBEs of one node that wait for
// the broker.
const maxPending = 32

// subscription is a SUBSCRIBE or UNSUBSCRIBE on its way to the broker.
type subscription struct {
	token   uint64
	kind    mqttsn.Type // Subscribe or Unsubscribe
	msgID   uint16
	topicID uint16 // for SUBACK
}

// subscribe handles SUBSCRIBE and UNSUBSCRIBE (MQTT-SN 1.2 sections 5.4.15, 5.4.17).
func (g *Gateway) subscribe(now time.Time, n *node, p *mqttsn.Packet) {
	for _, s := range n.pending {
		if s.kind == p.Type && s.msgID == p.MsgID {
			return // a retransmission; the answer is on its way
		}
	}
	filter := p.Topic
	if p.Flags.TopicIDType() != mqttsn.NormalID {
		filter = g.topicName(n, p)
	}
	code, why := g.judgeFilter(n, filter, p)
	if why != NoReason {
		g.refused(n, p.Type, why)
		g.suback(now, n, subscription{kind: p.Type, msgID: p.MsgID}, code, 0)
		return
	}
	s := subscription{kind: p.Type, msgID: p.MsgID, topicID: g.subscribedID(n, filter, p)}
	if isLocal(filter) {
		g.suback(now, n, s, mqttsn.Accepted, 0)
		return
	}
	g.token++
	n.mqtt.used = true
	s.token = g.token
	n.pending = append(n.pending, s)
	kind := SubscribeFilter
	if p.Type == mqttsn.Unsubscribe {
		kind = UnsubscribeFilter
	}
	qos := int8(min(max(p.Flags.QoS(), 0), 1)) // QoS 2 is granted 1
	g.command(Command{Kind: kind, Node: n.id, Token: s.token, Topic: filter, QoS: qos})
}

func (g *Gateway) judgeFilter(n *node, filter []byte, p *mqttsn.Packet) (mqttsn.ReturnCode, Reason) {
	switch {
	case filter == nil:
		return mqttsn.InvalidTopicID, ReasonInvalidTopicID
	case !mqttcore.ValidFilter(filter):
		return mqttsn.NotSupported, ReasonInvalidTopic
	case isLocal(filter):
		return mqttsn.Accepted, NoReason
	case p.Type == mqttsn.Subscribe && !g.cfg.Access.maySubscribe(filter):
		return mqttsn.NotSupported, ReasonForbidden
	case !n.mqtt.online:
		return mqttsn.Congestion, ReasonOffline
	case len(n.pending) >= maxPending:
		return mqttsn.Congestion, ReasonCongestion
	}
	return mqttsn.Accepted, NoReason
}

// subscribedID returns the topic id that SUBACK tells: the one that PUBLISH
// will use, or 0x0000 where the filter names many topics or none needs an id.
func (g *Gateway) subscribedID(n *node, filter []byte, p *mqttsn.Packet) uint16 {
	switch {
	case p.Type != mqttsn.Subscribe || bytes.ContainsAny(filter, "+#"):
		return 0
	case p.Flags.TopicIDType() == mqttsn.PredefinedID:
		return p.TopicID
	case p.Flags.TopicIDType() == mqttsn.ShortName || g.fixedID(filter).fixed:
		return 0
	}
	if t := n.topics.add(filter, false, n.topicInFlight()); t != nil {
		t.known = true
		return t.id
	}
	return 0 // the table is full: REGISTER will find a place when a message comes
}

// suback answers s. UNSUBACK has no return code: it is sent only if there is
// something to confirm, and the board asks again otherwise.
func (g *Gateway) suback(now time.Time, n *node, s subscription, code mqttsn.ReturnCode, qos byte) {
	if s.kind == mqttsn.Unsubscribe {
		if code != mqttsn.Congestion {
			g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.UnsubAck, MsgID: s.msgID})
		}
		return
	}
	g.reply(now, n.peer, &mqttsn.Packet{
		Type: mqttsn.SubAck, Flags: mqttsn.Flags(0).WithQoS(int(qos)),
		TopicID: s.topicID, MsgID: s.msgID, ReturnCode: code,
	})
}

// SubscribeResult is the broker's answer to a subscription.
type SubscribeResult uint8

const (
	// Granted means that SUBACK or UNSUBACK came.
	Granted SubscribeResult = iota
	// Failed means that the broker refused the filter.
	Failed
	// Unanswered means that the connection ended first.
	Unanswered
)

// Subscribed says what became of the SubscribeFilter or UnsubscribeFilter
// command that token names; qos is what the broker granted.
func (g *Gateway) Subscribed(now time.Time, id NodeID, token uint64, result SubscribeResult, qos byte) {
	n := g.byID[id]
	if n == nil {
		return
	}
	for i, s := range n.pending {
		if s.token != token {
			continue
		}
		n.pending = append(n.pending[:i], n.pending[i+1:]...)
		code := [...]mqttsn.ReturnCode{Granted: mqttsn.Accepted, Failed: mqttsn.NotSupported, Unanswered: mqttsn.Congestion}[result]
		if why := [...]Reason{Failed: ReasonRejected, Unanswered: ReasonOffline}[result]; why != NoReason {
			g.refused(n, s.kind, why)
		}
		g.suback(now, n, s, code, min(qos, 1))
		g.pump(now)
		return
	}
}

// failPending answers what waits for a broker that has gone away.
func (g *Gateway) failPending(now time.Time, n *node) {
	for _, s := range n.pending {
		g.refused(n, s.kind, ReasonOffline)
		g.suback(now, n, s, mqttsn.Congestion, 0)
	}
	n.pending = n.pending[:0]
}
