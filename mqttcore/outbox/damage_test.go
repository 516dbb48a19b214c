package outbox_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

const firstSegment = folder + "/0000000000000001.seg"

// A flipped bit in any byte of a record, its length included, costs at most that
// record: those around it are read, in order, and the damage is reported. The
// record may be anywhere in a commit, also in the last one.
func TestFlippedBitsCostOneRecord(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	for i := range 9 {
		w.put("a", "topic", fmt.Sprintf("message %d of the damaged log", i))
		if i%3 == 2 {
			w.must(w.flush())
		}
	}
	w.must(w.log.Close())
	file := w.disk.Get(firstSegment)
	const size = 40 + 1 + 5 + 28 + 6
	for _, victim := range []int{0, 1, 4, 7} {
		for at := range size {
			for _, bits := range []byte{1, 0x80, 0xFF} {
				off := 64 + victim*size + at
				w.disk.Flip(firstSegment, off, bits)
				l, err := outbox.Open(w.cfg)
				w.must(err)
				list, err := readAll(l, "a")
				w.must(err)
				inPadding := at >= size-6
				want := 9
				if !inPadding {
					want = 8
				}
				if len(list) != want || !inPadding && slices.Contains(numbers(list), uint64(victim)+1) {
					t.Fatalf("bits %02x of byte %d of record %d flipped: messages %v", bits, at, victim+1, numbers(list))
				}
				d := l.Damage()
				if (len(d) == 0) != inPadding || !inPadding && (d[0].Offset != int64(64+victim*size) || !strings.Contains(d[0].String(), firstSegment)) {
					t.Fatalf("byte %d of record %d: damage %v", at, victim+1, d)
				}
				if l.Stats().Damaged != uint64(len(d)) {
					t.Fatalf("%+v", l.Stats())
				}
				w.must(l.Close())
				if !bytes.Equal(w.disk.Get(firstSegment)[:64+9*size], flipped(file, off, bits)[:64+9*size]) {
					t.Fatal("Open changed a record")
				}
				w.disk.Put(firstSegment, file)
			}
		}
	}
}

func flipped(p []byte, off int, bits byte) []byte {
	p = slices.Clone(p)
	p[off] ^= bits
	return p
}

// A message that looks like a record does not become one when the record
// around it is damaged.
func TestContentCannotPoseAsRecord(t *testing.T) {
	forger := newWorld(t, outbox.Config{})
	forger.put("victim", "t", "forged")
	forger.must(forger.flush())
	record := forger.disk.Get(firstSegment)[64 : 64+56]

	w := newWorld(t, outbox.Config{})
	w.put("a", "ttt", strings.Repeat(string(record), 20)) // the payload begins at a multiple of 8, less 4
	w.put("a", "t123456", strings.Repeat(string(record), 20))
	w.put("a", "t", "good")
	w.must(w.flush())
	w.must(w.log.Close())
	w.disk.Flip(firstSegment, 64, 1)
	w.open()
	if c := w.log.Clients(); len(c) != 1 || c[0].Client != "a" || c[0].Messages != 2 {
		t.Fatalf("%+v", c)
	}
}

// What rots while the log is open is skipped and reported, and the counts are
// put right.
func TestRotWhileOpen(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	for i := range 5 {
		w.put("a", "t", fmt.Sprintf("message %d", i))
	}
	w.state("a", []byte("state"))
	w.must(w.flush())
	list, err := readAll(w.log, "a")
	w.must(err)
	if len(list) != 5 {
		t.Fatal(numbers(list))
	}
	const size = 56
	w.disk.Flip(firstSegment, 64+2*size+50, 4) // the third message
	w.disk.Flip(firstSegment, 64+5*size+41, 4) // the state
	list, err = readAll(w.log, "a")
	w.must(err)
	if fmt.Sprint(numbers(list)) != "[1 2 4 5]" {
		t.Fatal(numbers(list))
	}
	if states, err := w.log.States(); len(states) > 0 || err != nil {
		t.Fatal(states, err)
	}
	d := w.log.Damage()
	if len(d) != 2 || d[0].Client != "a" || d[0].Messages != 1 || d[1].Seq != 6 {
		t.Fatal(d)
	}
	if s := w.log.Stats(); s.Messages != 4 || s.Damaged != 2 {
		t.Fatalf("%+v", s)
	}
	if len(w.log.Damage()) > 0 {
		t.Error("the same damage is told twice")
	}
}

// Rot is found while records are moved, too.
func TestRotBeforeMove(t *testing.T) {
	w := newWorld(t, outbox.Config{})
	w.put("stuck", "t", "one")
	w.put("stuck", "t", "two")
	w.state("stuck", []byte("state"))
	w.must(w.flush())
	w.disk.Flip(firstSegment, 64+44, 4)
	w.disk.Flip(firstSegment, 64+2*56+44, 4)
	w.fill("a", 60)
	if w.disk.Get(firstSegment) != nil {
		t.Fatal("the first segment was not removed")
	}
	list, err := readAll(w.log, "stuck")
	w.must(err)
	if fmt.Sprint(numbers(list)) != "[2]" {
		t.Fatal(numbers(list))
	}
	if d := w.log.Damage(); len(d) != 2 || d[0].Client != "stuck" || d[0].Messages != 1 || d[1].Client != "stuck" {
		t.Fatal(d)
	}
}

// fill lets n large messages of a client pass.
func (w *world) fill(client string, n int) {
	w.t.Helper()
	for range n {
		if !w.put(client, "t", strings.Repeat("x", 30000)) {
			w.t.Fatal("full")
		}
		w.must(w.commit())
		w.ack(client, 1)
	}
}
