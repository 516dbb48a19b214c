package board

import (
	"maps"
	"slices"
	"strings"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// timeTopic is answered by the gateway itself, with Unix time in milliseconds.
const timeTopic = "$umqttd/time"

// topic is a topic name and how a message says it.
type topic struct {
	name string
	kind mqttsn.TopicIDType
	id   uint16 // 0: the gateway has not given one
	used int    // queued messages and requests that need it
}

// topics is what the board knows of topic names and ids. Normal ids belong to
// one session: the gateway may give others in the next.
type topics struct {
	byName     map[string]*topic
	byID       map[uint16]*topic // normal ids
	predefined map[uint16]*topic
	list       []*topic // all but the predefined, oldest first
	max        int      // of list
}

func newTopics(predefined map[uint16]string, limit int) topics {
	t := topics{
		byName:     make(map[string]*topic),
		byID:       make(map[uint16]*topic),
		predefined: make(map[uint16]*topic, len(predefined)),
		max:        limit,
	}
	for id, name := range predefined {
		p := &topic{name: name, kind: mqttsn.PredefinedID, id: id}
		t.byName[name], t.predefined[id] = p, p
	}
	return t
}

// add returns the topic with that name, or nil if there is no room for it.
func (t *topics) add(name string) *topic {
	if known := t.byName[name]; known != nil {
		return known
	}
	if len(t.list) >= t.max && !t.evict() {
		return nil
	}
	n := &topic{name: strings.Clone(name)}
	if len(name) == 2 { // a short topic name stands for itself (MQTT-SN 1.2 section 6.7)
		n.kind, n.id = mqttsn.ShortName, mqttsn.ShortTopic(name[0], name[1])
	}
	t.byName[n.name] = n
	t.list = append(t.list, n)
	return n
}

// evict makes room by forgetting the oldest topic that nothing needs. If the
// gateway uses its id again it is told that the id is invalid, and REGISTERs.
func (t *topics) evict() bool {
	i := slices.IndexFunc(t.list, func(n *topic) bool { return n.used == 0 })
	if i < 0 {
		return false
	}
	n := t.list[i]
	maps.DeleteFunc(t.byID, func(_ uint16, known *topic) bool { return known == n })
	delete(t.byName, n.name)
	t.list = slices.Delete(t.list, i, i+1)
	return true
}

// learn notes that the gateway calls that topic id. It reports whether there
// was room.
func (t *topics) learn(name string, id uint16) bool {
	n := t.add(name)
	if n == nil {
		return false
	}
	if old := t.byID[id]; old != nil && old != n {
		old.forget()
	}
	if n.kind == mqttsn.NormalID {
		if t.byID[n.id] == n {
			delete(t.byID, n.id)
		}
		n.id = id
	}
	t.byID[id] = n
	return true
}

// forget makes the board REGISTER the topic before it uses it again.
func (n *topic) forget() {
	if n.kind == mqttsn.NormalID {
		n.id = 0
	}
}

// forgetAll forgets every id that the gateway has given.
func (t *topics) forgetAll() {
	for _, n := range t.byID {
		n.forget()
	}
	clear(t.byID)
}

// unknown notes that the gateway does not know id.
func (t *topics) unknown(id uint16) {
	if n := t.byID[id]; n != nil {
		n.forget()
		delete(t.byID, id)
	}
}

// name returns the topic name of a PUBLISH, or "" if the board does not know.
func (t *topics) name(p *mqttsn.Packet) string {
	var n *topic
	switch p.Flags.TopicIDType() {
	case mqttsn.NormalID:
		n = t.byID[p.TopicID]
	case mqttsn.PredefinedID:
		n = t.predefined[p.TopicID]
	case mqttsn.ShortName:
		short := [2]byte{byte(p.TopicID >> 8), byte(p.TopicID)}
		if n = t.byName[string(short[:])]; n == nil {
			return string(short[:])
		}
	}
	if n == nil {
		return ""
	}
	return n.name
}

// assignable reports whether a gateway may give that id to a topic: 0x0000 and
// 0xFFFF are reserved (MQTT-SN 1.2 section 5.3.11).
func assignable(id uint16) bool { return id != 0 && id != 0xFFFF }

// validTopic reports whether a message can be published there.
func validTopic(name string) bool {
	return name != "" && !strings.ContainsAny(name, "+#\x00")
}
