package mqttcore

import (
	"errors"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

func (s *script) suback(id uint16, code byte) {
	s.t.Helper()
	s.receive(packet.AppendSuback(nil, id, code))
}

func (s *script) unsuback(id uint16) {
	s.t.Helper()
	s.receive(packet.AppendUnsuback(nil, id))
}

// reconnect loses the connection and makes another.
func (s *script) reconnect(sessionPresent bool) {
	s.t.Helper()
	s.lost()
	s.connect(sessionPresent)
	s.events()
}

func TestTrap45_RefusedSubscriptionIsAnError(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.events()
	s.subscribe("secret", 1)
	s.want("SUBSCRIBE id=1 secret q1")
	s.suback(1, 0x80)
	s.wantEvents("1 " + ErrSubscriptionRefused.Error())
	s.reconnect(false)
	s.want() // not granted, not made again
}

func TestTrap46_LowerQoSIsLegal(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.events()
	s.subscribe("c", 1)
	s.takeAll()
	s.suback(1, 0)
	s.wantEvents("1 granted 0")
	s.reconnect(false)
	s.want("SUBSCRIBE id=2 c q1") // what is asked for stays
}

func TestTrap47_SubackThatDoesNotFit(t *testing.T) {
	for why, codes := range map[string][]byte{
		"two codes for one filter": {1, 1},
		"more than asked for":      {1},
		"QoS 2":                    {2},
	} {
		s := newScript(t, Config{})
		s.connect(false)
		s.events()
		s.subscribe("c", 0)
		s.takeAll()
		s.refuse("SUBACK with codes", packet.AppendSuback(nil, 1, codes...))
		s.wantEvents()
		s.reconnect(true)
		if got := s.takeAll(); len(got) != 1 {
			t.Errorf("%s: the request is gone: %q", why, got)
		}
	}
	s := newScript(t, Config{})
	s.connect(false)
	s.refuse("reserved", []byte{0x90, 3, 0, 1, 3})
	s.refuse("missing", []byte{0x90, 2, 0, 1})
}

func TestTrap48_ResubscribesOnceForEachNewSession(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	for _, f := range []string{"a", "b", "c"} {
		s.subscribe(f, 1)
	}
	s.takeAll()
	for id := range uint16(3) {
		s.suback(id+1, 1)
	}
	s.subscribe("b", 0) // again, in the place of the first
	s.want("SUBSCRIBE id=4 b q0")
	s.suback(4, 0)
	s.reconnect(true)
	s.want() // the broker has them

	s.reconnect(false)
	s.want("SUBSCRIBE id=5 a q1", "SUBSCRIBE id=6 b q0", "SUBSCRIBE id=7 c q1")
	s.suback(5, 1)
	s.reconnect(false) // once more, before all are answered: still one of each
	s.want("SUBSCRIBE id=8 a q1", "SUBSCRIBE id=9 b q0", "SUBSCRIBE id=10 c q1")
	s.suback(8, 1)
	s.reconnect(true) // the present session has a, and perhaps the others
	s.want("SUBSCRIBE id=11 b q0", "SUBSCRIBE id=12 c q1")
	s.suback(11, 0)
	s.suback(12, 1)
	s.wantEvents() // nobody asked
	s.reconnect(true)
	s.want()
}

func TestTrap48_UnsubscribedIsNotResurrected(t *testing.T) {
	tests := []struct {
		name string
		loss func(s *script) // at which moment the session is lost
		want []string        // of the new session
	}{
		{"after UNSUBACK", func(s *script) {
			s.subscribe("c", 1)
			s.takeAll()
			s.suback(1, 1)
			s.unsubscribe("c")
			s.takeAll()
			s.unsuback(2)
		}, nil},
		{"before UNSUBACK", func(s *script) {
			s.subscribe("c", 1)
			s.takeAll()
			s.suback(1, 1)
			s.unsubscribe("c")
			s.takeAll()
		}, []string{"UNSUBSCRIBE id=3 c"}},
		{"before SUBACK", func(s *script) {
			s.subscribe("c", 1)
			s.takeAll()
			s.unsubscribe("c")
		}, []string{"SUBSCRIBE id=2 c q1", "UNSUBSCRIBE id=3 c"}},
		{"SUBACK after the wish to unsubscribe", func(s *script) {
			s.subscribe("c", 1)
			s.takeAll()
			s.unsubscribe("c")
			s.takeAll()
			s.suback(1, 1)
		}, []string{"UNSUBSCRIBE id=3 c"}},
		{"and subscribed again", func(s *script) {
			s.subscribe("c", 0)
			s.takeAll()
			s.suback(1, 0)
			s.unsubscribe("c")
			s.subscribe("c", 1)
			s.takeAll()
			s.suback(3, 1)
			s.unsuback(2)
		}, []string{"SUBSCRIBE id=4 c q1"}},
		{"while it is made again", func(s *script) {
			s.subscribe("c", 1)
			s.takeAll()
			s.suback(1, 1)
			s.reconnect(false)
			s.takeAll()
			s.unsubscribe("c")
			s.suback(2, 1)
		}, []string{"UNSUBSCRIBE id=3 c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, Config{})
			s.connect(false)
			tt.loss(s)
			s.reconnect(false)
			s.want(tt.want...)
			s.reconnect(false)
			if got := s.takeAll(); len(got) != len(tt.want) {
				t.Errorf("another new session gets %q", got)
			}
		})
	}
}

func TestSubscriptionRefusedInTheNewSession(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.subscribe("c", 1)
	s.takeAll()
	s.suback(1, 1)
	s.reconnect(false)
	s.takeAll()
	s.suback(2, 0x80)
	it := s.e.nextEvent()
	if it == nil || !it.again || !errors.Is(it.err, ErrSubscriptionRefused) || string(it.text) != "c" {
		t.Fatalf("told %+v", it)
	}
	s.reconnect(false)
	s.want()
}

func TestRequestsAreSentAgainUntilAnswered(t *testing.T) {
	s := newScript(t, Config{})
	s.subscribe("c", 1) // offline: it waits
	s.unsubscribe("d")
	s.connect(true)
	s.want("SUBSCRIBE id=1 c q1", "UNSUBSCRIBE id=2 d")
	s.reconnect(true)
	s.want("SUBSCRIBE id=3 c q1", "UNSUBSCRIBE id=4 d")
	s.unsuback(4)
	s.suback(3, 1)
	s.wantEvents("2 done", "1 granted 1")
}

// What an earlier process subscribed to is made again once: it may have died when
// the broker had lost the session and it had not come to it. From then on it is left
// alone while the broker has it.
func TestKnownSubscriptionsAreMadeAgainInANewSession(t *testing.T) {
	filter := []byte("a")
	s := newScript(t, Config{Subscriptions: []Subscription{{filter, 1}, {[]byte("b"), 0}, {[]byte("c"), 0}, {[]byte("b"), 1}}})
	filter[0] = '#' // was copied
	s.connect(true)
	s.want("SUBSCRIBE id=1 a q1", "SUBSCRIBE id=2 b q1", "SUBSCRIBE id=3 c q0")
	s.suback(1, 1)
	s.suback(2, 1)
	s.suback(3, 0)
	s.unsubscribe("c")
	s.want("UNSUBSCRIBE id=4 c")
	s.unsuback(4)
	s.reconnect(true)
	s.want()
	s.reconnect(false)
	s.want("SUBSCRIBE id=5 a q1", "SUBSCRIBE id=6 b q1")
	s.suback(5, 1)
	s.suback(6, 0x80) // no longer allowed
	s.wantEvents("0 " + ErrSubscriptionRefused.Error())
	s.reconnect(false)
	s.want("SUBSCRIBE id=7 a q1")
}

// A Run with CleanSession ends the session in which they stood.
func TestKnownSubscriptionsEndWithTheirSession(t *testing.T) {
	for name, session := range map[string]Session{
		"clean":          {ClientID: "script", CleanSession: true},
		"another client": {ClientID: "other"},
	} {
		s := newScript(t, Config{Subscriptions: []Subscription{{[]byte("a"), 1}}})
		s.e.reconfigure(s.now, session)
		s.connect(false)
		if got := s.takeAll(); len(got) != 0 {
			t.Errorf("%s: sends %q", name, got)
		}
	}
	s := newScript(t, Config{Subscriptions: []Subscription{{[]byte("a"), 1}}})
	s.e.reconfigure(s.now, Session{ClientID: "script"})
	s.connect(false)
	s.want("SUBSCRIBE id=1 a q1")
}

// The broker began a session, and its CONNACK that said so was lost. The next one
// says that there is a session: a new one, in which nothing is subscribed to.
func TestSubscriptionsAreMadeAgainWhenConnackWasLost(t *testing.T) {
	s := newScript(t, Config{Subscriptions: []Subscription{{[]byte("a"), 1}}})
	s.connect(true)
	s.want("SUBSCRIBE id=1 a q1")
	s.suback(1, 1)
	s.lost()
	s.e.open([]byte{0}) // not taken: nobody has seen this CONNECT
	s.lost()
	s.connect(true)
	s.want()
	s.lost()
	s.e.open([]byte{0})
	s.e.take(nil)
	s.lost() // perhaps the broker had forgotten the session, and has begun another
	s.connect(true)
	s.want("SUBSCRIBE id=2 a q1")
	s.suback(2, 1)
	s.reconnect(true)
	s.want() // no doubt any more
}

// A CONNECT that was refused began no session.
func TestSubscriptionsStandWhenConnectWasRefused(t *testing.T) {
	s := newScript(t, Config{Subscriptions: []Subscription{{[]byte("a"), 1}}})
	s.connect(true)
	s.want("SUBSCRIBE id=1 a q1")
	s.suback(1, 1)
	s.lost()
	s.e.open([]byte{0})
	s.e.take(nil)
	if _, err := s.e.receive(s.now, packet.Connack{Code: packet.RefusedUnavailable}.Append(nil)); err == nil {
		t.Fatal("not refused")
	}
	s.lost()
	s.connect(true)
	s.want()
}
