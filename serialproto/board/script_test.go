package board

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// script plays the gateway, the program and the clock of one Board, so that a
// test reads as the exchange it is about.
type script struct {
	t      *testing.T
	b      *Board
	now    time.Time
	frames []mqttsn.Packet
	events []Event
}

func newScript(t *testing.T, cfg Config) *script {
	t.Helper()
	if cfg.ClientID == "" {
		cfg.ClientID = "b1"
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, b: b, now: time.Unix(1_700_000_000, 0)}
	t.Cleanup(func() {
		if !t.Failed() {
			s.wantIdle("the test ends")
		}
	})
	return s
}

// collect takes what the board puts out, as a driver would.
func (s *script) collect() {
	s.t.Helper()
	for n := 0; ; n++ {
		body, ok := s.b.Next(s.now)
		if !ok {
			break
		}
		if n == 1000 {
			s.t.Fatal("the board does not stop sending")
		}
		var p mqttsn.Packet
		if err := mqttsn.Parse(append([]byte(nil), body...), &p); err != nil {
			s.t.Fatalf("the board wrote % x: %v", body, err)
		}
		s.frames = append(s.frames, p)
	}
	for _, e := range s.b.Events() {
		e.Data = append([]byte(nil), e.Data...)
		s.events = append(s.events, e)
	}
	if d := s.b.Deadline(); !d.IsZero() && d.Before(s.now) {
		s.t.Fatalf("the deadline passed %v ago and nothing can be done about it", s.now.Sub(d))
	}
}

func (s *script) start() {
	s.t.Helper()
	s.b.Start(s.now)
	s.collect()
}

// connect brings a board up whose CONNECT needs no more than CONNACK.
func (s *script) connect() {
	s.t.Helper()
	s.start()
	s.take("CONNECT", mqttsn.Connect)
	s.gateway(connack(mqttsn.Accepted))
	s.wantEvent("connected", Connected)
}

// gateway sends messages to the board.
func (s *script) gateway(ps ...mqttsn.Packet) {
	s.t.Helper()
	for _, p := range ps {
		s.b.Receive(s.now, p.Append(nil))
		s.collect()
	}
}

func (s *script) publish(m Message) {
	s.t.Helper()
	if err := s.b.Publish(m); err != nil {
		s.t.Fatal(err)
	}
	s.collect()
}

// registered publishes nothing, but makes the topic known by id.
func (s *script) registered(name string, id uint16) {
	s.t.Helper()
	s.gateway(mqttsn.Packet{Type: mqttsn.Register, TopicID: id, MsgID: 999, Topic: []byte(name)})
	s.want("REGACK", regack(id, 999, mqttsn.Accepted))
	s.wantEvent("registered", Registered)
}

// take consumes the next message of the board, which must be of that type.
func (s *script) take(what string, t mqttsn.Type) mqttsn.Packet {
	s.t.Helper()
	if len(s.frames) == 0 {
		s.t.Fatalf("%s: want %s, got nothing", what, t)
	}
	p := s.frames[0]
	s.frames = s.frames[1:]
	if p.Type != t {
		s.t.Fatalf("%s: want %s, got %s", what, t, describe(p))
	}
	return p
}

// want consumes the next messages of the board, which must be these.
func (s *script) want(what string, ps ...mqttsn.Packet) {
	s.t.Helper()
	for _, p := range ps {
		if got := s.take(what, p.Type); !reflect.DeepEqual(got, p) {
			s.t.Fatalf("%s:\n got %s\nwant %s", what, describe(got), describe(p))
		}
	}
}

// wantEvent consumes the next event, which must be of that kind.
func (s *script) wantEvent(what string, kind EventKind) Event {
	s.t.Helper()
	if len(s.events) == 0 {
		s.t.Fatalf("%s: want event %d, got none", what, kind)
	}
	e := s.events[0]
	s.events = s.events[1:]
	if e.Kind != kind {
		s.t.Fatalf("%s: want event %d, got %+v", what, kind, e)
	}
	return e
}

// wantIdle fails if a message or an event is left.
func (s *script) wantIdle(what string) {
	s.t.Helper()
	if len(s.frames) > 0 {
		s.t.Fatalf("%s: unexpected %s", what, describe(s.frames[0]))
	}
	if len(s.events) > 0 {
		s.t.Fatalf("%s: unexpected event %+v", what, s.events[0])
	}
}

// advance lets time pass, waking the board whenever it asked for it.
func (s *script) advance(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for n := 0; ; n++ {
		next := s.b.Deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		if n == 100_000 {
			s.t.Fatal("the board has itself woken for nothing")
		}
		if next.After(s.now) {
			s.now = next
		}
		s.b.Advance(s.now)
		s.collect()
	}
	s.now = end
}

func describe(p mqttsn.Packet) string { return fmt.Sprintf("%s %+v", p.Type, p) }

func connack(code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: code}
}

func register(msgID uint16, topic string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Register, MsgID: msgID, Topic: []byte(topic)}
}

func regack(topicID, msgID uint16, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.RegAck, TopicID: topicID, MsgID: msgID, ReturnCode: code}
}

func publish(flags mqttsn.Flags, topicID, msgID uint16, data string) mqttsn.Packet {
	p := mqttsn.Packet{Type: mqttsn.Publish, Flags: flags, TopicID: topicID, MsgID: msgID}
	if data != "" {
		p.Data = []byte(data)
	}
	return p
}

func puback(topicID, msgID uint16, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.PubAck, TopicID: topicID, MsgID: msgID, ReturnCode: code}
}
