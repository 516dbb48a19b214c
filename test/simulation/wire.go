package simulation

import "time"

// wire is a TCP connection: bytes in both directions that take their time, come in
// pieces, and may be cut after any of them.
type wire struct {
	up, down stream // to the broker, to the client
}

// stream is one direction.
type stream struct {
	w       *world
	unread  []byte
	moving  bool // deliver is planned
	ended   bool // the sender has closed
	dead    bool // nobody reads any more
	receive func([]byte)
	end     func() // all was read, and the sender has closed
}

func (s *stream) send(p []byte) {
	if !s.dead && !s.ended {
		s.unread = append(s.unread, p...)
		s.move()
	}
}

// close ends the stream behind what was sent.
func (s *stream) close() {
	s.ended = true
	s.move()
}

func (s *stream) move() {
	if s.moving || s.dead {
		return
	}
	s.moving = true
	s.w.after(s.w.delay(), s.deliver)
}

// deliver hands over what has arrived: mostly all, sometimes a piece.
func (s *stream) deliver() {
	s.moving = false
	if s.dead {
		return
	}
	n := len(s.unread)
	if n > 1 && s.w.one(3) {
		n = 1 + s.w.r.IntN(n-1)
	}
	p := s.unread[:n:n]
	s.unread = s.unread[n:]
	if n > 0 {
		s.receive(p)
	}
	switch {
	case s.dead:
	case len(s.unread) > 0:
		s.move()
	case s.ended:
		s.dead = true
		s.end()
	}
}

// lose drops the last bytes that were sent and have not arrived.
func (s *stream) lose() { s.unread = s.unread[:s.w.r.IntN(len(s.unread)+1)] }

// cut ends a connection as if a cable between had been pulled, after any byte.
func (c *wire) cut() {
	c.up.lose()
	c.down.lose()
	c.up.close()
	c.down.close()
}

// delay draws how long something takes that is not instant.
func (w *world) delay() time.Duration { return time.Duration(1+w.r.IntN(20)) * time.Millisecond }
