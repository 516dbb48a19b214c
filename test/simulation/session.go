package simulation

import (
	"errors"
	"io"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/turn"
	"github.com/umqttd/umqttd/mqttcore"
)

// errUnreachable is what a dial says while the broker is away.
var errUnreachable = errors.New("simulation: connection refused")

// session is the MQTT session of one node, as package devices runs it: an engine,
// and the connections that it needs while its turn has come.
type session struct {
	p        *process
	node     gateway.NodeID
	clientID string
	engine   *mqttcore.Engine

	turn *turn.Turn

	wire    *wire
	writing bool   // the socket has not taken all
	attempt int    // counts connections; what is meant for an earlier one is nobody's
	alarm   uint64 // counts planned calls of tick

	asked     []asked                 // handed over and not completed, oldest first
	delivered map[uint64]*downMessage // that the gateway holds, by id
}

// asked is a message of a board that was handed to a session.
type asked struct {
	token uint64
	m     *upMessage
}

func (p *process) openSession(c gateway.Command) {
	s := p.sessions[c.Node]
	if s == nil {
		s = &session{p: p, node: c.Node, clientID: c.ClientID, delivered: map[uint64]*downMessage{}}
		s.turn = p.turns.Add(c.ClientID, s)
		p.sessions[c.Node] = s
	}
	s.turn.Open(c)
}

// Start makes the engine connect, again and again.
func (s *session) Start(c gateway.Command) bool {
	var err error
	if s.engine == nil {
		s.engine, err = mqttcore.NewEngine(s.config(&c))
	}
	if err == nil {
		err = s.engine.Reconfigure(s.p.w.now, mqttcore.Session{ClientID: c.ClientID, CleanSession: c.Clean, Will: will(c.Will)})
	}
	if err != nil {
		s.p.w.violate("session of %s cannot be opened: %v", s.clientID, err)
		return false
	}
	s.p.w.tracef("session %d of %s starts, clean %v, will %v", s.node, s.clientID, c.Clean, c.Will != nil)
	s.later(s.p.w.delay(), s.dial)
	return true
}

func (s *session) config(c *gateway.Command) mqttcore.Config {
	cfg := mqttcore.Config{
		ClientID: c.ClientID, MaxInflight: maxInflight, Rand: s.p.w.r.Float64,
		ConnectTimeout: 5 * time.Second, BackoffMin: 100 * time.Millisecond, BackoffMax: 2 * time.Second,
	}
	if s.p.w.bug == WindowIgnored {
		cfg.MaxInflight = 1000
	}
	for _, filter := range inOrder(c.Filters) {
		cfg.Subscriptions = append(cfg.Subscriptions, mqttcore.Subscription{Filter: []byte(filter), QoS: c.Filters[filter]})
	}
	return cfg
}

func will(w *gateway.Will) *mqttcore.Message {
	if w == nil {
		return nil
	}
	return &mqttcore.Message{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
}

// later plans something for the present attempt to connect.
func (s *session) later(d time.Duration, do func()) {
	attempt := s.attempt
	s.p.later(d, func() {
		if s.attempt == attempt {
			do()
		}
	})
}

// dial makes a connection.
func (s *session) dial() {
	w := s.p.w
	if !w.broker.up {
		s.lost(errUnreachable)
		return
	}
	attempt := s.attempt
	s.wire = w.broker.accept(func(b []byte) {
		if s.attempt == attempt {
			s.receive(b)
		}
	}, func() {
		if s.attempt == attempt {
			s.lost(io.EOF)
		}
	})
	if err := s.engine.Open(); err != nil {
		w.violate("%s cannot connect: %v", s.clientID, err)
	}
	s.pump()
}

func (s *session) receive(b []byte) {
	if err := s.engine.Receive(s.p.w.now, b); err != nil {
		s.p.w.violate("%s received % x: %v", s.clientID, b, err)
	}
	s.pump()
}

// pump writes what is due, sees to the deadline, and hands on what there is to say.
// The socket mostly takes all at once.
func (s *session) pump() {
	w := s.p.w
	for s.wire != nil && !s.writing && s.engine.Due() {
		s.wire.up.send(s.engine.Take(make([]byte, 0, 256)))
		if w.one(4) {
			s.writing = true
			s.later(w.delay(), func() {
				s.writing = false
				s.engine.Wrote(w.now)
				s.pump()
			})
			break
		}
		s.engine.Wrote(w.now)
	}
	s.events()
	if s.engine.Parted() {
		s.lost(nil)
		return
	}
	s.alarm++
	if alarm, d := s.alarm, s.engine.Deadline(); s.wire != nil && !s.writing && !d.IsZero() {
		s.later(d.Sub(w.now), func() {
			if s.alarm == alarm {
				s.tick()
			}
		})
	}
}

func (s *session) tick() {
	if err := s.engine.Tick(s.p.w.now); err != nil {
		s.lost(err)
		return
	}
	s.pump()
}

// lost ends a connection, or the attempt to make one.
func (s *session) lost(cause error) {
	s.attempt++
	s.writing = false
	if s.wire != nil {
		s.wire.down.dead = true
		s.wire.up.close()
		s.wire = nil
	}
	wait := s.engine.Lost(s.p.w.now, cause)
	s.events()
	if !s.turn.Live() {
		s.turn.Ended()
		return
	}
	s.later(wait, s.dial)
}

// Stop makes the run end: orderly, with DISCONNECT, or by cutting the connection.
func (s *session) Stop(orderly bool) {
	s.p.w.tracef("session %d of %s is to end, orderly %v", s.node, s.clientID, orderly)
	if orderly && s.engine.Disconnect() {
		s.later(goodbyeTimeout, func() { s.lost(errUnreachable) })
		s.later(0, s.pump)
		return
	}
	s.later(0, func() { s.lost(errUnreachable) })
}

// goodbyeTimeout bounds an orderly end.
const goodbyeTimeout = 2 * time.Second

// Dispose releases a session that is forgotten and has ended.
func (s *session) Dispose() { delete(s.p.sessions, s.node) }
