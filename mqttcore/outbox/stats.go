package outbox

import (
	"cmp"
	"slices"
	"time"
)

// Stats are the sums over a log.
type Stats struct {
	Messages    int       // waiting
	Bytes       int64     // of their records
	Oldest      time.Time // when the oldest of them was accepted; zero if there is none
	Clients     int       // with messages waiting
	Quarantined int
	Segments    int
	DiskBytes   int64  // of all segments
	MaxBytes    int64  // bound of DiskBytes, but for what Config.MaxBytes says
	Damaged     uint64 // places found damaged since Open
}

// Stats returns the sums. Its time grows with the number of clients.
func (l *Log) Stats() Stats {
	s := Stats{
		Messages:    l.msgs,
		Bytes:       l.size,
		Quarantined: len(l.quarantine),
		Segments:    len(l.segs),
		MaxBytes:    l.cfg.MaxBytes,
		Damaged:     l.damage.total,
	}
	for _, seg := range l.segs {
		s.DiskBytes += int64(seg.size)
	}
	first := uint64(0)
	for _, c := range l.clients {
		seq, oldest := c.first()
		if seq == 0 {
			continue
		}
		s.Clients++
		if first == 0 || seq < first {
			first, s.Oldest = seq, moment(oldest)
		}
	}
	return s
}

// Client is a client that has something in the log.
type Client struct {
	Client      string
	Messages    int       // waiting
	Bytes       int64     // of their records
	First, Last uint64    // numbers of the oldest and the newest message, 0 if there is none
	Oldest      time.Time // when the oldest was accepted; zero if there is none
	State       bool      // a state is stored
}

// Clients returns all clients with messages or a state, by name. What is in the
// open commit does not count.
func (l *Log) Clients() []Client {
	var list []Client
	for _, c := range l.sorted() {
		if c.n == 0 && c.state.seg == nil {
			continue
		}
		first, oldest := c.first()
		list = append(list, Client{
			Client: c.name, Messages: c.n, Bytes: c.size,
			First: first, Last: c.last(), Oldest: moment(oldest),
			State: c.state.seg != nil,
		})
	}
	return list
}

// sorted returns the clients by name, so that everything happens in the same
// order every time.
func (l *Log) sorted() []*client {
	list := make([]*client, 0, len(l.clients))
	for _, c := range l.clients {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *client) int { return cmp.Compare(a.name, b.name) })
	return list
}
