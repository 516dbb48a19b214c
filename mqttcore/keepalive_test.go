package mqttcore

import (
	"errors"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// advance lets time pass up to the next deadline, which must come in d, and
// acts on it.
func (s *script) advance(d time.Duration) error {
	s.t.Helper()
	at := s.e.deadline()
	if got := at.Sub(s.now); at.IsZero() || got != d {
		s.t.Fatalf("next deadline in %v (none: %v), want %v", got, at.IsZero(), d)
	}
	s.now = at
	return s.e.tick(s.now)
}

func (s *script) mustAdvance(d time.Duration) {
	s.t.Helper()
	if err := s.advance(d); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) pingresp() {
	s.t.Helper()
	s.e.heard(s.now)
	s.receive(packet.AppendPingresp(nil))
}

// With a random number of one half, a ping is due after 3/4 of the keepalive.

func TestKeepaliveOfAnIdleConnection(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second})
	s.connect(false)
	for range 3 {
		s.mustAdvance(15 * time.Second)
		s.want("PINGREQ")
		s.now = s.now.Add(time.Second)
		s.pingresp()
		s.now = s.now.Add(-time.Second)
	}
	if s.e.pingRTT != time.Second {
		t.Errorf("round trip %v, want 1s", s.e.pingRTT)
	}
}

func TestTrap31_PingrespBeforeTheWriteReturns(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second})
	s.connect(false)
	s.mustAdvance(15 * time.Second)
	s.e.take(nil)
	s.pingresp()
	s.e.wrote(s.now)
	s.mustAdvance(15 * time.Second) // the next ping, not a time-out
	s.want("PINGREQ")
	if s.e.count.UnknownAcks != 0 {
		t.Error("the answer was not expected")
	}
}

func TestTrap32_PingIsDueToTheInstant(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second})
	s.connect(false)
	at := s.e.deadline()
	if err := s.e.tick(at.Add(-1)); err != nil || s.e.due() {
		t.Errorf("a nanosecond early: due %v, %v", s.e.due(), err)
	}
	if err := s.e.tick(at); err != nil || !s.e.due() {
		t.Errorf("in time: due %v, %v", s.e.due(), err)
	}
	if d := at.Sub(s.now); d > 18*time.Second {
		t.Errorf("due after %v, too close to the keepalive", d)
	}
}

func TestTrap33_OnePingAtATime(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second})
	s.connect(false)
	s.mustAdvance(15 * time.Second)
	s.want("PINGREQ")
	for range 10 {
		if err := s.e.tick(s.now); err != nil {
			t.Fatal(err)
		}
		s.want()
		s.now = s.now.Add(time.Second / 2)
	}
	s.pingresp()
	s.pingresp() // one too many
	if s.e.count.UnknownAcks != 1 {
		t.Errorf("%d answers to nothing, want 1", s.e.count.UnknownAcks)
	}
}

func TestTrap34_PingTimeoutIsShorterThanTheKeepalive(t *testing.T) {
	for _, tt := range []struct{ keepAlive, timeout, want time.Duration }{
		{20 * time.Second, 0, 10 * time.Second},
		{60 * time.Second, 0, 10 * time.Second},
		{4 * time.Second, 0, 2 * time.Second},
		{60 * time.Second, 3 * time.Second, 3 * time.Second},
	} {
		s := newScript(t, Config{KeepAlive: tt.keepAlive, PingTimeout: tt.timeout})
		s.connect(false)
		s.mustAdvance(tt.keepAlive * 3 / 4)
		s.want("PINGREQ")
		if err := s.advance(tt.want); !errors.Is(err, ErrPingTimeout) {
			t.Errorf("%+v: %v, want a time-out", tt, err)
		}
	}
	if _, err := New(Config{Dial: noDial, ClientID: "x", KeepAlive: time.Second, PingTimeout: time.Second}); err == nil {
		t.Error("PingTimeout as long as KeepAlive is accepted")
	}
}

func TestTrap35_OnlySending(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second, MaxQueued: 1000})
	s.connect(false)
	for range 15 {
		s.now = s.now.Add(time.Second)
		if err := s.e.tick(s.now); err != nil {
			t.Fatal(err)
		}
		s.publish(1, 1)
		got := s.takeAll() // never acknowledged
		if last := got[0] == "PINGREQ"; last != (s.tokens == 15) {
			t.Fatalf("after %d s of sending: %q", s.tokens, got)
		}
	}
	if err := s.advance(10 * time.Second); !errors.Is(err, ErrPingTimeout) {
		t.Errorf("%v, want a time-out", err)
	}
}

func TestTrap35_OnlyReceiving(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second})
	s.connect(false)
	for i := range 15 {
		s.now = s.now.Add(time.Second)
		s.e.heard(s.now)
		s.inject(0, 0, false)
		if err := s.e.tick(s.now); err != nil {
			t.Fatal(err)
		}
		if due := s.e.due(); due != (i == 14) {
			t.Fatalf("after %d s of receiving: ping due %v", i+1, due)
		}
	}
	s.want("PINGREQ") // [MQTT-3.1.2-23]
}

// An answer may stand behind a large message on a slow link.
func TestTrafficExtendsTheWaitForPingrespForAWhile(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second, PingTimeout: 5 * time.Second})
	s.connect(false)
	s.mustAdvance(15 * time.Second)
	s.want("PINGREQ")
	asked := s.now
	for range 100 {
		s.now = s.now.Add(time.Second)
		s.e.heard(s.now)
		if err := s.e.tick(s.now); err != nil {
			if d := s.now.Sub(asked); d != 25*time.Second {
				t.Errorf("gave up after %v, want 25s", d)
			}
			return
		}
		if s.e.due() {
			s.want("PINGREQ") // for the broker, which has heard nothing meanwhile
		}
	}
	t.Error("waits for ever")
}

func TestTrap36_KeepaliveOff(t *testing.T) {
	s := newScript(t, Config{KeepAlive: -1})
	s.connect(false)
	if d := s.e.deadline(); !d.IsZero() {
		t.Errorf("deadline in %v", d.Sub(s.now))
	}
	s.now = s.now.Add(1000 * time.Hour)
	if err := s.e.tick(s.now); err != nil || s.e.due() {
		t.Errorf("due %v, %v", s.e.due(), err)
	}
}

func TestTrap36_KeepaliveOfOneSecond(t *testing.T) {
	s := newScript(t, Config{KeepAlive: time.Second})
	s.connect(false)
	for range 10 {
		s.mustAdvance(750 * time.Millisecond)
		s.want("PINGREQ")
		s.pingresp()
	}
	s.mustAdvance(750 * time.Millisecond)
	s.want("PINGREQ")
	if err := s.advance(500 * time.Millisecond); !errors.Is(err, ErrPingTimeout) {
		t.Errorf("%v, want a time-out", err)
	}
}

func TestTrap38_SessionsThatBeginTogetherPingApart(t *testing.T) {
	at := map[int64]int{}
	for i := range 1000 {
		s := newScript(t, Config{KeepAlive: 30 * time.Second, Rand: func() float64 { return float64(i) / 1000 }})
		s.connect(false)
		d := s.e.deadline().Sub(s.now)
		if d < 18*time.Second || d > 27*time.Second {
			t.Fatalf("ping due after %v", d)
		}
		at[d.Milliseconds()/100]++
	}
	if len(at) < 90 {
		t.Errorf("a thousand sessions ping in %d tenths of a second only", len(at))
	}
}

func TestAPausedReaderIsNoDeadPeer(t *testing.T) {
	s := newScript(t, Config{KeepAlive: 20 * time.Second})
	s.connect(false)
	s.mustAdvance(15 * time.Second)
	s.want("PINGREQ")
	s.e.keepalive.pause(s.now, true)
	for range 5 { // the broker must hear from us, and cannot be heard
		s.mustAdvance(15 * time.Second)
		s.want("PINGREQ")
	}
	s.e.keepalive.pause(s.now, false)
	for range 6 {
		s.pingresp() // these lay unread
	}
	if s.e.count.UnknownAcks != 0 {
		t.Errorf("%d answers not expected", s.e.count.UnknownAcks)
	}
	s.mustAdvance(15 * time.Second)
	s.want("PINGREQ")
	s.e.keepalive.pause(s.now, true)
	s.e.keepalive.pause(s.now, false)
	if err := s.advance(10 * time.Second); !errors.Is(err, ErrPingTimeout) {
		t.Errorf("%v, want a time-out: nothing came after the pause", err)
	}
}

func TestTrap43_ASlowConnackIsGivenMoreTimeEachTime(t *testing.T) {
	s := newScript(t, Config{ConnectTimeout: 10 * time.Second})
	for _, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 80 * time.Second} {
		s.e.open([]byte{0x10})
		s.e.take(nil)
		s.e.wrote(s.now)
		if err := s.advance(want); !errors.Is(err, ErrConnackTimeout) {
			t.Fatalf("%v, want a time-out", err)
		}
		s.lost()
	}
	s.connect(false)
	s.lost()
	s.e.open([]byte{0x10})
	s.e.take(nil)
	s.e.wrote(s.now)
	if err := s.advance(10 * time.Second); !errors.Is(err, ErrConnackTimeout) {
		t.Fatalf("%v, want a time-out", err)
	}
}
