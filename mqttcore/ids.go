package mqttcore

// ids hands out packet identifiers, 1 to 65535, upwards and around. PUBLISH,
// SUBSCRIBE and UNSUBSCRIBE share them. [MQTT-2.3.1-1] [MQTT-2.3.1-2]
//
// It keeps no table of those in use, but the number of unused ones that follow
// the last: acknowledgements only ever make that better, so the queues are
// searched once in a long run of identifiers, not for each.
type ids struct {
	last  uint16 // handed out last
	clear uint16 // identifiers behind last that are known to be unused
}

const (
	idCount  = 65535 // packet identifiers there are
	idWindow = 4096  // looked at in one search
)

// take returns an identifier that no item of the queues has, or 0 if there is
// none.
func (s *ids) take(publishes, requests *list) uint16 {
	for looked := 0; s.clear == 0; looked += idWindow {
		if looked > idCount {
			return 0
		}
		s.search(publishes, requests)
	}
	s.clear--
	s.last = idAfter(s.last, 1)
	return s.last
}

// search moves last over the identifiers behind it that are in use, and counts
// the unused ones that follow, within the window.
func (s *ids) search(publishes, requests *list) {
	var used [idWindow / 64]uint64 // one bit each
	for _, l := range [...]*list{publishes, requests} {
		for it := l.head; it != nil; it = it.next {
			if it.id == 0 {
				continue
			}
			if d := (int(it.id) - int(s.last) - 1 + idCount) % idCount; d < idWindow {
				used[d/64] |= 1 << (d % 64)
			}
		}
	}
	inUse := func(i int) bool { return used[i/64]>>(i%64)&1 != 0 }
	i := 0
	for i < idWindow && inUse(i) {
		i++
	}
	s.last = idAfter(s.last, i)
	for i < idWindow && !inUse(i) {
		i++
		s.clear++
	}
}

// idAfter returns the identifier n places after id; 0 counts as 65535.
func idAfter(id uint16, n int) uint16 {
	return uint16((int(id)-1+n+idCount)%idCount + 1)
}
