package mqttcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Traps 24 to 28: what comes from the broker, who gets it, and when the broker
// hears that it was taken.

// recorder collects the payloads a handler was given.
type recorder struct {
	mu  sync.Mutex
	got []string
}

func (r *recorder) handle(d Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, string(d.Payload))
}

func (r *recorder) want(t *testing.T, payloads ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.got, payloads) {
		t.Errorf("handled %q, want %q", r.got, payloads)
	}
}

func message(topic, payload string, qos byte, id uint16) packet.Publish {
	return packet.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos, ID: id}
}

func TestTrap24_PubackWaitsForTheHandler(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		proceed := make(chan struct{})
		start(t, b, Config{OnMessage: func(Delivery) { <-proceed }})
		conn := b.Welcome(false)
		conn.Publish(message("t", "", 1, 5), message("t", "", 1, 6))
		conn.WantIdle()
		proceed <- struct{}{}
		conn.Want("PUBACK id=5")
		conn.WantIdle()
		proceed <- struct{}{}
		conn.Want("PUBACK id=6")
	})
}

func TestTrap24_HandlerThatOutlivesItsConnection(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		proceed := make(chan struct{})
		var got recorder
		start(t, b, Config{BackoffMin: 1, BackoffMax: 1, OnMessage: func(d Delivery) { got.handle(d); <-proceed }})
		conn := b.Welcome(false)
		conn.Publish(message("t", "a", 1, 1), message("t", "b", 1, 2))
		got.want(t, "a")
		conn.Reset()
		conn = b.Welcome(true)
		again := message("t", "a", 1, 1)
		again.Dup = true
		conn.Publish(again, message("t", "b", 1, 2))
		conn.WantIdle()
		close(proceed)
		conn.Want("PUBACK id=1") // for the second copy, not for the first
		conn.Want("PUBACK id=2")
		conn.WantIdle()
		got.want(t, "a", "a", "b") // b, which nobody had begun, was left to the broker
	})
}

func TestTrap24_ManualAck(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var ids []uint64
		r := start(t, b, Config{ManualAck: true, BackoffMin: 1, BackoffMax: 1, OnMessage: func(d Delivery) { ids = append(ids, d.ID) }})
		conn := b.Welcome(false)
		conn.Publish(message("t", "", 1, 1), message("t", "", 0, 0), message("t", "", 1, 2))
		conn.WantIdle()
		if len(ids) != 3 || ids[0] == 0 || ids[1] != 0 || ids[2] <= ids[0] {
			t.Fatalf("delivered with IDs %v", ids)
		}
		r.Ack(ids[2])
		conn.WantIdle()
		r.Ack(ids[0])
		conn.Want("PUBACK id=1")
		conn.Want("PUBACK id=2")
		conn.Publish(message("t", "", 1, 3))
		conn.WantIdle()
		conn.Reset()
		conn = b.Welcome(true)
		r.waitOnline()
		r.Ack(ids[3]) // of the connection that is gone
		conn.WantIdle()
		if s := r.Stats(); s.StaleAcks != 1 {
			t.Errorf("%d stale acknowledgements, want 1", s.StaleAcks)
		}
	})
}

// The broker sends what it has stored right behind CONNACK.
func TestTrap25_StoredMessagesFindTheirHandlers(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var got recorder
		r := newRunner(t, b, Config{OnState: func(s State) {
			got.handle(Delivery{Payload: []byte(s.Kind.String())})
		}})
		if err := r.Handle("stored/+", got.handle); err != nil {
			t.Fatal(err)
		}
		r.run()
		conn := b.Accept()
		conn.WantConnect()
		stored := message("stored/1", "early", 1, 1)
		conn.SendRaw(stored.Append(packet.Connack{SessionPresent: true}.Append(nil)))
		conn.Want("PUBACK id=1")
		got.want(t, "connected", "early")
		r.cancel()
		<-r.stopped
	})
}

func TestTrap25_SubscribeHasItsHandlerInPlaceFirst(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var got recorder
		r := start(t, b, Config{})
		conn := b.Welcome(false)
		done := make(chan error, 1)
		go func() {
			granted, err := r.Subscribe(t.Context(), "c/#", 1, got.handle)
			if granted != 1 {
				err = fmt.Errorf("granted %d, %w", granted, err)
			}
			done <- err
		}()
		id := conn.WantType(packet.SUBSCRIBE).ID
		conn.Publish(message("c/1", "before SUBACK", 0, 0))
		got.want(t, "before SUBACK")
		conn.Suback(id, 1)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTrap26_UnwantedMessagesAreAcknowledged(t *testing.T) {
	for _, manual := range []bool{false, true} {
		bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
			r := start(t, b, Config{ManualAck: manual})
			if err := r.Handle("wanted", func(Delivery) {}); err != nil {
				t.Fatal(err)
			}
			conn := b.Welcome(false)
			conn.Publish(message("unwanted", "", 1, 9), message("unwanted", "", 0, 0))
			conn.Want("PUBACK id=9") // [MQTT-4.5.0-2]
			conn.WantIdle()
			if s := r.Stats(); s.Unhandled != 2 {
				t.Errorf("%d unhandled, want 2", s.Unhandled)
			}
		})
	}
}

func TestTrap27_HandlersRunOneAtATimeInOrder(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var got recorder
		busy := false
		start(t, b, Config{OnMessage: func(d Delivery) {
			if busy {
				t.Error("two handlers run at once")
			}
			busy = true
			time.Sleep(time.Duration(10-len(d.Payload)) * time.Millisecond)
			got.handle(d)
			busy = false
		}})
		conn := b.Welcome(false)
		var want []string
		for id := uint16(1); id <= 9; id++ {
			want = append(want, strings.Repeat("x", int(id)))
			conn.Publish(message("t", want[id-1], 1, id))
		}
		for id := range want {
			conn.Want(fmt.Sprintf("PUBACK id=%d", id+1))
		}
		got.want(t, want...)
	})
}

func TestTrap28_BothCopiesAreDelivered(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var held []Delivery
		r := start(t, b, Config{ManualAck: true, BackoffMin: 1, BackoffMax: 1, OnMessage: func(d Delivery) { held = append(held, d) }})
		conn := b.Welcome(false)
		conn.Publish(message("t", "a", 1, 7))
		synctest.Wait()
		conn.Reset()
		conn = b.Welcome(true)
		again := message("t", "a", 1, 7)
		again.Dup = true
		conn.Publish(again)
		conn.WantIdle()
		if len(held) != 2 || held[0].Dup || !held[1].Dup || held[0].ID == held[1].ID {
			t.Fatalf("delivered %+v", held)
		}
		r.Ack(held[0].ID)
		conn.WantIdle()
		r.Ack(held[1].ID)
		conn.Want("PUBACK id=7")
	})
}

func TestFullInboxDropsQoS0AndCounts(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var got recorder
		proceed := make(chan struct{})
		r := start(t, b, Config{MaxInbox: 2, OnMessage: func(d Delivery) { <-proceed; got.handle(d) }})
		conn := b.Welcome(false)
		r.waitOnline()
		conn.Publish(message("t", "in the handler", 0, 0))
		synctest.Wait()
		for i := range 5 {
			conn.Publish(message("t", fmt.Sprint(i), 0, 0))
		}
		synctest.Wait()
		close(proceed)
		got.want(t, "in the handler", "0", "1")
		if s := r.Stats(); s.InboxDropped != 3 || s.Received != 6 || s.InboxPauses != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestInboxIsBoundedInBytes(t *testing.T) {
	cfg := Config{MaxInbox: 100, MaxInboxBytes: 1000}
	var b inbox
	it := newItem(itemInbound)
	it.text = make([]byte, 900)
	if b.full(&cfg, 5000, 1) {
		t.Error("a single large message does not fit")
	}
	b.push(it)
	if b.full(&cfg, 100, 1) || !b.full(&cfg, 101, 1) || b.full(&cfg, 101, 2) {
		t.Error("bound is not at 1000 bytes")
	}
	if b.pop() != it || b.bytes != 0 {
		t.Errorf("%d bytes left", b.bytes)
	}
}

func TestRouting(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var got recorder
		named := func(name string) Handler {
			return func(d Delivery) { got.handle(Delivery{Payload: []byte(name + " " + string(d.Topic))}) }
		}
		r := start(t, b, Config{OnMessage: named("rest")})
		handle := func(filter, name string) {
			t.Helper()
			h := named(name)
			if name == "" {
				h = nil
			}
			if err := r.Handle(filter, h); err != nil {
				t.Fatal(err)
			}
		}
		handle("a/+", "plus")
		handle("a/#", "hash")
		handle("#", "all")
		handle("a/+", "newer plus") // in the same place
		conn := b.Welcome(false)
		conn.Publish(message("a/1", "", 0, 0), message("$SYS/a", "", 0, 0))
		got.want(t, "newer plus a/1", "hash a/1", "all a/1", "rest $SYS/a")
		handle("#", "")
		handle("a/+", "")
		conn.Publish(message("a/2", "", 0, 0), message("b", "", 0, 0))
		got.want(t, "newer plus a/1", "hash a/1", "all a/1", "rest $SYS/a", "hash a/2", "rest b")
		if err := r.Handle("a/#/b", named("never")); !errors.Is(err, ErrInvalid) {
			t.Errorf("bad filter: %v", err)
		}
	})
}

func TestSubscribeTakesItsHandlerAwayIfRefused(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior {
			return fakebroker.Behavior{Grant: func(filter string, qos byte) byte {
				if filter == "secret" {
					return packet.SubackFailure
				}
				return 0
			}}
		})
		var got, rest recorder
		r := start(t, b, Config{OnMessage: rest.handle})
		if _, err := r.Subscribe(t.Context(), "secret", 1, got.handle); !errors.Is(err, ErrSubscriptionRefused) {
			t.Errorf("refused: %v", err)
		}
		if granted, err := r.Subscribe(t.Context(), "open", 1, got.handle); granted != 0 || err != nil {
			t.Errorf("granted %d, %v", granted, err)
		}
		if _, err := r.Subscribe(t.Context(), "a#", 1, got.handle); !errors.Is(err, ErrInvalid) {
			t.Errorf("bad filter: %v", err)
		}
		conn := b.Accept()
		conn.Publish(message("secret", "s", 0, 0), message("open", "o", 0, 0))
		got.want(t, "o")
		rest.want(t, "s")
		if err := r.Unsubscribe(t.Context(), "open"); err != nil {
			t.Error(err)
		}
		conn.Publish(message("open", "late", 0, 0))
		rest.want(t, "s", "late")
	})
}

func TestSubscribeAsyncReportsEachToken(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		conn := b.Welcome(false)
		if err := r.SubscribeAsync([]byte("a"), 1, 11); err != nil {
			t.Fatal(err)
		}
		if err := r.SubscribeAsync([]byte("b"), 1, 12); err != nil {
			t.Fatal(err)
		}
		if err := r.UnsubscribeAsync([]byte("a"), 13); err != nil {
			t.Fatal(err)
		}
		conn.Want("SUBSCRIBE id=1 a:1")
		conn.Want("SUBSCRIBE id=2 b:1")
		conn.Want("UNSUBSCRIBE id=3 a")
		conn.Suback(1, 0)
		conn.Suback(2, packet.SubackFailure)
		conn.Unsuback(3)
		_, _, answers := r.told()
		want := []SubCompletion{{Token: 11}, {Token: 12, Err: ErrSubscriptionRefused}, {Token: 13}}
		if !slices.Equal(answers, want) {
			t.Errorf("told %+v, want %+v", answers, want)
		}
		for _, bad := range []error{
			r.SubscribeAsync([]byte("a#"), 1, 1), r.SubscribeAsync([]byte("a"), 2, 1), r.UnsubscribeAsync(nil, 1),
		} {
			if !errors.Is(bad, ErrInvalid) {
				t.Errorf("bad request: %v", bad)
			}
		}
	})
}

func TestLatencies(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{MaxInflight: 1, BackoffMin: 1, BackoffMax: 1, KeepAlive: -1})
		conn := b.Welcome(false)
		r.waitOnline()
		r.publish(1, 2)
		conn.WantPublish()
		time.Sleep(2 * time.Second)
		conn.Puback(1)
		conn.WantPublish()
		time.Sleep(3 * time.Second)
		conn.Reset()
		conn = b.Welcome(true)
		conn.WantPublish()
		time.Sleep(time.Second)
		conn.Puback(2)
		done := r.onceEach(2)
		if c := done[1]; c.Queued != 0 || c.Acked != 2*time.Second || c.Total != 2*time.Second || c.Redelivered != 0 {
			t.Errorf("first: %+v", c)
		}
		if c := done[2]; c.Queued.Truncate(time.Second) != 5*time.Second || c.Acked != time.Second || c.Total.Truncate(time.Second) != 6*time.Second || c.Redelivered != 1 || c.Republished {
			t.Errorf("second: %+v", c)
		}
	})
}

func TestMessagesOfARunThatEnded(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		var got recorder
		r := start(t, b, Config{OnMessage: func(d Delivery) { got.handle(d); time.Sleep(time.Second) }})
		conn := b.Welcome(false)
		conn.Publish(message("t", "a", 1, 1), message("t", "b", 1, 2), message("t", "c", 0, 0))
		got.want(t, "a")
		began := time.Now()
		r.cancel()
		<-r.stopped
		if d := time.Since(began); d != time.Second {
			t.Errorf("Run returned after %v, want when the handler has", d)
		}
		got.want(t, "a")
		if s := r.Stats(); s.InboxDropped != 1 || s.Inbox != 0 {
			t.Errorf("counted %+v", s)
		}
		// A client that stops still refuses to wait for nobody.
		if err := r.Publish(context.Background(), Message{Topic: []byte("t")}); !errors.Is(err, ErrNotConnected) {
			t.Errorf("QoS 0 after Run: %v", err)
		}
	})
}
