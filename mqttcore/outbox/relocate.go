package outbox

// relocate makes the copies count instead of the originals. What was not found
// to be copied has rotted.
func (m *mover) relocate() {
	lost := map[*client]int{}
	for _, c := range m.clients {
		for i := range c.runs {
			if c.runs[i].seg == m.victim {
				lost[c] = c.runs[i].n
				m.dropRun(c, i)
				break
			}
		}
	}
	for i, it := range m.done {
		p := m.places[i]
		switch it.kind {
		case kindMessage:
			m.add(it.c, p.seg, it.seq, it.size, it.time)
			lost[it.c]--
		case kindState:
			m.release(it.c.state)
			it.c.state = p
			m.keep(p)
		case kindQuarantine:
			m.moveQuarantined(p)
		case kindAck, kindMoved:
		}
	}
	m.moves[uint32(m.victim.number)] = m.start
	for _, c := range m.sorted() {
		if n := lost[c]; n > 0 {
			m.damage.add(Damage{File: m.path(m.victim.number), Client: c.name, Messages: n})
		}
		if c.state.seg == m.victim {
			m.damage.add(m.damageAt(c.state, c.name))
			m.release(c.state)
			c.state = place{}
		}
		m.forget(c)
	}
	m.loseQuarantined()
}

// moveQuarantined notes the new place of a record by its number.
func (m *mover) moveQuarantined(p place) {
	for i := range m.quarantine {
		if q := &m.quarantine[i]; q.seg == m.victim && q.seq == p.seq {
			m.release(q.place)
			q.place = p
			m.keep(p)
		}
	}
}

// loseQuarantined drops those that could not be moved.
func (m *mover) loseQuarantined() {
	kept := m.quarantine[:0]
	for _, q := range m.quarantine {
		if q.seg != m.victim {
			kept = append(kept, q)
			continue
		}
		m.damage.add(m.damageAt(q.place, q.client))
		m.release(q.place)
		m.quarantineBytes -= int64(q.size)
	}
	m.quarantine = kept
}
