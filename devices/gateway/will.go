package gateway

import (
	"bytes"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Will is what the broker publishes for a board that is lost.
type Will struct {
	Topic, Payload []byte
	QoS            byte // 0 or 1
	Retain         bool
}

// equal reports whether the broker would publish the same. Nil is no will.
func (w *Will) equal(v *Will) bool {
	if w == nil || v == nil {
		return w == v
	}
	return w.QoS == v.QoS && w.Retain == v.Retain && bytes.Equal(w.Topic, v.Topic) && bytes.Equal(w.Payload, v.Payload)
}

// judgeWill says why a board may not have a will there, if it may not.
func (g *Gateway) judgeWill(p *mqttsn.Packet) Reason {
	switch {
	case p.Flags.QoS() < 0 || p.Flags.QoS() > 1:
		return ReasonUnsupported
	case !mqttcore.ValidTopic(p.Topic):
		return ReasonInvalidTopic
	case !g.cfg.Access.mayPublish(p.Topic):
		return ReasonForbidden
	}
	return NoReason
}

// willTopic handles WILLTOPIC; an empty one deletes the stored will.
func (g *Gateway) willTopic(now time.Time, n *node, p *mqttsn.Packet) {
	if n.state != askWillTopic {
		g.willOutOfTurn(n, p)
		return
	}
	g.answered(now, n)
	if len(p.Topic) == 0 {
		n.will = nil
		g.openSession(now, n)
		return
	}
	if why := g.judgeWill(p); why != NoReason {
		g.refuse(now, n, p.Type, mqttsn.NotSupported, why)
		return
	}
	n.asked = Will{Topic: bytes.Clone(p.Topic), QoS: byte(p.Flags.QoS()), Retain: p.Flags.Has(mqttsn.Retain)}
	g.enter(n, askWillMsg)
	g.ask(n, mqttsn.WillMsgReq)
}

// willOutOfTurn deals with a WILLTOPIC or WILLMSG that nobody waits for. During
// the handshake it is one that was sent twice.
func (g *Gateway) willOutOfTurn(n *node, p *mqttsn.Packet) {
	if n.state.joined() {
		g.unexpected(p.Type)
	}
}

// willMsg handles WILLMSG, which completes the handshake.
func (g *Gateway) willMsg(now time.Time, n *node, p *mqttsn.Packet) {
	if n.state != askWillMsg {
		g.willOutOfTurn(n, p)
		return
	}
	g.answered(now, n)
	if g.cfg.Limits.MaxPayload > 0 && len(p.Data) > g.cfg.Limits.MaxPayload {
		g.refuse(now, n, p.Type, mqttsn.NotSupported, ReasonTooLarge)
		return
	}
	w := n.asked
	w.Payload = bytes.Clone(p.Data)
	n.will = &w
	g.openSession(now, n)
}
