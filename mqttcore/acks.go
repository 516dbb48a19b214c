package mqttcore

// acks holds the PUBACKs that the client owes for messages it has received, in
// the order of arrival, which is the order they leave in [MQTT-4.6.0-2]. One
// leaves when the application has released its message and all before it.
//
// Every message gets an ID that no other ever has, on any connection. A new
// connection owes nothing for the old one, so that an ID from before it finds
// no place here, and no acknowledgement crosses over.
type acks struct {
	ring  []ack  // from head on
	head  int    // of ring
	first uint64 // ID of ring[head]
}

type ack struct {
	id       uint16 // the broker's packet identifier
	released bool
}

// add notes a message that was received, and returns its ID.
func (a *acks) add(id uint16) uint64 {
	if a.head > 0 && len(a.ring) == cap(a.ring) {
		a.ring = a.ring[:copy(a.ring, a.ring[a.head:])]
		a.head = 0
	}
	a.ring = append(a.ring, ack{id: id})
	if a.first == 0 {
		a.first = 1
	}
	return a.first + uint64(a.owed()) - 1
}

// owed returns the number of messages without PUBACK.
func (a *acks) owed() int { return len(a.ring) - a.head }

// release allows the PUBACK of a message. It reports whether the ID is of this
// connection and was not released before.
func (a *acks) release(id uint64) bool {
	if id < a.first || id-a.first >= uint64(a.owed()) {
		return false
	}
	p := &a.ring[a.head+int(id-a.first)]
	was := p.released
	p.released = true
	return !was
}

// due reports whether next would return a packet identifier.
func (a *acks) due() bool { return a.head < len(a.ring) && a.ring[a.head].released }

// next returns the packet identifier of the PUBACK to send now, and forgets
// it. The caller has checked due.
func (a *acks) next() uint16 {
	id := a.ring[a.head].id
	a.head++
	a.first++
	if a.head == len(a.ring) {
		a.ring, a.head = a.ring[:0], 0
	}
	return id
}

// trim gives memory back that an idle connection does not need.
func (a *acks) trim() {
	if a.owed() == 0 {
		a.ring, a.head = nil, 0
	}
}

// clear ends the connection.
func (a *acks) clear() {
	a.first += uint64(a.owed())
	a.ring, a.head = nil, 0
}
