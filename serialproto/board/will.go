package board

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Will is the message that the broker publishes for a board that is gone.
type Will struct {
	Topic   string // empty deletes the will of a kept session
	Message []byte
	QoS     int // 0 or 1
	Retain  bool
}

// check returns what is wrong with w, or nil.
func (w *Will) check() error {
	switch {
	case w.QoS < 0 || w.QoS > 1:
		return ErrQoS
	case w.Topic != "" && !validTopic(w.Topic):
		return ErrTopic
	}
	return nil
}

// fill puts what the message in p says of the will into it.
func (w *Will) fill(p *mqttsn.Packet) {
	switch p.Type {
	case mqttsn.WillTopic, mqttsn.WillTopicUpd:
		p.Topic = append(p.Topic, w.Topic...)
		p.Flags = p.Flags.WithQoS(w.QoS)
		if w.Retain {
			p.Flags |= mqttsn.Retain
		}
	case mqttsn.WillMsg, mqttsn.WillMsgUpd:
		p.Data = w.Message
	}
}

// UpdateWillTopic changes topic, QoS and Retain of the will that the gateway has
// (MQTT-SN 1.2 section 6.4). An empty topic deletes the will. WillTopicUpdated
// follows. The errors are ErrTopic, ErrQoS and ErrTooLong.
func (b *Board) UpdateWillTopic(topic string, qos int, retain bool) error {
	w := &Will{Topic: strings.Clone(topic), QoS: qos, Retain: retain}
	if err := w.check(); err != nil {
		return err
	}
	return b.updateWill(mqttsn.WillTopicUpd, w)
}

// UpdateWillMessage changes the message of the will that the gateway has, which
// is copied (MQTT-SN 1.2 section 6.4). WillMessageUpdated follows. The error is
// ErrTooLong.
func (b *Board) UpdateWillMessage(message []byte) error {
	return b.updateWill(mqttsn.WillMsgUpd, &Will{Message: bytes.Clone(message)})
}

// updateWill queues an update. It overtakes nothing, but takes the place of one
// of its kind that was not sent.
func (b *Board) updateWill(kind mqttsn.Type, w *Will) error {
	b.out = mqttsn.Packet{Type: kind}
	w.fill(&b.out)
	if b.out.Len() > b.cfg.MaxFrame {
		return ErrTooLong
	}
	b.wishes = slices.DeleteFunc(b.wishes, func(r request) bool { return r.kind == kind })
	b.wishes = append(b.wishes, request{kind: kind, will: w})
	return nil
}

// willUpdated handles WILLTOPICRESP and WILLMSGRESP. They carry no MsgId: they
// answer the only update that is outstanding.
func (b *Board) willUpdated(now time.Time, p *mqttsn.Packet) {
	kind, e := mqttsn.WillTopicUpd, Event{Kind: WillTopicUpdated, ReturnCode: p.ReturnCode}
	if p.Type == mqttsn.WillMsgResp {
		kind, e.Kind = mqttsn.WillMsgUpd, WillMessageUpdated
	}
	r, ok := b.answered(now, kind, p)
	if !ok {
		return
	}
	if p.ReturnCode == mqttsn.Accepted {
		b.adoptWill(kind, r.will)
	}
	e.Topic = r.will.Topic
	b.event(e)
}

// adoptWill makes the next CONNECT say what the update said. A board that leaves
// its will to a kept session goes on doing so: it does not know all of it.
func (b *Board) adoptWill(kind mqttsn.Type, update *Will) {
	w := Will{}
	switch {
	case b.cfg.Will != nil:
		w = *b.cfg.Will // the program's own stays as it is
	case !b.cfg.CleanSession:
		return
	}
	if kind == mqttsn.WillTopicUpd {
		w.Topic, w.QoS, w.Retain = update.Topic, update.QoS, update.Retain
	} else {
		w.Message = update.Message
	}
	b.cfg.Will = &w
	if w.Topic == "" {
		b.cfg.Will = nil // deleted, and so not kept by the gateway either
		b.handshake.next = 0
	}
}
