package outbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// A full log refuses messages, still drains, and takes messages again.
func TestFullLogDrains(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	n := 0
	for w.put("a", "t", strings.Repeat("x", 1000)) {
		w.must(w.commit())
		n++
	}
	if s := w.log.Stats(); s.DiskBytes != 1<<20 || n < 980 {
		t.Fatalf("%d messages, %+v", n, s)
	}
	for round := range 3000 { // states and acknowledgements have room for long
		w.state("a", fmt.Appendf(nil, "state %d", round))
		w.must(w.flush())
	}
	w.check()
	for range n {
		w.ack("a", 1)
		w.must(w.flush())
	}
	w.check()
	if !w.put("a", "t", "again") {
		t.Fatal("an empty log is full")
	}
	w.must(w.flush())
	w.check()
	if s := w.log.Stats(); s.DiskBytes > 1<<20 {
		t.Errorf("%+v", s)
	}
}

// A client that nobody serves pins its segment, and others flow through many
// times MaxBytes; after restarts too.
func TestStuckClientLetsOthersPass(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.state("stuck", []byte("state"))
	for i := range 100 {
		w.put("stuck", "t", fmt.Sprintf("waits %d", i))
	}
	w.put("bad", "t", "bad")
	w.must(w.flush())
	w.quarantine("bad", "not authorized")
	for range 8 {
		w.fill("a", 40)
		w.put("stuck", "t", "one more")
		w.must(w.flush())
		w.check()
		w.disk.Kill()
		w.restarted()
	}
	if s := w.log.Stats(); s.DiskBytes > 1<<20+512<<10 {
		t.Errorf("%+v", s)
	}
	w.ack("stuck", 50)
	w.must(w.flush())
	w.check()
	w.fill("a", 40)
	w.check()
}

// DropOldest makes room by dropping the oldest, and tells whose.
func TestDropOldest(t *testing.T) {
	w := newWorld(t, outbox.Config{DropOldest: true})
	var seqs []uint64
	dropped := 0
	for i := range 3000 {
		m := outbox.Message{Client: []string{"a", "b"}[i%2], Topic: []byte("t"), Payload: make([]byte, 1000), QoS: 1}
		seq, err := w.log.Append(&m)
		w.must(err)
		seqs = append(seqs, seq)
		w.must(w.log.Commit())
		for _, e := range w.log.Evicted() {
			list := seqs[:slices.Index(seqs, e.UpTo)+1]
			if len(list) == 0 || e.Messages < 1 {
				t.Fatalf("%+v", e)
			}
			dropped += e.Messages
		}
	}
	s := w.log.Stats()
	if dropped < 1500 || s.Messages+dropped != 3000 || s.DiskBytes > 1<<20 {
		t.Fatalf("%d dropped, %+v", dropped, s)
	}
	w.must(w.log.Close())
	w.open()
	total := 0
	for _, name := range []string{"a", "b"} {
		list, err := readAll(w.log, name)
		w.must(err)
		if list[len(list)-1].seq != seqs[2998+strings.Index("ab", name)] {
			t.Errorf("the newest of %q is gone", name)
		}
		total += len(list)
	}
	if total != s.Messages {
		t.Errorf("%d messages after a restart, %d before", total, s.Messages)
	}
}

func TestRefusedRecords(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	long := strings.Repeat("x", 1<<16)
	for _, m := range []outbox.Message{
		{Client: long}, {Topic: []byte(long)}, {Payload: make([]byte, 192<<10)},
	} {
		if _, err := w.log.Append(&m); !errors.Is(err, outbox.ErrTooLarge) {
			t.Error(err)
		}
	}
	if err := w.log.PutState("a", make([]byte, 192<<10)); !errors.Is(err, outbox.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := w.log.Append(&outbox.Message{QoS: 4}); err == nil {
		t.Error("QoS 4 is accepted")
	}
	for !w.put("a", "t", "p") || w.put("a", "t", long[:60000]) {
	}
	if err := w.log.PutState("a", []byte(long)); !errors.Is(err, outbox.ErrFull) {
		t.Error(err)
	}
	w.must(w.commit())
	w.check()
	if err := w.log.Quarantine("a", 2, ""); !errors.Is(err, outbox.ErrNotOldest) {
		t.Error(err)
	}
	if err := w.log.Quarantine("b", 1, ""); !errors.Is(err, outbox.ErrNotOldest) {
		t.Error(err)
	}
}

// The quarantine keeps the newest hundred.
func TestQuarantineIsBounded(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	for i := range 130 {
		w.put("a", "t", fmt.Sprint(i))
		w.must(w.commit())
		w.quarantine("a", strings.Repeat("é", 600))
		w.must(w.commit())
	}
	for range 2 {
		q, err := w.log.Quarantined()
		w.must(err)
		if len(q) != 100 || string(q[0].Payload) != "30" || len(q[0].Why) != 1024 || q[0].Client != "a" {
			t.Fatalf("%d messages, %+v", len(q), q[0])
		}
		w.must(w.log.Close())
		w.open()
	}
}

// An acknowledgement of what nobody has been given yet does not touch what
// comes, after a restart either.
func TestAckOfTheFuture(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("a", "t", "one")
	w.must(w.flush())
	w.log.Ack("a", 1000)
	w.log.Ack("nobody", 7)
	w.must(w.log.Flush())
	seq, err := w.log.Append(&outbox.Message{Client: "a"})
	w.must(err)
	w.must(w.log.Commit())
	for range 2 {
		m, err := w.log.Read("a", 0, nil, 100)
		if err != nil || len(m) != 1 || m[0].Seq != seq {
			t.Fatal(m, err)
		}
		w.must(w.log.Close())
		w.open()
	}
}
