package board

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// request is a REGISTER, SUBSCRIBE, UNSUBSCRIBE, WILLTOPICUPD or WILLMSGUPD. One
// of them at a time waits for its answer (MQTT-SN 1.2 sections 6.5 and 6.9).
type request struct {
	kind  mqttsn.Type // 0: there is none
	topic string      // name or filter
	qos   int
	will  *Will  // the will that there will be, for its updates
	msgID uint16 // 0 for updates of the will
	due   bool   // to be sent
	tries int
	sent  time.Time
}

// ErrFilter means that a filter is not one: empty, or with + or # in the wrong
// place.
var ErrFilter = errors.New("board: invalid topic filter")

// Subscribe asks for the messages that filter matches, with QoS 0 or 1. The
// board asks again in every session that does not remember it.
func (b *Board) Subscribe(filter string, qos int) error {
	if !validFilter(filter) || qos < 0 || qos > 1 {
		return ErrFilter
	}
	r := request{kind: mqttsn.Subscribe, topic: strings.Clone(filter), qos: qos}
	b.forgetFilter(filter)
	b.filters = append(b.filters, r)
	switch b.state {
	case active, dozing, asleep, awake:
		b.wishes = append(b.wishes, r)
	}
	return nil
}

// Unsubscribe takes back a Subscribe.
func (b *Board) Unsubscribe(filter string) error {
	if !validFilter(filter) {
		return ErrFilter
	}
	b.forgetFilter(filter)
	b.wishes = append(b.wishes, request{kind: mqttsn.Unsubscribe, topic: strings.Clone(filter)})
	return nil
}

func (b *Board) forgetFilter(filter string) {
	b.filters = slices.DeleteFunc(b.filters, func(r request) bool { return r.topic == filter })
}

// register asks for the id of a topic name, if nothing else is asked for.
func (b *Board) register(name string) {
	if b.request.kind == 0 {
		b.request = request{kind: mqttsn.Register, topic: name, msgID: b.nextMsgID(), due: true}
	}
}

// resumeRequests starts a new session. If the old one goes on, only what was
// not answered is asked for again. The new session has been told of the will, but
// not of what was to become of it.
func (b *Board) resumeRequests(present bool) {
	open := b.request
	b.request = request{}
	if open.kind != 0 && open.kind != mqttsn.Register {
		open = request{kind: open.kind, topic: open.topic, qos: open.qos, will: open.will}
		b.wishes = slices.Insert(b.wishes, 0, open)
	}
	if !present {
		b.wishes = slices.DeleteFunc(b.wishes, func(r request) bool { return r.will == nil })
		b.wishes = slices.Insert(b.wishes, 0, b.filters...)
	}
}

// nextRequest puts the request that is due into b.out.
func (b *Board) nextRequest(now time.Time) bool {
	if b.request.kind == 0 && len(b.wishes) > 0 && !now.Before(b.askAgain) {
		b.request = b.wishes[0]
		if b.request.due = true; b.request.will == nil {
			b.request.msgID = b.nextMsgID()
		}
		b.wishes = slices.Delete(b.wishes, 0, 1)
	}
	r, p := &b.request, &b.out
	if !r.due || now.Before(b.hold) {
		return false
	}
	p.Type, p.MsgID = r.kind, r.msgID
	b.fillRequest()
	r.due = false
	r.tries++
	r.sent = b.leaves(now)
	return true
}

// fillRequest puts what the request says into b.out.
func (b *Board) fillRequest() {
	r, p := &b.request, &b.out
	if r.will != nil {
		r.will.fill(p)
		return
	}
	p.Topic = append(p.Topic, r.topic...)
	if r.kind != mqttsn.Register {
		kind, id := b.shortest(r.topic)
		p.Flags, p.TopicID = p.Flags.WithTopicIDType(kind), id
	}
	if r.kind == mqttsn.Subscribe {
		p.Flags = p.Flags.WithQoS(r.qos)
		if r.tries > 0 {
			p.Flags |= mqttsn.DUP
		}
	}
}

// shortest returns how SUBSCRIBE and UNSUBSCRIBE name a filter: by predefined
// id, as a short topic name, or else by name.
func (b *Board) shortest(filter string) (mqttsn.TopicIDType, uint16) {
	t := b.topics.byName[filter]
	switch {
	case t != nil && t.kind == mqttsn.PredefinedID:
		return mqttsn.PredefinedID, t.id
	case len(filter) == 2 && validTopic(filter):
		return mqttsn.ShortName, mqttsn.ShortTopic(filter[0], filter[1])
	}
	return mqttsn.NormalID, 0
}

func (b *Board) requestTimer() *rto {
	if b.request.kind == mqttsn.Register {
		return &b.line
	}
	return &b.ack
}

func (b *Board) advanceRequest(now time.Time) {
	r := &b.request
	if r.kind == 0 || r.due || now.Before(r.sent.Add(b.requestTimer().value())) {
		return
	}
	b.requestTimer().backOff()
	b.timedOut(now)
	r.due = true
}

func (b *Board) requestDeadline() time.Time {
	switch {
	case b.request.kind == 0 && len(b.wishes) > 0:
		return b.askAgain
	case b.request.kind == 0:
		return time.Time{}
	case b.request.due:
		return b.hold
	}
	return b.request.sent.Add(b.requestTimer().value())
}

// answered reports whether p answers the open request with that kind, and if
// it does takes the request back.
func (b *Board) answered(now time.Time, kind mqttsn.Type, p *mqttsn.Packet) (request, bool) {
	r := b.request
	if r.kind != kind || r.msgID != p.MsgID || r.tries == 0 {
		return request{}, false
	}
	if r.tries == 1 {
		b.requestTimer().sample(now.Sub(r.sent))
	}
	if p.ReturnCode == mqttsn.Congestion {
		b.putOff(now)
		return request{}, false
	}
	b.request = request{}
	return r, true
}

// putOff keeps the request that was answered "congestion" for later. What only the
// broker can answer may have to wait for long: it must not keep a topic from being
// registered meanwhile, nor messages from being published.
func (b *Board) putOff(now time.Time) {
	r := &b.request
	if r.kind == mqttsn.Register {
		r.due = true
		b.congested(now, 0)
		return
	}
	b.wishes = slices.Insert(b.wishes, 0, request{kind: r.kind, topic: r.topic, qos: r.qos, will: r.will})
	b.request = request{}
	b.askAgain = now.Add(congestionWait)
	b.event(Event{Kind: Congested})
}

// congested makes the board hold its tongue for a while.
func (b *Board) congested(now time.Time, token uint64) {
	b.hold = now.Add(congestionWait)
	b.event(Event{Kind: Congested, Token: token})
}

// regAck handles REGACK (MQTT-SN 1.2 section 5.4.11).
func (b *Board) regAck(now time.Time, p *mqttsn.Packet) {
	r, ok := b.answered(now, mqttsn.Register, p)
	if !ok {
		return
	}
	switch {
	case p.ReturnCode != mqttsn.Accepted:
		b.dropTopic(r.topic, p.ReturnCode)
	case !assignable(p.TopicID):
		b.dropTopic(r.topic, mqttsn.InvalidTopicID)
	case b.topics.learn(r.topic, p.TopicID):
		b.event(Event{Kind: Registered, Topic: r.topic, TopicID: p.TopicID})
	}
}

// subAck handles SUBACK (MQTT-SN 1.2 section 5.4.16).
func (b *Board) subAck(now time.Time, p *mqttsn.Packet) {
	r, ok := b.answered(now, mqttsn.Subscribe, p)
	if !ok {
		return
	}
	if p.ReturnCode != mqttsn.Accepted {
		b.forgetFilter(r.topic)
	} else if kind, _ := b.shortest(r.topic); kind == mqttsn.NormalID && assignable(p.TopicID) && validTopic(r.topic) {
		b.topics.learn(r.topic, p.TopicID) // "if the topic name has no wildcard" (section 5.4.16)
	}
	b.event(Event{Kind: Subscribed, Topic: r.topic, QoS: p.Flags.QoS(), ReturnCode: p.ReturnCode, TopicID: p.TopicID})
}

// unsubAck handles UNSUBACK (MQTT-SN 1.2 section 5.4.18).
func (b *Board) unsubAck(now time.Time, p *mqttsn.Packet) {
	if r, ok := b.answered(now, mqttsn.Unsubscribe, p); ok {
		b.event(Event{Kind: Unsubscribed, Topic: r.topic})
	}
}

// validFilter reports whether filter is a topic filter (MQTT 3.1.1 section 4.7):
// + and # stand alone in their level, # in the last one.
func validFilter(filter string) bool {
	if filter == "" || strings.Contains(filter, "\x00") {
		return false
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level != "+" && level != "#" && strings.ContainsAny(level, "+#") || level == "#" && i < len(levels)-1 {
			return false
		}
	}
	return true
}
