package gateway

import (
	"bytes"
	"slices"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// What one node can make the gateway, and the broker, remember of filters.
const (
	maxPending     = 32       // SUBSCRIBEs and UNSUBSCRIBEs that the broker has not answered
	maxFilters     = 1024     // granted
	maxFilterBytes = 64 << 10 // of all granted filters together; a single one always fits
)

// subscription is a SUBSCRIBE or UNSUBSCRIBE on its way to the broker.
type subscription struct {
	token  uint64
	kind   mqttsn.Type // Subscribe or Unsubscribe
	filter []byte
	qos    int8

	msgID   uint16 // of the board, as it asked last
	idType  mqttsn.TopicIDType
	topicID uint16

	// While the broker is away the board is told so, but the request stays: it
	// may have arrived, and it is made again in any case.
	told bool
	done bool // the broker has answered code and granted; the board was told before
	code mqttsn.ReturnCode
	got  byte
}

// filterSet is the filters that a node has subscribed to.
type filterSet struct {
	set   map[string]byte // to the QoS granted
	bytes int
}

func (f *filterSet) full(filter []byte) bool {
	if _, there := f.set[string(filter)]; there || len(f.set) == 0 {
		return false
	}
	return len(f.set) >= maxFilters || f.bytes+len(filter) > maxFilterBytes
}

func (f *filterSet) add(filter []byte, qos byte) {
	if f.set == nil {
		f.set = make(map[string]byte)
	}
	if _, there := f.set[string(filter)]; !there {
		f.bytes += len(filter)
	}
	f.set[string(filter)] = qos
}

func (f *filterSet) remove(filter []byte) {
	if _, there := f.set[string(filter)]; there {
		delete(f.set, string(filter))
		f.bytes -= len(filter)
	}
}

// subscribe handles SUBSCRIBE and UNSUBSCRIBE (MQTT-SN 1.2 sections 5.4.15, 5.4.17).
func (g *Gateway) subscribe(now time.Time, n *node, p *mqttsn.Packet) {
	filter := p.Topic
	if p.Flags.TopicIDType() != mqttsn.NormalID {
		filter = g.topicName(n, p)
	}
	asked := subscription{
		kind: p.Type, filter: filter, qos: int8(min(max(p.Flags.QoS(), 0), 1)), // QoS 2 is granted 1
		msgID: p.MsgID, idType: p.Flags.TopicIDType(), topicID: p.TopicID,
	}
	if code, why := g.judgeFilter(n, &asked); why != NoReason {
		g.refuseFilter(now, n, &asked, code, why)
		return
	}
	if isLocal(filter) {
		g.suback(now, n, &asked, mqttsn.Accepted, 0)
		return
	}
	if i := slices.IndexFunc(n.pending, asked.same); i >= 0 {
		g.askedAgain(now, n, i, &asked)
		return
	}
	g.request(now, n, asked)
}

// same reports whether o is the same request, asked before: a retransmission,
// or what a board asks again after "congestion".
func (s *subscription) same(o subscription) bool {
	return s.kind == o.kind && s.qos == o.qos && (s.msgID == o.msgID || o.told) && bytes.Equal(s.filter, o.filter)
}

func (g *Gateway) judgeFilter(n *node, s *subscription) (mqttsn.ReturnCode, Reason) {
	switch {
	case s.filter == nil:
		return mqttsn.InvalidTopicID, ReasonInvalidTopicID
	case !mqttcore.ValidFilter(s.filter):
		return mqttsn.NotSupported, ReasonInvalidTopic
	case isLocal(s.filter), s.kind == mqttsn.Unsubscribe:
		return mqttsn.Accepted, NoReason
	case !g.cfg.Access.maySubscribe(s.filter):
		return mqttsn.NotSupported, ReasonForbidden
	case n.filters.full(s.filter):
		return mqttsn.Congestion, ReasonCongestion
	}
	return mqttsn.Accepted, NoReason
}

// request hands a new request to the MQTT session, unless it is a SUBSCRIBE and
// the broker is away. An UNSUBSCRIBE can wait there until it is back: the board
// need not, as no message comes meanwhile.
func (g *Gateway) request(now time.Time, n *node, s subscription) {
	if s.kind == mqttsn.Subscribe && !n.mqtt.takes() {
		g.refuseFilter(now, n, &s, mqttsn.Congestion, ReasonOffline)
		return
	}
	if len(n.pending) >= maxPending {
		// Those that the board was told about are kept for its convenience only.
		i := slices.IndexFunc(n.pending, func(s subscription) bool { return s.told })
		if i < 0 {
			g.refuseFilter(now, n, &s, mqttsn.Congestion, ReasonCongestion)
			return
		}
		n.pending = slices.Delete(n.pending, i, i+1)
	}
	g.token++
	n.mqtt.used, n.subscribed = true, true
	s.token, s.filter = g.token, bytes.Clone(s.filter)
	kind := SubscribeFilter
	if s.kind == mqttsn.Unsubscribe {
		kind = UnsubscribeFilter
		n.filters.remove(s.filter)
		g.changed(n)
		if s.told = !n.mqtt.takes(); s.told {
			g.suback(now, n, &s, mqttsn.Accepted, 0)
		}
	}
	n.pending = append(n.pending, s)
	g.command(Command{Kind: kind, Node: n.id, Token: s.token, Topic: s.filter, QoS: s.qos})
}

// askedAgain deals with a request that is on its way already.
func (g *Gateway) askedAgain(now time.Time, n *node, i int, asked *subscription) {
	s := &n.pending[i]
	s.msgID, s.idType, s.topicID = asked.msgID, asked.idType, asked.topicID
	switch {
	case s.done:
		g.suback(now, n, s, s.code, s.got)
		n.pending = slices.Delete(n.pending, i, i+1)
	case s.told && s.kind == mqttsn.Unsubscribe:
		g.suback(now, n, s, mqttsn.Accepted, 0)
	case !n.mqtt.takes():
		g.refuseFilter(now, n, s, mqttsn.Congestion, ReasonOffline)
	default:
		s.told = false // the answer is on its way
	}
}

// refuseFilter answers a request that comes to nothing, for now. UNSUBACK has
// no return code: the board asks again if none comes.
func (g *Gateway) refuseFilter(now time.Time, n *node, s *subscription, code mqttsn.ReturnCode, why Reason) {
	g.refused(n, s.kind, why)
	if s.kind == mqttsn.Subscribe || code != mqttsn.Congestion {
		g.suback(now, n, s, code, 0)
	}
}

// suback answers s.
func (g *Gateway) suback(now time.Time, n *node, s *subscription, code mqttsn.ReturnCode, qos byte) {
	if s.kind == mqttsn.Unsubscribe {
		g.reply(now, n.peer, &mqttsn.Packet{Type: mqttsn.UnsubAck, MsgID: s.msgID})
		return
	}
	p := mqttsn.Packet{Type: mqttsn.SubAck, Flags: mqttsn.Flags(0).WithQoS(int(qos)), MsgID: s.msgID, ReturnCode: code}
	if code == mqttsn.Accepted {
		p.TopicID = g.subscribedID(n, s)
	}
	g.reply(now, n.peer, &p)
}

// subscribedID returns the topic id that SUBACK tells: the one that PUBLISH
// will use, or 0x0000 where the filter names many topics or none needs an id.
func (g *Gateway) subscribedID(n *node, s *subscription) uint16 {
	switch {
	case bytes.ContainsAny(s.filter, "+#"):
		return 0
	case s.idType == mqttsn.PredefinedID:
		return s.topicID
	case s.idType == mqttsn.ShortName || g.fixedID(s.filter).fixed:
		return 0
	}
	if t := n.topics.add(s.filter, false, n.topicInFlight()); t != nil {
		t.known = true
		g.changed(n)
		return t.id
	}
	return 0 // the table is full: REGISTER will find a place when a message comes
}

// SubscribeResult is the broker's answer to a subscription.
type SubscribeResult uint8

const (
	// Granted means that SUBACK or UNSUBACK came.
	Granted SubscribeResult = iota
	// Failed means that the broker refused the filter.
	Failed
	// Unanswered means that the request was given up.
	Unanswered
)

// Subscribed says what became of the SubscribeFilter or UnsubscribeFilter
// command that token names; qos is what the broker granted.
func (g *Gateway) Subscribed(now time.Time, id NodeID, token uint64, result SubscribeResult, qos byte) {
	n := g.byID[id]
	if n == nil {
		return
	}
	i := slices.IndexFunc(n.pending, func(s subscription) bool { return s.token == token })
	if i < 0 {
		return // of an earlier board session
	}
	s := &n.pending[i]
	s.code, s.got = [...]mqttsn.ReturnCode{Granted: mqttsn.Accepted, Failed: mqttsn.NotSupported, Unanswered: mqttsn.Congestion}[result], min(qos, 1)
	if result == Granted && s.kind == mqttsn.Subscribe {
		n.filters.add(s.filter, min(qos, 1))
		g.changed(n)
	}
	g.revokedAt(n, s, result)
	if s.told && s.kind == mqttsn.Subscribe && result != Unanswered {
		s.done = true // the board will ask again
		return
	}
	switch {
	case s.told:
	case result == Granted:
		g.suback(now, n, s, s.code, s.got)
	default:
		g.refuseFilter(now, n, s, s.code, ReasonRejected)
	}
	n.pending = slices.Delete(n.pending, i, i+1)
	g.revoke(n)
	g.pump(now)
}

// tellPending answers what waits for a broker that has gone away.
func (g *Gateway) tellPending(now time.Time, n *node) {
	for i := range n.pending {
		s := &n.pending[i]
		switch {
		case s.told:
			continue
		case s.kind == mqttsn.Unsubscribe:
			g.suback(now, n, s, mqttsn.Accepted, 0)
		default:
			g.refuseFilter(now, n, s, mqttsn.Congestion, ReasonOffline)
		}
		s.told = true
	}
}
