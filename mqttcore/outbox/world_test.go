package outbox_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

// world is a log on a simulated disk, with the model of what it must hold.
type world struct {
	t    testing.TB
	disk *simdisk.Disk
	cfg  outbox.Config
	log  *outbox.Log

	stored *model
	batch  []change   // of the open commit
	voids  [][]change // of commits that failed, while none after them succeeded
	last   uint64     // number given out last, or found in the log
	clock  int64
}

const folder = "/outbox/greenhouse"

func newWorld(t testing.TB, cfg outbox.Config) *world {
	t.Helper()
	w := &world{t: t, disk: &simdisk.Disk{}, cfg: cfg, stored: newModel()}
	w.cfg.FS, w.cfg.Dir = w.disk, folder
	if w.cfg.MaxBytes == 0 {
		w.cfg.MaxBytes = 1 << 20
	}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	l, err := outbox.Open(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = l
}

// put appends a message and reports whether there was room.
func (w *world) put(client, topic, payload string) bool {
	w.t.Helper()
	w.clock++
	m := outbox.Message{Client: client, Topic: []byte(topic), Payload: []byte(payload), QoS: 1, Accepted: time.Unix(0, w.clock)}
	seq, err := w.log.Append(&m)
	if errors.Is(err, outbox.ErrFull) {
		return false
	}
	w.must(err)
	if seq <= w.last {
		w.t.Fatalf("message has number %d after %d", seq, w.last)
	}
	w.last = seq
	w.batch = append(w.batch, change{kind: 'm', m: message{seq, w.clock, client, topic, payload, ""}})
	return true
}

func (w *world) state(client string, state []byte) {
	w.t.Helper()
	err := w.log.PutState(client, state)
	if errors.Is(err, outbox.ErrFull) {
		return // the open commit
	}
	w.must(err)
	w.batch = append(w.batch, change{kind: 's', m: message{client: client}, state: state})
}

// quarantine takes the client's oldest message, unless it is in the batch
// already.
func (w *world) quarantine(client, why string) {
	w.t.Helper()
	list := w.stored.waiting(client)
	if len(list) == 0 || slices.ContainsFunc(w.batch, func(c change) bool { return c.kind == 'q' && c.m.client == client }) {
		return
	}
	err := w.log.Quarantine(client, list[0].seq, why)
	if errors.Is(err, outbox.ErrFull) {
		return // the open commit
	}
	w.must(err)
	m := list[0]
	m.why = why
	w.batch = append(w.batch, change{kind: 'q', m: m})
}

// ack acknowledges the n oldest messages of a client.
func (w *world) ack(client string, n int) {
	list := w.stored.waiting(client)
	if n = min(n, len(list)); n > 0 {
		w.log.Ack(client, list[n-1].seq)
		w.stored.acked[client] = list[n-1].seq
	}
}

// commit and flush return the error, which voids the batch.
func (w *world) commit() error { return w.done(w.log.Commit()) }

func (w *world) flush() error {
	if err := w.commit(); err != nil {
		return err
	}
	err := w.log.Flush()
	if err == nil {
		for name, seq := range w.stored.acked {
			w.stored.settle(name, seq)
		}
	}
	return err
}

func (w *world) done(err error) error {
	if err != nil {
		if len(w.batch) > 0 {
			w.voids = append(w.voids, w.batch)
		}
		w.batch = nil
		return err
	}
	if len(w.batch) > 0 {
		w.voids = nil
	}
	for _, c := range w.batch {
		w.stored.apply(c)
	}
	w.batch = nil
	return nil
}

// must fails the test unless err is nil.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// check compares the open log with the model, exactly.
func (w *world) check() {
	w.t.Helper()
	got, err := contentOf(w.log)
	w.must(err)
	want := w.stored.clone()
	for name := range want.messages {
		want.messages[name] = want.waiting(name)
	}
	if diff := want.differs(got); diff != "" {
		w.t.Fatal(diff)
	}
	for _, name := range []string{"a", "b", "nobody"} {
		all := want.waiting(name)
		for i := range all {
			part, err := w.log.Read(name, all[i].seq, nil, 1)
			w.must(err)
			if i+1 < len(all) && (len(part) != 1 || part[0].Seq != all[i+1].seq) || i+1 == len(all) && len(part) > 0 {
				w.t.Fatalf("after %d of %q there is %v, want %v", all[i].seq, name, part, numbers(all[i+1:]))
			}
		}
	}
}

// restarted opens the log after a crash, and finds everything that was stored,
// and of the commit that was under way a prefix.
func (w *world) restarted() {
	w.t.Helper()
	w.open()
	if d := w.log.Damage(); len(d) > 0 {
		w.t.Fatalf("damage after a mere crash: %v", d)
	}
	got, err := contentOf(w.log)
	w.must(err)
	var diffs []string
	for _, progress := range append(w.voids, w.batch) {
		for k := range len(progress) + 1 {
			want := w.stored.clone()
			for _, c := range progress[:k] {
				want.apply(c)
			}
			diff := want.differs(got)
			if diff == "" {
				w.adopt(want, got)
				return
			}
			diffs = append(diffs, fmt.Sprintf("with %d of %d records of a commit that did not succeed: %s", k, len(progress), diff))
		}
	}
	w.t.Fatalf("the log after the crash:\n%s", strings.Join(diffs, "\n"))
}

// adopt goes on from what was found after a restart.
func (w *world) adopt(want *model, got content) {
	want.adopt(got)
	w.stored, w.batch, w.voids, w.last = want, nil, nil, 0
	for _, list := range want.messages {
		if n := len(list); n > 0 {
			w.last = max(w.last, list[n-1].seq)
		}
	}
}

// random does something, and reports whether the disk was in order.
func (w *world) random(r *rand.Rand, size int) bool {
	w.t.Helper()
	client := string(rune('a' + r.IntN(4)))
	var err error
	switch n := r.IntN(100); {
	case n < 55:
		w.put(client, "topic/"+client, text(r, r.IntN(size)))
	case n < 62:
		w.state(client, []byte("s"+text(r, r.IntN(300))))
	case n < 64:
		w.state(client, nil)
	case n < 67:
		w.quarantine(client, "because "+text(r, 10))
	case n < 77:
		w.ack(client, 1+r.IntN(12))
	case n < 95:
		err = w.commit()
	default:
		err = w.flush()
	}
	if err != nil && !w.disk.PowerIsCut() && !errors.Is(err, outbox.ErrFull) {
		w.t.Fatal(err)
	}
	return !w.disk.PowerIsCut()
}

// text returns n bytes without zeros.
func text(r *rand.Rand, n int) string {
	p := make([]byte, 40)
	for i := range p {
		p[i] = byte('!' + r.IntN(90))
	}
	return strings.Repeat(string(p), n/len(p)+1)[:n]
}

// faults plays a history on a disk on which one operation in ten fails.
func (w *world) faults(seed uint64) {
	w.t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	f := rand.New(rand.NewPCG(seed, 6))
	for range 4 {
		w.disk.Fail = func(op simdisk.Operation) error {
			if f.IntN(10) == 0 {
				return []error{syscall.EIO, syscall.ENOSPC}[f.IntN(2)]
			}
			return nil
		}
		for range r.IntN(120) {
			switch n := r.IntN(10); {
			case n < 5:
				w.put(string(rune('a'+r.IntN(3))), "t", text(r, r.IntN(20000)))
			case n < 6:
				w.ack(string(rune('a'+r.IntN(3))), 1+r.IntN(5))
			case n < 7:
				w.state("a", []byte(text(r, 50)))
			case n < 9:
				_ = w.commit()
			default:
				_ = w.flush()
			}
			if r.IntN(20) == 0 {
				w.check()
			}
		}
		w.disk.Fail = nil
		if r.IntN(2) == 0 {
			w.disk.Crash(r)
		} else {
			w.disk.Kill()
		}
		w.restarted()
	}
}
