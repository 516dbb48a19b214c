package gateway

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// maxRefusals is how often a board may refuse one message before it is given up.
const maxRefusals = 5

func (g *Gateway) makeReady(n *node) {
	if !n.ready && (len(n.queue) > 0 || n.request.due || n.state == awake) {
		n.ready = true
		g.ready.push(n)
	}
}

// sendNext sends the request of n that is due, or the head of its queue, or the
// REGISTER that this needs first. It reports whether something was
// sent, and whether only credit was missing. A board that is awake is sent back to
// sleep when there is nothing more.
func (g *Gateway) sendNext(now time.Time, n *node) (sent, blocked bool) {
	switch {
	case !g.open || n.quiet:
		return false, false
	case n.request.due:
		return g.sendRequest(now, n)
	case !n.listens() || n.request.kind != 0:
		return false, false
	case n.state == awake && (len(n.queue) == 0 || n.held(n.queue[0])):
		return g.sendToSleep(now, n)
	case len(n.queue) == 0:
		return false, false
	}
	m := n.queue[0]
	if n.held(m) {
		return false, false
	}
	if !g.fixedID(m.Topic).fixed {
		t := n.topics.add(m.Topic, true, nil)
		switch {
		case t == nil:
			g.giveUp(n, ReasonCongestion)
			return true, false
		case !t.known:
			return g.announce(now, n, t)
		}
	}
	p := g.publishPacket(n, m)
	switch {
	case g.tooLong(p, n.peer):
		g.giveUp(n, ReasonTooLarge)
		return true, false
	case m.QoS > 0:
		if m.msgID == 0 {
			m.msgID = n.nextMsgID()
		}
		n.request = request{kind: mqttsn.Publish, msgID: m.msgID, due: true}
		return g.sendRequest(now, n)
	case !g.hasRoom(p, n.peer):
		return false, true
	}
	g.write(now, n.peer, p, false)
	g.delivered(now, n)
	return true, false
}

// publishPacket builds the PUBLISH for m, but for its MsgId. DUP says that the
// board may have seen it.
func (g *Gateway) publishPacket(n *node, m *Inbound) *mqttsn.Packet {
	id := g.fixedID(m.Topic)
	if t := n.topics.name(m.Topic); !id.fixed && t != nil {
		id.topicID = t.id
	}
	p := &g.sending
	*p = mqttsn.Packet{Type: mqttsn.Publish, TopicID: id.topicID, Data: m.Payload}
	p.Flags = p.Flags.WithTopicIDType(id.kind)
	if m.Retain {
		p.Flags |= mqttsn.Retain
	}
	if m.QoS > 0 {
		p.Flags |= mqttsn.QoS1
	}
	if m.sent {
		p.Flags |= mqttsn.DUP
	}
	return p
}

// announce sends REGISTER for t.
func (g *Gateway) announce(now time.Time, n *node, t *topic) (sent, blocked bool) {
	if g.tooLong(&mqttsn.Packet{Type: mqttsn.Register, Topic: t.name}, n.peer) {
		g.giveUp(n, ReasonTooLarge)
		return true, false
	}
	n.request = request{kind: mqttsn.Register, msgID: n.nextMsgID(), due: true}
	return g.sendRequest(now, n)
}

// fixedTopic is how a topic is named without REGISTER.
type fixedTopic struct {
	fixed   bool
	kind    mqttsn.TopicIDType
	topicID uint16
}

func (g *Gateway) fixedID(name []byte) fixedTopic {
	if id, ok := g.predefined[string(name)]; ok {
		return fixedTopic{true, mqttsn.PredefinedID, id}
	}
	if len(name) == 2 {
		return fixedTopic{true, mqttsn.ShortName, mqttsn.ShortTopic(name[0], name[1])}
	}
	return fixedTopic{}
}

// regAck handles the answer to our REGISTER.
func (g *Gateway) regAck(now time.Time, n *node, p *mqttsn.Packet) {
	if !n.request.answeredBy(mqttsn.Register, p.MsgID) {
		g.unasked(n, p)
		return
	}
	g.answered(now, n)
	t := n.topics.name(n.queue[0].Topic)
	switch {
	case p.ReturnCode == mqttsn.Accepted && t != nil:
		t.known = true
		g.changed(n)
	case p.ReturnCode == mqttsn.Congestion:
		g.holdOff(now, n)
	default:
		g.giveUp(n, ReasonRejected)
	}
}

// pubAck handles the board's PUBACK. "Invalid topic id" may come for QoS 0 too.
func (g *Gateway) pubAck(now time.Time, n *node, p *mqttsn.Packet) {
	if p.ReturnCode == mqttsn.InvalidTopicID {
		if t := n.topics.id(p.TopicID); t != nil {
			t.known = false // the board has forgotten it: REGISTER again
		}
	}
	if !n.request.answeredBy(mqttsn.Publish, p.MsgID) {
		if p.MsgID != 0 || p.ReturnCode != mqttsn.InvalidTopicID { // that is for QoS 0
			g.unasked(n, p)
		}
		return
	}
	g.answered(now, n)
	switch p.ReturnCode {
	case mqttsn.Accepted:
		g.delivered(now, n)
	case mqttsn.Congestion:
		n.queue[0].sent = false // it was refused: what comes is no repetition
		g.holdOff(now, n)
	case mqttsn.InvalidTopicID:
		if n.tries++; n.tries >= maxRefusals || g.fixedID(n.queue[0].Topic).fixed {
			g.giveUp(n, ReasonRejected)
		}
	default:
		g.giveUp(n, ReasonRejected)
	}
}

// holdOff leaves a congested board alone for a while.
func (g *Gateway) holdOff(now time.Time, n *node) {
	n.request = request{kind: holding, deadline: now.Add(congestionWait)}
}

func (g *Gateway) delivered(now time.Time, n *node) {
	m := n.queue[0]
	g.notice(Notice{
		Kind: MessageDown, Node: n.id, QoS: int8(m.QoS), Size: len(m.Payload),
		Latency: now.Sub(m.Received), Topic: m.Topic, Payload: m.Payload,
	})
	g.shift(n)
}

// giveUp drops the head of the queue, and tells the broker that it is done
// with: sending it again would not help.
func (g *Gateway) giveUp(n *node, why Reason) {
	m := n.queue[0]
	g.notice(Notice{Kind: MessageDropped, Node: n.id, QoS: int8(m.QoS), Reason: why, Size: len(m.Payload), Topic: m.Topic})
	g.shift(n)
}

// topicInFlight returns the topic of the message on its way to the board, or nil.
func (n *node) topicInFlight() []byte {
	if n.request.kind == 0 || len(n.queue) == 0 {
		return nil
	}
	return n.queue[0].Topic
}

func (n *node) nextMsgID() uint16 {
	if n.msgID++; n.msgID == 0 {
		n.msgID = 1 // 0x0000 is for messages that are not answered (section 5.3.8)
	}
	return n.msgID
}
