package mqttcore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// script drives an engine by hand: it is the broker, the application and the
// clock. Packets are written as show prints them.
type script struct {
	t      *testing.T
	e      engine
	cfg    Config
	now    time.Time
	tokens uint64
}

func newScript(t *testing.T, cfg Config) *script {
	t.Helper()
	cfg.Dial = noDial
	if cfg.ClientID == "" {
		cfg.ClientID = "script"
	}
	if cfg.Rand == nil {
		cfg.Rand = func() float64 { return 0.5 }
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, cfg: cfg, now: time.Unix(1_000_000, 0)}
	s.e.begin(&s.cfg)
	return s
}

// connect makes a connection, with CONNACK.
func (s *script) connect(sessionPresent bool) {
	s.t.Helper()
	s.e.open(packet.AppendPingreq(nil)) // stands for CONNECT: the engine does not look at it
	if got := s.e.take(nil); len(got) != 2 {
		s.t.Fatalf("took % x instead of CONNECT", got)
	}
	s.e.wrote(s.now)
	s.receive(packet.Connack{SessionPresent: sessionPresent}.Append(nil))
}

// publish accepts messages; the payload is the token, counted from 1.
func (s *script) publish(qos byte, n int) {
	s.t.Helper()
	for range n {
		s.tokens++
		m := Message{Topic: []byte("t"), Payload: fmt.Append(nil, s.tokens), QoS: qos}
		if err := s.e.publish(s.now, &m, s.tokens, nil); err != nil {
			s.t.Fatalf("message %d: %v", s.tokens, err)
		}
	}
}

func (s *script) subscribe(filter string, qos byte) {
	s.t.Helper()
	s.request(itemSubscribe, filter, qos)
}

func (s *script) unsubscribe(filter string) {
	s.t.Helper()
	s.request(itemUnsubscribe, filter, 0)
}

func (s *script) request(kind itemKind, filter string, qos byte) {
	s.t.Helper()
	s.tokens++
	if err := s.e.request(s.now, kind, []byte(filter), qos, s.tokens, nil); err != nil {
		s.t.Fatal(err)
	}
}

// receive gives a packet to the engine, which must accept it.
func (s *script) receive(p []byte) inbound {
	s.t.Helper()
	in, err := s.e.receive(s.now, p)
	if err != nil {
		s.t.Fatalf("% x: %v", p, err)
	}
	return in
}

func (s *script) puback(ids ...uint16) {
	s.t.Helper()
	for _, id := range ids {
		s.receive(packet.AppendPuback(nil, id))
	}
}

// refuse gives a packet to the engine, which must close the connection.
func (s *script) refuse(why string, p []byte) {
	s.t.Helper()
	_, err := s.e.receive(s.now, p)
	if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), why) {
		s.t.Fatalf("% x: error %v, want a protocol violation: %s", p, err, why)
	}
}

// lost ends the connection.
func (s *script) lost() { s.e.lost(s.now) }

// takeAll writes everything that is due, in writes of at most 64 bytes unless
// a packet is larger.
func (s *script) takeAll() []string {
	s.t.Helper()
	var got []string
	for s.e.due() {
		out := s.e.take(make([]byte, 0, 64))
		if len(out) == 0 {
			s.t.Fatal("engine says that something is due and gives nothing")
		}
		for len(out) > 0 {
			n, err := packet.Size(out, 0)
			if n == 0 || n > len(out) || err != nil {
				s.t.Fatalf("engine gave % x: %v", out, err)
			}
			got = append(got, show(s.t, out[:n]))
			out = out[n:]
		}
		s.e.wrote(s.now)
	}
	return got
}

// want checks everything that is due.
func (s *script) want(lines ...string) {
	s.t.Helper()
	if got := s.takeAll(); !slices.Equal(got, lines) {
		s.t.Fatalf("engine sends\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// wantEvents checks what the hooks would be told.
func (s *script) wantEvents(lines ...string) {
	s.t.Helper()
	if got := s.events(); !slices.Equal(got, lines) {
		s.t.Fatalf("events are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

func (s *script) events() []string {
	var got []string
	for it := s.e.nextEvent(); it != nil; it = s.e.nextEvent() {
		switch {
		case it.kind == itemState:
			got = append(got, fmt.Sprintf("%v present=%v", it.state.Kind, it.state.SessionPresent))
		case it.err == nil && it.kind == itemSubscribe:
			got = append(got, fmt.Sprintf("%d granted %d", it.token, it.granted))
		case it.err == nil:
			got = append(got, fmt.Sprintf("%d done", it.token))
		default:
			got = append(got, fmt.Sprintf("%d %v", it.token, it.err))
		}
		recycle(it)
	}
	return got
}

// show prints a packet that a client sends: type, q and QoS, dup, retain,
// identifier, and the payload or filters.
func show(t *testing.T, p []byte) string {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatalf("% x: %v", p, err)
		}
	}
	switch typ := packet.TypeOf(p[0]); typ {
	case packet.PUBLISH:
		m, err := packet.ParsePublish(p)
		fail(err)
		line := fmt.Sprintf("PUBLISH q%d", m.QoS)
		if m.Dup {
			line += " dup"
		}
		if m.QoS > 0 {
			line += fmt.Sprintf(" id=%d", m.ID)
		}
		return line + " " + string(m.Payload)
	case packet.PUBACK:
		id, err := packet.ParsePuback(p)
		fail(err)
		return fmt.Sprintf("PUBACK id=%d", id)
	case packet.SUBSCRIBE:
		id, filters, err := packet.ParseSubscribe(p)
		fail(err)
		return fmt.Sprintf("SUBSCRIBE id=%d %s q%d", id, filters[0].Filter, filters[0].QoS)
	case packet.UNSUBSCRIBE:
		id, filters, err := packet.ParseUnsubscribe(p)
		fail(err)
		return fmt.Sprintf("UNSUBSCRIBE id=%d %s", id, filters[0])
	default:
		fail(packet.ParseEmpty(p, typ))
		return typ.String()
	}
}
