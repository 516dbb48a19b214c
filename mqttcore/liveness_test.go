package mqttcore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Traps 1 to 7, 42 and 54: nothing waits for ever.

// A storm in both directions, and a connection that ends after every number of
// bytes, in either direction.
func TestTrap01_DropAtEveryPointOfAStorm(t *testing.T) {
	const connections = 10_000
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		down := make([]packet.Publish, 10)
		for i := range down {
			down[i] = packet.Publish{Topic: []byte("down"), QoS: 1, ID: uint16(i + 1)}
		}
		b.Serve(func(n int) fakebroker.Behavior {
			switch {
			case n >= connections:
				return fakebroker.Behavior{}
			case n%2 == 0:
				return fakebroker.Behavior{BeforeReading: down, CutAfterRead: 20 + n/2%200}
			default:
				return fakebroker.Behavior{BeforeReading: down, CutAfterWrite: 5 + n/2%120}
			}
		})
		var r *runner
		token := uint64(10)
		r = newRunner(t, b, Config{
			BackoffMin: 1, BackoffMax: 1,
			OnPublished: func(c Completion) {
				if c.Token > 0 && b.Dials() < connections { // keep the storm going
					token++
					if err := r.PublishAsync(Message{Topic: []byte("up"), QoS: 1}, token); err != nil {
						t.Error(err)
					}
				}
			},
			OnMessage: func(Delivery) {
				_ = r.PublishAsync(Message{Topic: []byte("up")}, 0) // QoS 0, connected or not
			},
		})
		r.publish(1, 10)
		r.run()
		b.WaitDials(connections + 1)
		synctest.Wait()
		if s := r.Stats(); s.Queued != 0 {
			t.Errorf("%d messages were never completed", s.Queued)
		}
		if err := r.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
		<-r.stopped
		seen := map[uint64]int{}
		for _, c := range r.completions {
			if c.Token > 0 {
				seen[c.Token]++
				if c.Err != nil {
					t.Errorf("message %d: %v", c.Token, c.Err)
				}
			}
		}
		for n := uint64(1); n <= token; n++ {
			if seen[n] != 1 {
				t.Fatalf("message %d of %d completed %d times", n, token, seen[n])
			}
		}
	})
}

// every names the callbacks and what makes the client call them.
var every = []struct {
	name  string
	set   func(*Config, func())
	cause func(*runner, *fakebroker.Conn)
}{
	{"OnState", func(c *Config, f func()) { c.OnState = func(s State) { f() } }, func(*runner, *fakebroker.Conn) {}},
	{"OnPublished, QoS 0", func(c *Config, f func()) { c.OnPublished = func(Completion) { f() } }, func(r *runner, conn *fakebroker.Conn) {
		synctest.Wait() // connected
		_ = r.PublishAsync(Message{Topic: []byte("t")}, 1)
		conn.WantPublish()
	}},
	{"OnPublished, QoS 1", func(c *Config, f func()) { c.OnPublished = func(Completion) { f() } }, func(r *runner, conn *fakebroker.Conn) {
		_ = r.PublishAsync(Message{Topic: []byte("t"), QoS: 1}, 1)
		conn.Puback(conn.WantPublish().ID)
	}},
	{"OnSubscribed", func(c *Config, f func()) { c.OnSubscribed = func(SubCompletion) { f() } }, func(r *runner, conn *fakebroker.Conn) {
		_ = r.SubscribeAsync([]byte("c"), 1, 1)
		conn.Suback(conn.WantType(packet.SUBSCRIBE).ID, 1)
	}},
	{"OnMessage", func(c *Config, f func()) { c.OnMessage = func(Delivery) { f() } }, func(_ *runner, conn *fakebroker.Conn) {
		conn.Publish(packet.Publish{Topic: []byte("c"), QoS: 1, ID: 1})
	}},
}

func TestTrap02_DisconnectInsideEveryCallback(t *testing.T) {
	for _, callback := range every {
		t.Run(callback.name, func(t *testing.T) {
			bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				var r *runner
				var cfg Config
				callback.set(&cfg, func() {
					if err := r.Disconnect(context.Background()); err != nil {
						t.Error(err)
					}
				})
				r = start(t, b, cfg)
				conn := b.Welcome(false)
				callback.cause(r, conn)
				if p := conn.WantType(packet.DISCONNECT); p.Type != packet.DISCONNECT {
					t.Error(p)
				}
				conn.WantClosed()
				<-r.stopped
				if r.result != nil {
					t.Errorf("Run: %v", r.result)
				}
			})
		})
	}
}

func TestTrap02_CloseInsideEveryCallback(t *testing.T) {
	for _, callback := range every {
		t.Run(callback.name, func(t *testing.T) {
			bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				var r *runner
				var cfg Config
				callback.set(&cfg, func() { r.Close() })
				r = start(t, b, cfg)
				conn := b.Welcome(false)
				callback.cause(r, conn)
				conn.WantClosed() // without DISCONNECT
				<-r.stopped
				if !errors.Is(r.result, ErrClosed) {
					t.Errorf("Run: %v, want ErrClosed", r.result)
				}
				if err := r.PublishAsync(Message{Topic: []byte("t"), QoS: 1}, 9); !errors.Is(err, ErrClosed) {
					t.Errorf("publish after Close: %v", err)
				}
			})
		})
	}
}

func TestTrap03_PublishAndSubscribeInsideAHandlerAndWait(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{} })
		handled := make(chan string, 2)
		var r *runner
		r = newRunner(t, b, Config{OnMessage: func(d Delivery) {
			ctx := context.Background()
			if err := r.Publish(ctx, Message{Topic: []byte("answer"), QoS: 1}); err != nil {
				t.Error(err)
			}
			if err := r.Publish(ctx, Message{Topic: []byte("answer"), QoS: 0}); err != nil {
				t.Error(err)
			}
			if granted, err := r.Subscribe(ctx, "more", 1, nil); granted != 1 || err != nil {
				t.Error(granted, err)
			}
			if err := r.Unsubscribe(ctx, "more"); err != nil {
				t.Error(err)
			}
			handled <- string(d.Topic)
		}})
		r.run()
		conn := b.Accept()
		r.waitOnline()
		for i := range uint16(2) {
			conn.Publish(packet.Publish{Topic: []byte("question"), QoS: 1, ID: i + 1})
		}
		<-handled
		<-handled
		r.cancel()
		<-r.stopped
	})
}

// The acknowledgement a handler waits for stands behind more messages than the
// inbox holds.
func TestTrap03_WaitingHandlerBehindAFullInbox(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{HoldPubacks: true} })
		var r *runner
		results := make(chan error, 1000)
		r = start(t, b, Config{MaxInbox: 5, OnMessage: func(d Delivery) {
			time.Sleep(time.Second) // the reader waits before the handler does
			results <- r.Publish(context.Background(), Message{Topic: []byte("answer"), QoS: 1})
		}})
		flood := func(first, n uint16) (messages []packet.Publish) {
			for id := first; id < first+n; id++ {
				messages = append(messages, packet.Publish{Topic: []byte("question"), QoS: 1, ID: id})
			}
			return messages
		}
		conn := b.Accept()
		r.waitOnline()
		conn.Publish(flood(1, 15)...) // more than the inbox, less than what a waiting call may ask of it
		synctest.Wait()
		if s := r.Stats(); s.InboxPauses == 0 || s.Received != 7 {
			t.Fatalf("before the handler waits: %+v", s)
		}
		conn.Held(1)
		synctest.Wait()
		conn.Release()
		if err := <-results; err != nil {
			t.Errorf("answer 1: %v", err)
		}
		conn.Publish(flood(16, 100)...) // beyond everything: the reader must stop, so the wait must end
		if err := <-results; !errors.Is(err, ErrPending) || !errors.Is(err, ErrInboxFull) {
			t.Errorf("answer 2: %v, want ErrPending and ErrInboxFull", err)
		}
		for n := 2; n < 115; {
			select {
			case <-results:
				n++
			case <-time.After(time.Second):
				conn.Release()
			}
		}
		if s := r.Stats(); s.Received != 115 || s.InboxDropped != 0 || s.InboxPauses == 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// The same, when what the handler wants to send has to wait for the window: no
// write tells the paused reader that somebody waits.
func TestTrap03_WaitingHandlerBehindAFullInboxAndAFullWindow(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{HoldPubacks: true} })
		var r *runner
		results := make(chan error, 3)
		r = start(t, b, Config{KeepAlive: -1, MaxInflight: 1, MaxInbox: 1, OnMessage: func(d Delivery) {
			time.Sleep(time.Second)
			results <- r.Publish(context.Background(), Message{Topic: []byte("answer"), QoS: 1})
		}})
		conn := b.Accept()
		r.waitOnline()
		r.publish(1, 1)
		conn.Held(1)
		conn.Publish(message("q", "", 1, 1), message("q", "", 1, 2), message("q", "", 1, 3))
		synctest.Wait()
		conn.Release() // behind the third, which the reader cannot put anywhere
		for range 3 {
			conn.Held(1)
			synctest.Wait()
			conn.Release()
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// What stands behind a message in the reader's buffer is as late as that message.
func TestTrap04_PausedReaderKnowsWhatTimeItIs(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{
			KeepAlive: 20 * time.Second, Rand: func() float64 { return 0.5 }, // a ping every 15 s
			MaxInbox: 1, OnMessage: func(Delivery) { time.Sleep(305 * time.Second) },
		})
		conn := b.Welcome(false)
		r.waitOnline()
		flood := packet.AppendPingresp(nil)
		for range 3 {
			m := message("t", "", 0, 0)
			m.QoS, m.ID = 1, 1
			flood = append(m.Append(nil), flood...)
		}
		conn.SendRaw(flood) // the third message waits for 305 s, and the PINGRESP with it
		for range 20 {
			conn.Want("PINGREQ")
		}
		time.Sleep(6 * time.Second)
		for range 19 {
			conn.Pingresp()
		}
		if s := r.lastState(); s.Kind != Connected {
			t.Errorf("state %+v", s)
		}
		if s := r.Stats(); s.Received != 3 || s.UnknownAcks != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestTrap04_PausedReaderNoticesADeadLink(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		proceed := make(chan struct{})
		r := start(t, b, Config{MaxInbox: 1, BackoffMin: 1, BackoffMax: 1, OnMessage: func(Delivery) { <-proceed }})
		conn := b.Welcome(false)
		conn.Publish(message("t", "", 1, 1), message("t", "", 1, 2), message("t", "", 1, 3), message("t", "", 1, 4))
		synctest.Wait()
		conn.Reset()
		r.publish(1, 1) // this write fails
		conn = b.Welcome(true)
		conn.Puback(conn.WantPublish().ID)
		r.onceEach(1)
		close(proceed)
	})
}

func TestTrap04_SlowHandlerHoldsUpNeitherPingsNorAcknowledgements(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{KeepAlive: 20 * time.Second, OnMessage: func(Delivery) { time.Sleep(10 * time.Minute) }})
		conn := b.Welcome(false)
		conn.Publish(packet.Publish{Topic: []byte("c"), QoS: 1, ID: 1})
		synctest.Wait()
		r.publish(1, 1)
		conn.Puback(conn.WantPublish().ID)
		r.onceEach(1)
		pings := 0
		for start := time.Now(); time.Since(start) < 9*time.Minute; pings++ {
			conn.Want("PINGREQ")
			conn.Pingresp()
		}
		if pings < 9*60/20 {
			t.Errorf("%d pings in nine minutes", pings)
		}
		if states, _, _ := r.told(); len(states) != 1 {
			t.Errorf("states %+v, want one", states)
		}
	})
}

// A reader that waits for a slow handler hears no PINGRESP. The broker is not
// dead for that.
func TestTrap04_PausedReaderIsNoDeadPeer(t *testing.T) {
	bubble(t, fakebroker.Config{SendBuffer: 200}, func(t *testing.T, b *fakebroker.Broker) {
		flood := make([]packet.Publish, 50)
		for i := range flood {
			flood[i] = packet.Publish{Topic: []byte("c"), Payload: make([]byte, 20), QoS: 1, ID: uint16(i + 1)}
		}
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{} })
		r := start(t, b, Config{KeepAlive: 20 * time.Second, MaxInbox: 2, OnMessage: func(Delivery) { time.Sleep(5 * time.Minute) }})
		conn := b.Accept()
		r.waitOnline()
		go conn.Publish(flood...)
		b.Wait(packet.PUBACK, 50)
		if states, _, _ := r.told(); len(states) != 1 {
			t.Errorf("states %+v, want one", states)
		}
		if got := b.ReceivedType(packet.PUBACK); len(got) != 50 || got[49].ID != 50 {
			t.Errorf("%d acknowledgements", len(got))
		}
		if pings := len(b.ReceivedType(packet.PINGREQ)); pings < 4*60*60/20 {
			t.Errorf("%d pings in four hours", pings)
		}
	})
}

// A broker with tiny buffers that sends before it reads, and a client with a
// backlog to resend: whoever insists on writing first, loses.
func TestTrap05_WholeBacklogResendBeforeReaderStarts(t *testing.T) {
	bubble(t, fakebroker.Config{ReceiveBuffer: 16, SendBuffer: 16}, func(t *testing.T, b *fakebroker.Broker) {
		down := make([]packet.Publish, 500)
		for i := range down {
			down[i] = packet.Publish{Topic: []byte("down"), Payload: make([]byte, 100), QoS: 1, ID: uint16(i + 1)}
		}
		b.Serve(func(n int) fakebroker.Behavior {
			if n == 0 {
				return fakebroker.Behavior{HoldPubacks: true}
			}
			return fakebroker.Behavior{BeforeReading: down}
		})
		r := start(t, b, Config{MaxInflight: 200, MaxInbox: 10, OnMessage: func(Delivery) {}})
		r.publish(1, 200)
		b.Wait(packet.PUBLISH, 200)
		b.Accept().Reset()
		b.Wait(packet.PUBLISH, 400)
		b.Wait(packet.PUBACK, 500)
		for token, c := range r.onceEach(200) {
			if c.Err != nil || c.Redelivered != 1 {
				t.Errorf("message %d: %+v", token, c)
			}
		}
		if states, _, _ := r.told(); len(states) != 3 {
			t.Errorf("states %+v, want connected, disconnected, connected", states)
		}
	})
}

func TestTrap06_EveryWriteHasADeadline(t *testing.T) {
	bubble(t, fakebroker.Config{ReceiveBuffer: 30}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{
			WriteTimeout: 7 * time.Second, ConnectTimeout: time.Hour, BackoffMin: 1, BackoffMax: 1, KeepAlive: -1,
			ClientID: "longer-than-the-buffer-of-the-broker",
		})
		began := time.Now()
		b.Accept() // and does not even read CONNECT
		b.WaitDials(2)
		if d := time.Since(began); d < 7*time.Second || d > 15*time.Second {
			t.Errorf("CONNECT was given up after %v, want 7s, and 7s more for the part that was taken", d)
		}
		if s := r.lastState(); !errors.Is(s.Err, ErrConnectionLost) || s.Attempt != 1 {
			t.Errorf("state %+v", s)
		}
		conn := b.Welcome(false)
		began = time.Now()
		r.publish(1, 10) // more than the broker takes
		conn.WantPublish()
		b.WaitDials(3)
		if d := time.Since(began); d < 7*time.Second || d > 15*time.Second {
			t.Errorf("PUBLISH was given up after %v, want 7s, and 7s more for the part that was taken", d)
		}
	})
}

// A slow link is no dead one: the deadline starts again with every bit of
// progress.
func TestTrap06_SlowProgressIsProgress(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		client, server := fakebroker.Pipe(100, 100)
		r := start(t, b, Config{
			WriteTimeout: 2 * time.Second, KeepAlive: -1,
			Dial: func(context.Context) (net.Conn, error) { return client, nil },
		})
		if err := r.PublishAsync(Message{Topic: []byte("t"), Payload: make([]byte, 5000), QoS: 1}, 1); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if _, err := server.Read(buf); err != nil { // CONNECT
			t.Fatal(err)
		}
		if _, err := server.Write(packet.Connack{}.Append(nil)); err != nil {
			t.Fatal(err)
		}
		for read := 0; read < 5000; {
			time.Sleep(time.Second)
			n, err := server.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", read, err)
			}
			read += n
		}
	})
}

func TestTrap07_EveryWaitEnds(t *testing.T) {
	ends := map[string]func(*runner){
		"Disconnect": func(r *runner) { _ = r.Disconnect(context.Background()) },
		"Close":      func(r *runner) { r.Close() },
		"context":    func(r *runner) { r.cancel() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{HoldPubacks: true} })
				r := start(t, b, Config{MaxInflight: 1})
				results := make(chan error, 3)
				for range 2 {
					go func() { results <- r.Publish(context.Background(), Message{Topic: []byte("t"), QoS: 1}) }()
				}
				b.Wait(packet.PUBLISH, 1)
				synctest.Wait()
				end(r)
				for range 2 {
					if err := <-results; !errors.Is(err, ErrPending) {
						t.Errorf("the wait ended with %v, want ErrPending", err)
					}
				}
				<-r.stopped
			})
		})
	}
}

func TestTrap07_CloseCompletesEverythingOnce(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{HoldPubacks: true} })
		r := start(t, b, Config{MaxInflight: 2})
		r.publish(1, 3)
		b.Wait(packet.PUBLISH, 2)
		r.cancel()
		<-r.stopped
		r.publish(4, 1) // between two Runs
		if _, completions, _ := r.told(); len(completions) != 0 {
			t.Fatalf("completed by the end of Run: %+v", completions)
		}
		r.Close()
		r.Close()
		for token, c := range r.onceEach(4) {
			want := ErrFateUnknown
			if token > 2 {
				want = ErrNotSent
			}
			if !errors.Is(c.Err, want) || !errors.Is(c.Err, ErrClosed) {
				t.Errorf("message %d: %v, want %v", token, c.Err, want)
			}
		}
		if err := r.Run(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Run after Close: %v", err)
		}
	})
}

func TestTrap42_DisconnectRacesWithEveryStepOfConnecting(t *testing.T) {
	for step := range 40 {
		for _, reach := range []fakebroker.Reach{fakebroker.Reachable, fakebroker.Refusing, fakebroker.Silent} {
			bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				b.SetReach(reach)
				b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{} })
				r := start(t, b, Config{})
				for range step { // let the others run a little further each time
					runtime.Gosched()
				}
				for try := 0; ; try++ {
					if err := r.Disconnect(context.Background()); err != nil {
						t.Errorf("step %d: %v", step, err)
					}
					select {
					case <-r.stopped:
						return // and the bubble fails if a goroutine is left
					case <-time.After(2 * goodbyeTimeout):
					}
					if try == 2 { // the first may come before Run
						t.Fatalf("step %d, reach %d: Run goes on", step, reach)
					}
				}
			})
		}
	}
}

func TestTrap54_ContextWithoutDeadlineIsObeyed(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{HoldPubacks: true} })
		r := start(t, b, Config{MaxInflight: 1})
		publish := func(ctx context.Context) chan error {
			result := make(chan error, 1)
			go func() { result <- r.Publish(ctx, Message{Topic: []byte("t"), QoS: 1}) }()
			synctest.Wait()
			return result
		}
		reason := errors.New("changed my mind")
		ctx, cancel := context.WithCancelCause(context.Background())
		first, second := publish(ctx), publish(ctx)
		cancel(reason)
		if err := <-first; !errors.Is(err, ErrPending) || !errors.Is(err, reason) {
			t.Errorf("message on its way: %v, want ErrPending and the reason", err)
		}
		if err := <-second; !errors.Is(err, ErrNotSent) || !errors.Is(err, reason) {
			t.Errorf("message behind it: %v, want ErrNotSent and the reason", err)
		}
		if err := r.Publish(ctx, Message{Topic: []byte("t"), QoS: 1}); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is done: %v", err)
		}
		if s := r.Stats(); s.Queued != 1 || s.Inflight != 1 {
			t.Errorf("%d messages queued, %d in flight, want the first", s.Queued, s.Inflight)
		}
		b.Accept().Release()
		synctest.Wait()
		if s := r.Stats(); s.Queued != 0 {
			t.Errorf("%d messages queued, want none", s.Queued)
		}
		if _, completions, _ := r.told(); len(completions) != 0 {
			t.Errorf("OnPublished was told of blocking calls: %s", fmt.Sprint(completions))
		}
	})
}
