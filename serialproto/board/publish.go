package board

import (
	"errors"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Message is what the program wants to have published.
type Message struct {
	Topic  string // without wildcards; with QoS -1 predefined or two bytes long
	Data   []byte // copied
	QoS    int    // -1, 0 or 1
	Retain bool
	Token  uint64 // comes back in Published and Dropped
}

// What Publish returns when it refuses a message.
var (
	ErrTopic     = errors.New("board: invalid topic name")
	ErrQoS       = errors.New("board: QoS is not -1, 0 or 1")
	ErrQueueFull = errors.New("board: queue is full")
	ErrTooLong   = errors.New("board: message is longer than a frame")
)

// maxRefusals is how often an "invalid topic ID" is followed by REGISTER before
// the message is given up.
const maxRefusals = 5

// outgoing is a message of the program that the gateway does not have yet.
type outgoing struct {
	Message
	topic    *topic
	state    delivery
	msgID    uint16 // 0: none yet
	tries    int    // transmissions in the present session
	refusals int
	dup      bool      // the gateway may have seen it
	sent     time.Time // when the last transmission has left
}

// delivery says what a message waits for.
type delivery uint8

const (
	waiting delivery = iota // to be sent for the first time in the present session
	flying                  // sent, to be answered
	again                   // to be sent again
)

// Publish queues a message; it need not be connected for that. The errors are
// ErrTopic, ErrQoS, ErrQueueFull and ErrTooLong, and mean that the message is
// not queued.
func (b *Board) Publish(m Message) error {
	switch {
	case m.QoS < -1 || m.QoS > 1:
		return ErrQoS
	case !validTopic(m.Topic):
		return ErrTopic
	case b.Room() <= 0:
		return ErrQueueFull
	}
	b.out = mqttsn.Packet{Type: mqttsn.Publish, Data: m.Data}
	if b.out.Len() > b.cfg.MaxFrame {
		return ErrTooLong
	}
	t := b.topics.add(m.Topic)
	if t == nil {
		return ErrQueueFull // every topic is in use by a queued message
	}
	if m.QoS < 0 && t.kind == mqttsn.NormalID {
		return ErrTopic // without a session there are no normal ids (MQTT-SN 1.2 section 6.8)
	}
	t.used++
	o := b.newOutgoing()
	data := append(o.Data[:0], m.Data...)
	*o = outgoing{Message: m, topic: t}
	o.Topic, o.Data = t.name, data
	if m.QoS < 0 {
		b.loose = append(b.loose, o)
	} else {
		b.queue = append(b.queue, o)
	}
	return nil
}

// AskTime asks the gateway for the time; TimeReceived is the answer. An answer
// that is lost does not come again.
func (b *Board) AskTime() error { return b.Publish(Message{Topic: timeTopic}) }

func (b *Board) newOutgoing() *outgoing {
	if n := len(b.free); n > 0 {
		o := b.free[n-1]
		b.free = b.free[:n-1]
		return o
	}
	return new(outgoing)
}

// nextLoose puts a message of QoS -1 into b.out. It needs no session.
func (b *Board) nextLoose() bool {
	if len(b.loose) == 0 {
		return false
	}
	o := b.loose[0]
	b.fill(o)
	b.loose = remove(b.loose, 0)
	b.done(o, Event{Kind: Published, QoS: -1, Tries: 1})
	return true
}

// nextPublish puts the first message that may be sent into b.out. None passes
// another, and no QoS 1 message leaves while the window is full.
func (b *Board) nextPublish(now time.Time) bool {
	if now.Before(b.hold) {
		return false
	}
	for i, o := range b.queue {
		if o.state == flying {
			if i+1 >= b.cfg.Window {
				return false
			}
			continue
		}
		if o.topic.id == 0 {
			b.register(o.topic.name)
			return b.nextRequest(now)
		}
		b.fill(o)
		o.tries++
		if o.QoS == 0 {
			b.queue = remove(b.queue, i)
			b.done(o, Event{Kind: Published, Tries: o.tries})
			return true
		}
		o.state, o.dup = flying, true
		o.sent = b.leaves(now)
		return true
	}
	return false
}

// fill puts PUBLISH for o into b.out.
func (b *Board) fill(o *outgoing) {
	p := &b.out
	p.Type, p.TopicID, p.Data = mqttsn.Publish, o.topic.id, o.Data
	p.Flags = mqttsn.Flags(0).WithQoS(o.QoS).WithTopicIDType(o.topic.kind)
	if o.Retain {
		p.Flags |= mqttsn.Retain
	}
	if o.QoS < 1 {
		return
	}
	if o.msgID == 0 {
		o.msgID = b.nextMsgID()
	}
	p.MsgID = o.msgID
	if o.dup {
		p.Flags |= mqttsn.DUP
	}
}

// queueDeadline is when the oldest unanswered message is sent again.
func (b *Board) queueDeadline() time.Time {
	var d deadline
	for i, o := range b.queue {
		if o.state == flying {
			d.at(o.sent.Add(b.ack.value()))
		} else {
			d.at(b.hold)
		}
		if i >= b.cfg.Window {
			break
		}
	}
	return time.Time(d)
}

// advanceQueue sends again what was not answered in time. However many messages
// that are, it is one timeout.
func (b *Board) advanceQueue(now time.Time) {
	late := false
	for _, o := range b.queue[:min(len(b.queue), b.cfg.Window)] {
		if o.state == flying && !now.Before(o.sent.Add(b.ack.value())) {
			o.state, late = again, true
		}
	}
	if late {
		b.ack.backOff()
		b.timedOut(now)
	}
}

// resumeQueue starts a new session. With CleanSession the gateway has forgotten
// the messages that it has not acknowledged: they are new ones. Otherwise it may
// have them, and must be able to recognise them.
func (b *Board) resumeQueue() {
	for _, o := range b.queue {
		o.state, o.tries = waiting, 0
		if b.cfg.CleanSession {
			o.msgID, o.dup = 0, false
		}
	}
}

// pubAck handles PUBACK (MQTT-SN 1.2 section 5.4.13).
func (b *Board) pubAck(now time.Time, p *mqttsn.Packet) {
	if p.ReturnCode == mqttsn.InvalidTopicID {
		b.topics.unknown(p.TopicID) // it may answer QoS 0 too
	}
	i := b.find(p.MsgID)
	if i < 0 {
		return
	}
	o := b.queue[i]
	rtt := max(now.Sub(o.sent), 0)
	if o.tries == 1 && o.state == flying {
		b.ack.sample(rtt)
	}
	switch p.ReturnCode {
	case mqttsn.Accepted:
		b.queue = remove(b.queue, i)
		b.done(o, Event{Kind: Published, QoS: 1, Tries: o.tries, RTT: rtt})
	case mqttsn.Congestion:
		o.state = again
		b.congested(now, o.Token)
	case mqttsn.InvalidTopicID:
		if o.refusals++; o.topic.kind == mqttsn.NormalID && o.refusals < maxRefusals {
			o.state = again // after REGISTER
		} else {
			b.drop(i, p.ReturnCode)
		}
	default:
		b.drop(i, p.ReturnCode)
	}
}

// find returns where the message with that MsgId is in the queue, or -1.
func (b *Board) find(msgID uint16) int {
	for i, o := range b.queue {
		if o.msgID == msgID && o.tries > 0 && msgID != 0 {
			return i
		}
	}
	return -1
}

// dropTopic gives up the messages for a topic that the gateway refuses.
func (b *Board) dropTopic(name string, code mqttsn.ReturnCode) {
	for i := 0; i < len(b.queue); {
		if b.queue[i].Topic != name {
			i++
			continue
		}
		b.drop(i, code)
	}
}

// drop gives up message i of the queue.
func (b *Board) drop(i int, code mqttsn.ReturnCode) {
	o := b.queue[i]
	b.queue = remove(b.queue, i)
	b.done(o, Event{Kind: Dropped, QoS: o.QoS, Tries: o.tries, ReturnCode: code})
}

// done says what became of o, and forgets it.
func (b *Board) done(o *outgoing, e Event) {
	e.Topic, e.Data, e.Token = o.Topic, o.Data, o.Token
	b.event(e)
	o.topic.used--
	o.topic = nil
	b.free = append(b.free, o)
}

// remove takes element i out of q and keeps the order.
func remove(q []*outgoing, i int) []*outgoing {
	copy(q[i:], q[i+1:])
	q[len(q)-1] = nil
	return q[:len(q)-1]
}
