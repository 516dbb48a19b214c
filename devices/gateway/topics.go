package gateway

import (
	"bytes"
	"slices"
)

// What one node can make the gateway remember of topic names.
const (
	maxTopics     = 1024
	maxTopicBytes = 64 << 10 // of all names together; a single one always fits
)

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
	order  []*topic // oldest first
	bytes  int      // of all names
}

func (t *topicTable) id(id uint16) *topic { return t.byID[id] }

func (t *topicTable) name(name []byte) *topic { return t.byName[string(name)] }

// add returns the entry for name, new or old, or nil if the table is full of
// topics that the board needs. inUse is the topic of the message on its way to
// the board, which is not given up.
func (t *topicTable) add(name []byte, given bool, inUse []byte) *topic {
	if e := t.byName[string(name)]; e != nil {
		e.given = e.given && given
		return e
	}
	if t.byID == nil {
		t.byID, t.byName = make(map[uint16]*topic), make(map[string]*topic)
	}
	for len(t.order) > 0 && (len(t.order) >= maxTopics || t.bytes+len(name) > maxTopicBytes) {
		if !t.giveUpOldest(inUse) {
			return nil
		}
	}
	e := &topic{id: t.freeID(), name: bytes.Clone(name), given: given}
	t.byID[e.id], t.byName[string(e.name)] = e, e
	t.order = append(t.order, e)
	t.bytes += len(name)
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

// giveUpOldest makes room: by the oldest topic that only the gateway announced,
// or that the board has not used since it connected. A board that uses its id
// all the same is told that it is invalid, and registers the name again.
func (t *topicTable) giveUpOldest(inUse []byte) bool {
	i := slices.IndexFunc(t.order, func(e *topic) bool {
		return (e.given || !e.known) && !bytes.Equal(e.name, inUse)
	})
	if i < 0 {
		return false
	}
	e := t.order[i]
	t.order = slices.Delete(t.order, i, i+1)
	delete(t.byID, e.id)
	delete(t.byName, string(e.name))
	t.bytes -= len(e.name)
	return true
}

// unlearn marks every id as unknown to the board: it may have rebooted.
func (t *topicTable) unlearn() {
	for _, e := range t.order {
		e.known = false
	}
}

// clear forgets all topics, as CleanSession=1 asks.
func (t *topicTable) clear() { *t = topicTable{} }

// restore enters a topic under the id that it had before a restart. The board
// may not know it any more.
func (t *topicTable) restore(id uint16, name []byte) {
	if id == 0 || id == 0xFFFF || t.byID[id] != nil || t.byName[string(name)] != nil {
		return
	}
	t.last = id - 1
	t.add(name, false, nil)
}

// skip leaves n ids out before the next one.
func (t *topicTable) skip(n uint16) {
	if len(t.order) > 0 {
		t.last = uint16((uint32(t.last) + uint32(n)) % 0xFFFE)
	}
}
