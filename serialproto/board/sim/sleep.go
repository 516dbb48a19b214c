package sim

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// rise wakes a board that sleeps if it is time: to publish, or to ask for
// messages. It reports whether the board can publish now.
func (p *program) rise(now time.Time, b *board.Board) bool {
	switch {
	case !b.Asleep():
	case p.due(now):
		b.Start(now)
	case !now.Before(p.wake):
		b.Wake(now)
	}
	return b.Connected()
}

// due reports whether there is something to publish.
func (p *program) due(now time.Time) bool {
	for i := range p.sources {
		if s := &p.sources[i]; p.wants(s) && !now.Before(s.at) {
			return true
		}
	}
	return false
}

// rest puts the board to sleep if it has nothing to do.
func (p *program) rest(now time.Time, b *board.Board) {
	if p.cfg.Sleep > 0 && b.Idle() && !p.due(now) {
		b.Sleep(now, p.cfg.Sleep)
	}
}
