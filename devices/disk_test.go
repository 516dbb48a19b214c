package devices

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// drive is a disk without a device: the test is its loop, in a bubble of its own.
type drive struct {
	t     *testing.T
	d     *Device
	k     *disk
	files *faultyFS
	token uint64
}

// newDrive runs a disk, which stop ends.
func newDrive(t *testing.T, dir string, change func(*Outbox)) (v *drive, stop func()) {
	t.Helper()
	files := &faultyFS{FS: outbox.OS{}}
	cfg := Config{Name: "greenhouse", Outbox: Outbox{Dir: dir, FS: files}}
	if change != nil {
		change(&cfg.Outbox)
	}
	d := New(cfg, Shared{Clients: NewClients(100, nil), Metrics: metrics.New(metrics.Build{}), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	d.work.Go(func() { d.disk.run(ctx) })
	return &drive{t: t, d: d, k: d.disk, files: files}, func() { cancel(); d.drain() }
}

// next returns the next event of a kind; others are passed over.
func (v *drive) next(kind eventKind) event {
	v.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case ev := <-v.d.events:
			if ev.kind == kind {
				return ev
			}
		case <-late:
			v.t.Fatalf("event %d does not come", kind)
		}
	}
}

// put asks for something, as the loop does.
func (v *drive) put(c gateway.Command) bool {
	c.Node, c.ClientID = 1, "b1"
	return v.k.queue.put(time.Now(), &c)
}

// store stores a message and returns what became of it.
func (v *drive) store(payload string) storeResult {
	v.t.Helper()
	v.token++
	v.put(gateway.Command{Kind: gateway.StoreMessage, Token: v.token, Topic: []byte("ab"), Payload: []byte(payload), QoS: 1})
	r := v.next(messagesStored).results
	if len(r) != 1 || r[0].token != v.token || r[0].node != 1 {
		v.t.Fatalf("stored %q: %+v", payload, r)
	}
	return r[0]
}

func (v *drive) mustStore(payload string) uint64 {
	v.t.Helper()
	r := v.store(payload)
	if r.result != gateway.StoreOK {
		v.t.Fatalf("%q was refused: %d", payload, r.result)
	}
	return r.seq
}

// load returns the payloads of the messages behind after.
func (v *drive) load(after uint64) (payloads []string) {
	v.t.Helper()
	v.put(gateway.Command{Kind: gateway.LoadMessages, Seq: after, Max: 40})
	for _, m := range v.next(messagesLoaded).loaded.messages {
		payloads = append(payloads, string(m.Payload))
	}
	return payloads
}

// TestAnUnusableOutboxIsTriedAgain: the operator mends it, and need not restart anything.
func TestAnUnusableOutboxIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "holiday.jpg")
		if err := os.WriteFile(path, []byte("JFIF"), 0o600); err != nil {
			t.Fatal(err)
		}
		v, stop := newDrive(t, dir, nil)
		defer stop()
		v.next(outboxUnusable)
		begun := time.Now()
		synctest.Wait()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		v.next(outboxOpened)
		if took := time.Since(begun); took != openEvery {
			t.Errorf("it took %v", took)
		}
		v.mustStore("works")
	})
}

// TestTwoDaemons: the second one does not touch what the first one has.
func TestTwoDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		v, stop := newDrive(t, dir, nil)
		v.next(outboxOpened)
		v.mustStore("x")
		w, stopSecond := newDrive(t, dir, nil)
		defer stopSecond()
		const want = "is in use by another umqttd; stop that one, or give each a folder of its own"
		if err := w.next(outboxUnusable).err; err == nil || err.Error() != "outbox: "+dir+": "+want {
			t.Errorf("got %v", err)
		}
		stop()
		if ev := w.next(outboxOpened); len(ev.clients) != 1 || ev.clients[0].stored != 1 {
			t.Errorf("taken over: %+v", ev.clients)
		}
	})
}

// TestAFailedCommit: none of its messages counts as stored, the disk is left alone for
// a second, and then it works as if nothing had been.
func TestAFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := newDrive(t, t.TempDir(), nil)
		defer stop()
		v.next(outboxOpened)
		v.mustStore("before")
		v.files.broken.Store(true)
		if r := v.store("lost"); r.result != gateway.StoreFailed {
			t.Fatalf("result %d", r.result)
		}
		syncs := v.files.syncs.Load()
		if r := v.store("too soon"); r.result != gateway.StoreFailed || v.files.syncs.Load() != syncs {
			t.Errorf("result %d, the disk was asked %d times", r.result, v.files.syncs.Load()-syncs)
		}
		v.files.broken.Store(false)
		time.Sleep(flushEvery)
		v.mustStore("after")
		if got, want := v.load(0), []string{"before", "after"}; !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}

// TestQuarantineOnAFailingDisk: a message that is to be put aside is not lost because
// what came after it is acknowledged.
func TestQuarantineOnAFailingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		v, stop := newDrive(t, dir, nil)
		v.next(outboxOpened)
		poison := v.mustStore("poison")
		good := v.mustStore("good")
		v.files.broken.Store(true)
		v.put(gateway.Command{Kind: gateway.QuarantineStored, Seq: poison})
		v.put(gateway.Command{Kind: gateway.SettleStored, Seq: good})
		if got, want := v.load(0), []string{"poison", "good"}; !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
		v.files.broken.Store(false)
		time.Sleep(2 * flushEvery)
		if got := v.load(0); len(got) > 0 {
			t.Errorf("still stored: %q", got)
		}
		stop()
		r, err := outbox.Inspect(dir)
		if err != nil || len(r.Quarantine) != 1 || string(r.Quarantine[0].Payload) != "poison" || r.Messages != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestStatesAreWrittenOnceASecond, and the last one counts.
func TestStatesAreWrittenOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		v, stop := newDrive(t, dir, nil)
		v.next(outboxOpened)
		time.Sleep(flushEvery)
		v.put(gateway.Command{Kind: gateway.SaveNode, State: []byte("0")})
		v.next(outboxChanged)
		syncs := v.files.syncs.Load()
		for i := range 100 {
			v.put(gateway.Command{Kind: gateway.SaveNode, State: fmt.Append(nil, i)})
			synctest.Wait()
		}
		if n := v.files.syncs.Load(); n != syncs {
			t.Errorf("%d commits in no time", n-syncs)
		}
		stop() // writes what is left
		w, stop := newDrive(t, dir, nil)
		defer stop()
		if ev := w.next(outboxOpened); len(ev.clients) != 1 || string(ev.clients[0].state) != "99" {
			t.Errorf("kept: %+v", ev.clients)
		}
	})
}

// TestDropOldest: what makes room is counted, and the loop is told.
func TestDropOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := newDrive(t, t.TempDir(), func(o *Outbox) { o.MaxBytes, o.DropOldest = 1<<20, true })
		defer stop()
		v.next(outboxOpened)
		payload, stored := string(make([]byte, 60<<10)), 0
		for range 100 {
			v.token++
			v.put(gateway.Command{Kind: gateway.StoreMessage, Token: v.token, Topic: []byte("ab"), Payload: []byte(payload), QoS: 1})
			for {
				ev := <-v.d.events
				if ev.kind == messagesEvicted {
					if e := ev.evicted; len(e) != 1 || e[0].Client != "b1" || e[0].Messages == 0 || e[0].UpTo == 0 {
						t.Errorf("evicted: %+v", e)
					}
					v.d.inner = t.Context()
					v.d.evicted(&ev)
					if n := value(t, v.d.met.Dropped[metrics.DropOutboxOldest]); n != float64(ev.evicted[0].Messages) {
						t.Errorf("%v are counted", n)
					}
					return
				}
				if ev.kind == messagesStored {
					break
				}
			}
			stored++
		}
		t.Errorf("nothing was dropped for %d messages", stored)
	})
}

// TestFull: messages are refused without asking the disk, and taken when there is room.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := newDrive(t, t.TempDir(), func(o *Outbox) { o.MaxBytes = 1 << 20 })
		defer stop()
		v.next(outboxOpened)
		payload := string(make([]byte, 60<<10))
		var last uint64
		for {
			r := v.store(payload)
			if r.result == gateway.StoreFull {
				break
			}
			last = r.seq
		}
		if ev := v.next(outboxChanged); ev.outbox.problem == "" {
			t.Error("no problem is shown")
		}
		v.put(gateway.Command{Kind: gateway.SettleStored, Seq: last})
		time.Sleep(2 * flushEvery)
		v.mustStore("fits")
		time.Sleep(2 * flushEvery)
		if v.k.problem == "" {
			t.Error("it has room and has none in turns, and each is said")
		}
		time.Sleep(fullHolds)
		v.mustStore("fits too")
		for {
			if ev := v.next(outboxChanged); ev.outbox.problem == "" && ev.outbox.stats.Messages == 2 {
				return
			}
		}
	})
}

// TestTheQueueIsBounded, and says so.
func TestTheQueueIsBounded(t *testing.T) {
	q := newDiskQueue()
	c := gateway.Command{Kind: gateway.StoreMessage}
	for i := range maxStores {
		if !q.put(time.Now(), &c) {
			t.Fatalf("message %d was refused", i)
		}
	}
	if q.put(time.Now(), &c) {
		t.Error("there is no end")
	}
	if !q.put(time.Now(), &gateway.Command{Kind: gateway.SettleStored}) {
		t.Error("what frees the disk was refused")
	}
}

// TestMessagesWaitForEachOther, but not when they are alone, and not for ever.
func TestMessagesWaitForEachOther(t *testing.T) {
	now := time.Unix(1000, 0)
	store := &gateway.Command{Kind: gateway.StoreMessage}
	for _, c := range []struct {
		what   string
		before int // messages of the last commit
		now    int
		also   *gateway.Command
		want   time.Duration
	}{
		{"one, as before", 1, 1, nil, 0},
		{"one, but there were two", 2, 1, nil, linger},
		{"more than before", 2, 4, nil, 0},
		{"a full commit", 100, commitMessages, nil, 0},
		{"nearly one", 100, commitMessages - 1, nil, linger},
		{"somebody waits for what is stored", 2, 1, &gateway.Command{Kind: gateway.LoadMessages}, 0},
		{"an acknowledgement can wait", 2, 1, &gateway.Command{Kind: gateway.SettleStored}, linger},
	} {
		q := newDiskQueue()
		q.committed(c.before)
		for range c.now {
			q.put(now, store)
		}
		if c.also != nil {
			q.put(now, c.also)
		}
		if got := q.ripe(now).Sub(now); got != c.want {
			t.Errorf("%s: it waits %v, want %v", c.what, got, c.want)
		}
	}
	q := newDiskQueue()
	q.committed(8)
	vain := 0
	for range 100 { // 8 boards, each with one message under way
		for range 8 {
			q.put(now, store)
		}
		if q.ripe(now) != now {
			vain++
		}
		q.take(nil, nil)
		q.committed(8)
	}
	if vain == 0 || vain > 100/settledFor+1 {
		t.Errorf("8 boards waited for a ninth %d times of 100", vain)
	}
	if !newDiskQueue().ripe(now).IsZero() {
		t.Error("an empty queue has something to do")
	}
}
