package devices

import (
	"bytes"
	"errors"
	"slices"

	"github.com/umqttd/umqttd/mqttcore"
)

// Announcements are retained messages of the gateway by which somebody else, Home
// Assistant, learns of its devices. They say what is announced in the end: whatever else
// the gateway has announced before, in this run or another one, is taken back.
//
// What it has announced only the broker knows, and the broker is asked: there is no file
// that could say something else.
type Announcements struct {
	// Wanted: there is something to announce, so it matters if it cannot be.
	Wanted bool

	// Messages are payloads by topic.
	Messages map[string][]byte

	// Earlier are the filters of everything that the gateway may have announced; a
	// message there that is Ours and none of Messages is removed.
	Earlier []string
	Ours    func(payload []byte) bool

	// Status are topics on which the other side says "online" when it has started, and
	// wants to be told again.
	Status []string
}

// Announce replaces what is announced; nil is nothing.
func (o *Own) Announce(a *Announcements) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.announced
	o.announced = a
	if before != nil {
		for topic := range before.Messages {
			if !a.has(topic) {
				o.withdrawn[topic] = true
			}
		}
	}
	if a != nil && a.Wanted && o.session != nil && o.session.looks.never {
		o.session.looks, before = looks{asked: make(map[string]bool)}, nil // perhaps the broker lets it now
	}
	if !o.connected() {
		return // said when the broker is back
	}
	o.withdraw()
	o.announce(before)
	o.listen(o.session)
}

func (a *Announcements) has(topic string) bool {
	if a == nil {
		return false
	}
	_, ok := a.Messages[topic]
	return ok
}

// announce publishes what differs from before; all with nil. Call it with the lock held
// and a connection.
func (o *Own) announce(before *Announcements) {
	if o.announced == nil || o.session.looks.never {
		return
	}
	for topic, payload := range o.announced.Messages {
		delete(o.withdrawn, topic)
		if before.has(topic) && bytes.Equal(before.Messages[topic], payload) {
			continue
		}
		o.retain([]byte(topic), payload)
	}
}

// withdraw removes what is announced no more. Call it with the lock held and a connection.
func (o *Own) withdraw() {
	if o.session.looks.never {
		return
	}
	for topic := range o.withdrawn {
		if !o.announced.has(topic) {
			o.retain([]byte(topic), nil)
		}
	}
	clear(o.withdrawn)
}

func (o *Own) retain(topic, payload []byte) {
	o.token++
	err := o.session.client.PublishAsync(mqttcore.Message{Topic: topic, Payload: payload, QoS: 1, Retain: true}, o.token)
	if err != nil {
		o.log.Warn("not announced", "topic", string(topic), "err", err)
		return
	}
	o.unsettled[o.token] = true
}

// settled reports whether a message was an announcement, and notes what became of it. Call
// it with the lock held.
func (o *Own) settled(c mqttcore.Completion) bool {
	if !o.unsettled[c.Token] {
		return false
	}
	delete(o.unsettled, c.Token)
	if s := o.session; c.Err == nil && s != nil && len(o.unsettled) == 0 && s.looks.waiting == 0 {
		s.looks.cut = 0
	}
	return true
}

// looks is how a session gets on with announcements.
type looks struct {
	asked   map[string]bool // filters
	waiting int             // for answers of the broker
	cut     int             // connections that ended meanwhile
	never   bool            // leaves them alone
}

// mostCuts is how often in a row the broker may hang up on announcements.
const mostCuts = 3

// listen subscribes what tells of earlier announcements and of a start of Home Assistant.
// Call it with the lock held and a connection.
func (o *Own) listen(s *OwnSession) {
	a := o.announced
	if a == nil || s.looks.never {
		return
	}
	filters := a.Earlier
	if a.Wanted {
		filters = slices.Concat(a.Earlier, a.Status)
	}
	for _, filter := range filters {
		if s.looks.asked[filter] {
			continue
		}
		s.looks.asked[filter] = true
		if err := s.client.SubscribeAsync([]byte(filter), 1, 0); err != nil {
			o.log.Warn("announcements of before are not looked for", "filter", filter, "err", err)
			continue
		}
		s.looks.waiting++
	}
}

// listened takes the broker's answer to listen.
func (o *Own) listened(s *OwnSession, c mqttcore.SubCompletion) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !c.Again {
		s.looks.waiting--
	}
	if errors.Is(c.Err, mqttcore.ErrSubscriptionRefused) && o.announced != nil && o.announced.Wanted {
		o.log.Warn("the broker lets the gateway not subscribe what Home Assistant's discovery takes: earlier announcements stay", "err", c.Err)
	}
}

// unanswered notes that the connection ended. Some brokers hang up on who subscribes or
// publishes what he may not, mosquitto among them. Boards' statuses shall not suffer from
// it: the gateway goes on without announcements, until the next reload. It takes a new
// session, since a client repeats a request until it is answered. Call it with the lock
// held.
func (o *Own) unanswered(s *OwnSession) {
	if s.looks.waiting == 0 && len(o.unsettled) == 0 || o.session != s || o.announced == nil {
		return
	}
	if s.looks.cut++; s.looks.cut < mostCuts {
		return
	}
	next, err := o.Session(s.name, s.base)
	if err != nil {
		return // as with the same before, it cannot fail
	}
	next.looks.never = true
	if o.announced.Wanted {
		o.log.Error("the broker hangs up on announcements to Home Assistant, so there are none until the next reload; let the gateway's user publish and subscribe them",
			"topics", o.announced.Earlier)
	} else {
		o.log.Info("the broker hangs up when the gateway looks for what it has announced earlier; it looks no more")
	}
	o.use(next)
}

// heard takes what comes to the filters of listen.
func (o *Own) heard(s *OwnSession, m mqttcore.Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.announced
	if a == nil || o.session != s || !s.up {
		return
	}
	topic := string(m.Topic)
	if slices.Contains(a.Status, topic) {
		// A retained one was said before: all has been announced since.
		if !m.Retain && string(m.Payload) == online && a.Wanted {
			o.log.Info("devices are announced again, since Home Assistant has started")
			o.announce(nil)
		}
		return
	}
	if m.Retain && len(m.Payload) > 0 && !a.has(topic) && a.Ours(m.Payload) {
		o.log.Info("announcement of an earlier configuration removed", "topic", topic)
		o.retain(m.Topic, nil)
	}
}
