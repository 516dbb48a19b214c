package outbox_test

import (
	"strings"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

// Nothing is written while nothing is appended, and no file is made.
func TestIdleLogDoesNothing(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	for range 10 {
		w.must(w.log.Commit())
		w.must(w.log.Flush())
	}
	w.must(w.log.PutState("a", nil))
	w.must(w.log.Close())
	w.open()
	if s := w.disk.Stats(); s != (simdisk.Stats{}) {
		t.Fatalf("%+v", s)
	}
	w.put("a", "t", "p")
	w.must(w.flush())
	before := w.disk.Stats()
	for range 10 {
		w.must(w.log.Commit())
		w.must(w.log.Flush())
	}
	if s := w.disk.Stats(); s != before {
		t.Errorf("%+v, then %+v", before, s)
	}
}

// A commit is one write and one sync, however many messages.
func TestCommitIsOneWrite(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("a", "t", "p")
	w.must(w.commit())
	before := w.disk.Stats()
	for range 32 {
		w.put("a", "t", strings.Repeat("x", 200))
	}
	w.ack("a", 1)
	w.must(w.commit())
	s := w.disk.Stats()
	if s.Writes-before.Writes != 1 || s.Syncs-before.Syncs != 1 || s.Operations-before.Operations != 2 {
		t.Errorf("%+v, then %+v", before, s)
	}
	w.disk.CrashWith(0, func(int) (simdisk.Fate, int) { return simdisk.Missing, 0 })
	w.stored.settle("a", w.stored.acked["a"]) // the acknowledgement was in it
	w.restarted()
}

// Appending, committing, reading and acknowledging do not allocate in steady
// state, and what the log keeps does not depend on how many messages wait.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	l, err := outbox.Open(outbox.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := outbox.Message{Client: "greenhouse", Topic: []byte("sensors/temperature"), Payload: make([]byte, 200), QoS: 1}
	appended := testing.AllocsPerRun(20, func() {
		for range 32 {
			if _, err := l.Append(&m); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Commit(); err != nil {
			t.Fatal(err)
		}
	})
	if appended > 8 { // what the operating system's calls need, for 32 messages
		t.Errorf("%v allocations for a commit of 32 messages", appended)
	}
	var buf []outbox.Message
	after := uint64(0)
	read := testing.AllocsPerRun(10, func() {
		buf, err = l.Read("greenhouse", after, buf[:0], 32*200)
		if err != nil || len(buf) < 20 {
			t.Fatal(len(buf), err)
		}
		after = buf[len(buf)-1].Seq
		l.Ack("greenhouse", after)
	})
	if read > 0 {
		t.Errorf("%v allocations for reading and acknowledging %d messages", read, len(buf))
	}
}
