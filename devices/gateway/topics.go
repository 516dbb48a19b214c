package gateway

import "bytes"

// maxTopics bounds the topic names one node can make the gateway remember.
const maxTopics = 1024

// topic is one entry of a node's topic table.
type topic struct {
	id    uint16
	name  []byte
	known bool // the board knows the id, in its present session
	given bool // the gateway chose to announce it; it may be given up for another
}

// topicTable maps topic ids to topic names for one node, both ways
// (MQTT-SN 1.2 section 6.5). Ids are given by the gateway, from 1 up to
// 0xFFFE; 0x0000 and 0xFFFF are reserved (section 5.3.11).
type topicTable struct {
	byID   map[uint16]*topic
	byName map[string]*topic
	last   uint16
	order  []uint16 // given topics, oldest first
}

func (t *topicTable) id(id uint16) *topic { return t.byID[id] }

func (t *topicTable) name(name []byte) *topic { return t.byName[string(name)] }

// add returns the entry for name, new or old, or nil if the table is full of
// topics that the board itself registered.
func (t *topicTable) add(name []byte, given bool) *topic {
	if e := t.byName[string(name)]; e != nil {
		e.given = e.given && given
		return e
	}
	if t.byID == nil {
		t.byID, t.byName = make(map[uint16]*topic), make(map[string]*topic)
	}
	if len(t.byID) >= maxTopics && !t.forgetOldest() {
		return nil
	}
	e := &topic{id: t.freeID(), name: bytes.Clone(name), given: given}
	t.byID[e.id], t.byName[string(e.name)] = e, e
	if given {
		t.order = append(t.order, e.id)
	}
	return e
}

func (t *topicTable) freeID() uint16 {
	for {
		t.last++
		if t.last == 0xFFFF {
			t.last = 1
		}
		if t.byID[t.last] == nil {
			return t.last
		}
	}
}

// forgetOldest gives up the oldest topic that only the gateway announced.
func (t *topicTable) forgetOldest() bool {
	for len(t.order) > 0 {
		e := t.byID[t.order[0]]
		t.order = t.order[1:]
		if e != nil && e.given {
			delete(t.byID, e.id)
			delete(t.byName, string(e.name))
			return true
		}
	}
	return false
}

// unlearn marks every id as unknown to the board: it may have rebooted.
func (t *topicTable) unlearn() {
	for _, e := range t.byID {
		e.known = false
	}
}

// clear forgets all topics, as CleanSession=1 asks.
func (t *topicTable) clear() { *t = topicTable{} }
