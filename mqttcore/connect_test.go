package mqttcore

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

func TestConnectSaysWhatTheConfigurationSays(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		password := []byte("first")
		start(t, b, Config{
			ClientID: "greenhouse", CleanSession: true, KeepAlive: 1500 * time.Millisecond,
			Will:     &Message{Topic: []byte("status"), Payload: []byte("gone"), QoS: 1, Retain: true},
			Username: "user", Password: func() ([]byte, error) { return password, nil },
			BackoffMin: 1, BackoffMax: 1,
		})
		conn := b.Accept()
		c := conn.WantConnect()
		if string(c.ClientID) != "greenhouse" || !c.CleanSession || c.KeepAlive != 2 || !c.HasWill || string(c.WillTopic) != "status" ||
			string(c.Will) != "gone" || c.WillQoS != 1 || !c.WillRetain || string(c.Username) != "user" || string(c.Password) != "first" {
			t.Errorf("CONNECT %+v", c)
		}
		password = []byte("second") // read anew for every attempt
		conn.Reset()
		if c := b.Accept().WantConnect(); string(c.Password) != "second" {
			t.Errorf("second CONNECT has password %q", c.Password)
		}
	})
}

func TestNothingIsSentBeforeConnack(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		r.publish(1, 1)
		conn := b.Accept()
		conn.WantConnect()
		conn.WantIdle()
		conn.Connack(false, packet.Accepted)
		conn.Want(`PUBLISH q1 id=1 t "\x01"`)
	})
}

// attempts returns when a broker was dialled, for a while.
func attempts(t *testing.T, behavior fakebroker.Behavior, reach fakebroker.Reach, cfg Config, span time.Duration) (at []time.Duration, r *runner) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, fakebroker.Config{})
		b.SetReach(reach)
		b.Serve(func(int) fakebroker.Behavior { return behavior })
		began := time.Now()
		cfg.Dial = func(ctx context.Context) (net.Conn, error) {
			at = append(at, time.Since(began))
			return b.Dial(ctx)
		}
		r = start(t, b, cfg)
		time.Sleep(span)
		r.cancel()
		<-r.stopped
	})
	return at, r
}

// largest is a random number that makes every delay as long as it gets.
func largest() float64 { return 1 - 1e-9 }

func TestBackoffDoublesUpToTheMaximum(t *testing.T) {
	at, r := attempts(t, fakebroker.Behavior{}, fakebroker.Refusing, Config{BackoffMin: time.Second, BackoffMax: 8 * time.Second, Rand: largest}, 40*time.Second)
	want := []time.Duration{0, 1, 3, 7, 15, 23, 31, 39}
	if len(at) != len(want) {
		t.Fatalf("dialled at %v", at)
	}
	for i := range want {
		if d := at[i] - want[i]*time.Second; d.Abs() > time.Millisecond {
			t.Errorf("attempt %d after %v, want %v", i, at[i], want[i]*time.Second)
		}
	}
	for i, s := range r.states {
		if s.Kind != Disconnected || s.Attempt != i+1 || s.Err == nil {
			t.Errorf("state %d: %+v", i, s)
		}
	}
}

func TestTrap39_BackoffOutlivesAnAcceptedConnection(t *testing.T) {
	at, _ := attempts(t, fakebroker.Behavior{KickAfterConnack: true}, fakebroker.Reachable,
		Config{BackoffMin: time.Second, BackoffMax: time.Minute}, time.Hour)
	if len(at) < 60 || len(at) > 250 { // an hour at half a minute on average
		t.Errorf("%d attempts in an hour at a broker that accepts and kicks", len(at))
	}
}

// Two clients that share an identifier throw each other out.
func TestTrap39_TwoClientsOfOneName(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		for range 2 {
			start(t, b, Config{BackoffMin: 100 * time.Millisecond, BackoffMax: time.Minute})
		}
		var old *fakebroker.Conn
		for began := time.Now(); time.Since(began) < time.Hour; {
			conn := b.Welcome(true)
			if old != nil {
				old.Close()
			}
			old = conn
		}
		if n := b.Dials(); n > 1200 {
			t.Errorf("%d connections in an hour", n)
		}
	})
}

func TestBackoffIsResetByAConnectionThatLasts(t *testing.T) {
	b := backoff{min: time.Second, max: time.Minute}
	for range 10 {
		b.next(0.5)
	}
	b.ended(time.Minute)
	if b.ceiling() != time.Minute {
		t.Errorf("reset by a connection no longer than the ceiling: %v", b.ceiling())
	}
	b.ended(time.Minute + 1)
	if b.ceiling() != time.Second {
		t.Errorf("ceiling %v after a connection that lasted, want 1s", b.ceiling())
	}
}

func TestStatesCountAttempts(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{BackoffMin: 1, BackoffMax: 1})
		for range 2 {
			conn := b.Welcome(false)
			r.waitOnline()
			b.SetReach(fakebroker.Refusing)
			conn.Close()
			b.WaitDials(b.Dials() + 2)
			b.SetReach(fakebroker.Reachable)
		}
		b.Welcome(false)
		states, _, _ := r.told()
		failed := 0
		for i, s := range states {
			switch {
			case s.Kind == Connected || i > 0 && states[i-1].Kind == Connected:
				failed = 0
			default:
				failed++
			}
			if s.Attempt != failed || (s.Err == nil) != (s.Kind == Connected) {
				t.Errorf("state %d is %+v, want attempt %d", i, s, failed)
			}
		}
		if len(states) < 9 {
			t.Errorf("%d states", len(states))
		}
	})
}

func TestTrap40_Jitter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	first := map[time.Duration]int{}
	var sum time.Duration
	for range 1000 {
		b := backoff{min: time.Second, max: time.Minute}
		d := b.next(r.Float64())
		if d < 0 || d > time.Second {
			t.Fatalf("first delay %v", d)
		}
		first[d.Truncate(100*time.Millisecond)]++
		sum += d
	}
	if len(first) != 10 || sum < 450*time.Second || sum > 550*time.Second {
		t.Errorf("a thousand first delays spread over %v, %v in all", first, sum)
	}
}

func TestTrap41_RefusalsDoNotLoop(t *testing.T) {
	for code := packet.RefusedVersion; code <= packet.RefusedUnauthorized; code++ {
		at, r := attempts(t, fakebroker.Behavior{Refuse: code}, fakebroker.Reachable,
			Config{BackoffMin: time.Millisecond, BackoffMax: time.Minute}, time.Hour)
		if len(at) < 50 || len(at) > 150 && code != packet.RefusedUnavailable || len(at) > 200 {
			t.Errorf("%v: %d attempts in an hour", code, len(at))
		}
		if code != packet.RefusedUnavailable && at[1] < 30*time.Second {
			t.Errorf("%v: asked again after %v", code, at[1])
		}
		s := r.states[0]
		var refused *RefusedError
		if s.Kind != Refused || s.Code != code || !errors.As(s.Err, &refused) || refused.Code != code || s.Attempt != 1 || s.Retry == 0 {
			t.Errorf("%v: state %+v", code, s)
		}
		if n := r.Stats().Refusals; n != uint64(len(at)) {
			t.Errorf("%v: %d refusals counted, %d attempts", code, n, len(at))
		}
	}
}

func TestTrap43_SlowConnack(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{ConnectTimeout: 10 * time.Second, BackoffMin: 1, BackoffMax: 1})
		for n := 1; ; n++ { // needs 35 s to load the session
			conn := b.Accept()
			conn.WantConnect()
			time.Sleep(35 * time.Second)
			conn.Connack(true, packet.Accepted)
			synctest.Wait()
			if r.Stats().Online {
				break
			}
			if n == 4 {
				t.Fatal("never waits long enough")
			}
		}
	})
}

func TestSilentNetworkIsGivenUp(t *testing.T) {
	at, r := attempts(t, fakebroker.Behavior{}, fakebroker.Silent, Config{ConnectTimeout: 5 * time.Second, BackoffMin: 1, BackoffMax: 1}, time.Minute)
	if len(at) < 11 || len(at) > 13 {
		t.Errorf("%d attempts in a minute, of five seconds each: %v", len(at), at)
	}
	if !errors.Is(r.states[0].Err, context.DeadlineExceeded) {
		t.Errorf("state %+v", r.states[0])
	}
}

func TestPasswordThatCannotBeRead(t *testing.T) {
	missing := errors.New("no such file")
	_, r := attempts(t, fakebroker.Behavior{}, fakebroker.Reachable,
		Config{Username: "u", Password: func() ([]byte, error) { return nil, missing }}, time.Second)
	if len(r.states) == 0 || !errors.Is(r.states[0].Err, missing) {
		t.Errorf("states %+v", r.states)
	}
}

func TestOrderlyEnd(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{MaxInflight: 2})
		conn := b.Welcome(false)
		r.waitOnline()
		r.publish(1, 3)
		if err := r.Disconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn.Want(`PUBLISH q1 id=1 t "\x01"`) // what the window lets out
		conn.Want(`PUBLISH q1 id=2 t "\x02"`)
		conn.Want("DISCONNECT")
		conn.Puback(1) // late, and not to be answered
		conn.WantClosed()
		<-r.stopped
		if r.result != nil {
			t.Errorf("Run: %v", r.result)
		}
		if s := r.lastState(); s.Kind != Disconnected || s.Err != nil || s.Retry != 0 {
			t.Errorf("state %+v", s)
		}

		// The rest goes with the next Run.
		r.run()
		conn = b.Welcome(true)
		conn.Want(`PUBLISH q1 id=1 dup t "\x01"`)
		conn.Want(`PUBLISH q1 id=2 dup t "\x02"`)
		conn.Puback(1, 2)
		conn.Want(`PUBLISH q1 id=3 t "\x03"`)
		conn.Puback(3)
		r.onceEach(3)
	})
}

func TestEndOfContextCutsWithoutDisconnect(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		conn := b.Welcome(false)
		r.waitOnline()
		r.cancel()
		conn.WantClosed()
		<-r.stopped
		if !errors.Is(r.result, context.Canceled) {
			t.Errorf("Run: %v", r.result)
		}
		if s := r.lastState(); s.Kind != Disconnected || s.Retry != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// A socket that is closed too early takes the DISCONNECT with it.
func TestDisconnectIsGivenTimeToArrive(t *testing.T) {
	ends := map[string]func(*runner){"context": func(r *runner) { r.cancel() }, "Close": func(r *runner) { r.Close() }, "nothing": func(*runner) {}}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for _, prompt := range []bool{true, false} {
				bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
					r := start(t, b, Config{})
					conn := b.Welcome(false)
					r.waitOnline()
					began := time.Now()
					if err := r.Disconnect(t.Context()); err != nil {
						t.Error(err)
					}
					end(r)
					want := goodbyeTimeout
					if prompt {
						want = 0
						conn.Close()
					}
					<-r.stopped
					if d := time.Since(began); d != want {
						t.Errorf("with a broker that closes at once (%v), Run returned after %v, want %v", prompt, d, want)
					}
				})
			}
		})
	}
}

// A broker that does not read cannot be told goodbye.
func TestDisconnectObeysItsContext(t *testing.T) {
	bubble(t, fakebroker.Config{ReceiveBuffer: 50}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		b.Welcome(false)
		r.waitOnline()
		r.publish(1, 20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.Disconnect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Disconnect: %v", err)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("Disconnect took %v", d)
		}
		<-r.stopped
	})
}

// soloConn does not suffer two writers at once.
type soloConn struct {
	net.Conn
	t    *testing.T
	busy atomic.Bool
}

func (c *soloConn) Write(p []byte) (int, error) {
	if c.busy.Swap(true) {
		c.t.Error("two writes at once")
	}
	defer c.busy.Store(false)
	return c.Conn.Write(p)
}

// The writer is in the middle of a message when Disconnect wants to write.
func TestDisconnectWaitsForTheWriteUnderWay(t *testing.T) {
	bubble(t, fakebroker.Config{ReceiveBuffer: 100}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{Dial: func(ctx context.Context) (net.Conn, error) {
			conn, err := b.Dial(ctx)
			return &soloConn{Conn: conn, t: t}, err
		}})
		conn := b.Welcome(false)
		r.waitOnline()
		for token := range uint64(2) {
			if err := r.PublishAsync(Message{Topic: []byte("t"), Payload: make([]byte, 1000), QoS: 1}, token); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- r.Disconnect(context.Background()) }()
		synctest.Wait()
		conn.WantPublish()
		conn.WantPublish()
		conn.Want("DISCONNECT")
		conn.WantClosed()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRunIsRefusedTwice(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		b.Welcome(false)
		if err := r.Run(t.Context()); !errors.Is(err, ErrRunning) {
			t.Errorf("second Run: %v", err)
		}
		if err := r.Reconfigure(Session{ClientID: "x"}); !errors.Is(err, ErrRunning) {
			t.Errorf("Reconfigure: %v", err)
		}
	})
}

// reconfigured runs a session with two subscriptions and two messages, one of
// each answered, and then another.
func reconfigured(t *testing.T, s Session, present bool, want ...string) *runner {
	t.Helper()
	var r *runner
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r = start(t, b, Config{ClientID: "old", Will: &Message{Topic: []byte("w")}})
		conn := b.Welcome(false)
		for i, f := range []string{"granted", "pending"} {
			if err := r.SubscribeAsync([]byte(f), 1, uint64(100+i)); err != nil {
				t.Fatal(err)
			}
			conn.WantType(packet.SUBSCRIBE)
		}
		r.publish(1, 2)
		conn.WantPublish()
		conn.WantPublish()
		conn.Suback(1, 1)
		conn.Puback(3)
		r.onceEach(1)
		r.cancel()
		<-r.stopped
		if err := r.Reconfigure(s); err != nil {
			t.Fatal(err)
		}
		r.run()
		conn = b.Accept()
		if c := conn.WantConnect(); string(c.ClientID) != s.ClientID || c.CleanSession != s.CleanSession || c.HasWill {
			t.Errorf("CONNECT %+v", c)
		}
		conn.Connack(present, packet.Accepted)
		for _, line := range want {
			conn.Want(line)
		}
		conn.WantIdle()
	})
	return r
}

func TestReconfigure(t *testing.T) {
	t.Run("same session", func(t *testing.T) {
		reconfigured(t, Session{ClientID: "old"}, true, `SUBSCRIBE id=5 pending:1`, `PUBLISH q1 id=4 dup t "\x02"`)
	})
	t.Run("broker lost it", func(t *testing.T) {
		reconfigured(t, Session{ClientID: "old"}, false, `SUBSCRIBE id=5 granted:1`, `SUBSCRIBE id=6 pending:1`, `PUBLISH q1 id=7 t "\x02"`)
	})
	t.Run("clean session", func(t *testing.T) {
		r := reconfigured(t, Session{ClientID: "old", CleanSession: true}, false, `PUBLISH q1 id=5 t "\x02"`)
		if a := r.answers[len(r.answers)-1]; a.Token != 101 || !errors.Is(a.Err, ErrSessionReplaced) || !errors.Is(a.Err, ErrFateUnknown) {
			t.Errorf("pending subscription ended with %+v", a)
		}
	})
	t.Run("another client", func(t *testing.T) { // whose session the broker has, but not with our message
		reconfigured(t, Session{ClientID: "new"}, true, `PUBLISH q1 id=5 t "\x02"`)
	})
	c, err := New(Config{Dial: noDial, ClientID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Reconfigure(Session{}); err == nil || !strings.Contains(err.Error(), "ClientID") {
		t.Errorf("session without identifier: %v", err)
	}
	c.Close()
	if err := c.Reconfigure(Session{ClientID: "x"}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
