package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// Program is what the board does: it publishes values and listens to commands.
type Program struct {
	Topics []Topic

	// Count is how many messages are published to each topic. When the last
	// one is acknowledged the board disconnects and Run returns. Zero: no end.
	Count int

	// Commands are filters that are subscribed to with QoS 1. What they bring
	// is observed, no more.
	Commands []string

	// AskTime asks the gateway for the time after every CONNECT.
	AskTime bool

	// Sleep makes the board sleep whenever it has nothing to do, and wake up
	// once every Sleep to ask for messages. It connects to publish. Zero: it is
	// active all the time.
	Sleep time.Duration
}

// Topic is a topic that the program publishes to. A payload is a JSON object
// with the sequence number of the message, from 1, and a value.
type Topic struct {
	Name   string
	QoS    int // -1, 0 or 1
	Retain bool

	// Interval is the time between two messages. Zero: 1 s. Negative: none, a
	// message follows as soon as the board has room for it.
	Interval time.Duration

	// Size is the least length of a payload in bytes; spaces fill it up.
	Size int
}

// source is a Topic at work.
type source struct {
	Topic
	seq   int // of the last message
	value float64
	at    time.Time
}

// program runs a Program.
type program struct {
	cfg     Program
	sources []source
	rng     *rand.Rand
	payload []byte
	wake    time.Time // of a board that sleeps, to ask for messages
	sent    time.Time // a message that is not answered, since the last run; it may have been the last
	ready   bool      // has been connected once
	leaving bool
}

func newProgram(cfg Program, rng *rand.Rand) program {
	p := program{cfg: cfg, rng: rng}
	for _, t := range cfg.Topics {
		if t.Interval == 0 {
			t.Interval = time.Second
		}
		p.sources = append(p.sources, source{Topic: t, value: 20 + 5*rng.Float64()})
	}
	return p
}

// check publishes to every topic on a board of its own, which is switched off.
func (p *program) check(cfg board.Config) error {
	b, err := board.New(cfg)
	if err != nil {
		return err
	}
	for _, s := range p.sources {
		m := board.Message{Topic: s.Name, QoS: s.QoS, Data: p.next(&s)}
		if err := b.Publish(m); err != nil && !errors.Is(err, board.ErrQueueFull) {
			return fmt.Errorf("publish to %q: %w", s.Name, err)
		}
	}
	return nil
}

// event handles what happens to the board.
func (p *program) event(now time.Time, b *board.Board, e board.Event) {
	switch {
	case e.Kind == board.Asleep:
		p.wake = now.Add(p.cfg.Sleep)
	case e.Kind == board.Published && e.QoS < 1:
		p.sent = now
	}
	if e.Kind != board.Connected {
		return
	}
	if p.cfg.AskTime {
		_ = b.AskTime() // if the queue is full, next time
	}
	if !p.ready {
		p.ready = true
		for i := range p.sources {
			p.sources[i].at = now
		}
	}
}

// run publishes what is due.
func (p *program) run(now time.Time, b *board.Board) {
	p.sent = time.Time{}
	if !p.ready || p.leaving || p.cfg.Sleep > 0 && !p.rise(now, b) {
		return
	}
	finished := p.cfg.Count > 0
	for i := range p.sources {
		s := &p.sources[i]
		p.publish(now, b, s)
		finished = finished && !p.wants(s)
	}
	if finished && b.Unacknowledged() == 0 {
		p.leaving = true
		b.Disconnect(now)
		return
	}
	p.rest(now, b)
}

// publish publishes the message of s that is due. What the board has no room
// for is tried again at the next interval, and so is QoS 0 without a
// connection, where a board's publish() fails.
func (p *program) publish(now time.Time, b *board.Board, s *source) {
	if !p.wants(s) || now.Before(s.at) {
		return
	}
	if s.at = s.at.Add(s.Interval); s.at.Before(now) {
		s.at = now // lost time is not made up for
	}
	if s.blocked(b) {
		return
	}
	m := board.Message{Topic: s.Name, QoS: s.QoS, Retain: s.Retain, Token: uint64(s.seq + 1), Data: p.next(s)}
	if b.Publish(m) == nil { // check has ruled out all but a lack of topics
		s.seq++
	}
}

// blocked reports whether publishing would fail now.
func (s *source) blocked(b *board.Board) bool {
	return b.Room() == 0 || s.QoS == 0 && !b.Connected()
}

// wants reports whether s has more to publish.
func (p *program) wants(s *source) bool { return p.cfg.Count == 0 || s.seq < p.cfg.Count }

// next makes the payload of the next message of s: a value that wanders.
func (p *program) next(s *source) []byte {
	s.value += p.rng.NormFloat64() / 10
	b := append(p.payload[:0], `{"seq":`...)
	b = strconv.AppendInt(b, int64(s.seq+1), 10)
	b = append(b, `,"value":`...)
	b = strconv.AppendFloat(b, s.value, 'f', 2, 64)
	b = append(b, '}')
	for len(b) < s.Size {
		b = append(b, ' ')
	}
	p.payload = b
	return b
}

// deadline returns when the program wants to run again, or the zero time.
func (p *program) deadline(b *board.Board) time.Time {
	first := p.sent
	switch {
	case !p.ready || p.leaving:
		return first
	case b.Asleep():
		first = p.wake // asleep, it sends nothing
	case p.cfg.Sleep > 0 && !b.Connected():
		return first // the gateway's answer wakes the program
	}
	for i := range p.sources {
		s := &p.sources[i]
		if s.Interval < 0 && s.blocked(b) {
			continue // what makes room wakes the program as well
		}
		if p.wants(s) && (first.IsZero() || s.at.Before(first)) {
			first = s.at
		}
	}
	return first
}
