package e2e

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/e2e/witness"
)

// ledger follows the numbered messages of one sender to one receiver.
type ledger struct {
	sender string
	topic  string
	sent   int               // numbers below it were given
	owed   map[int]time.Time // numbers that must arrive yet, and since when
	due    int               // how many had to arrive, in all
	got    []int             // numbers that arrived, first copies, in order
	copies int               // that came again
	seen   map[int]bool
	faults []string // what may not be
}

func newLedger(sender, topic string) *ledger {
	return &ledger{sender: sender, topic: topic, owed: make(map[int]time.Time), seen: make(map[int]bool)}
}

// text is the payload with a number. Nothing else of it is free, so that what is invented or altered shows.
func (l *ledger) text(number int) string {
	head := fmt.Sprintf("%s %07d ", l.sender, number)
	sum := crc32.ChecksumIEEE([]byte(head))
	return head + strings.Repeat(fmt.Sprintf("%08x", sum), 1+int(sum%12))
}

// next gives a number.
func (l *ledger) next() (number int, text string) {
	l.sent++
	return l.sent - 1, l.text(l.sent - 1)
}

// owe says that a number was acknowledged to its sender.
func (l *ledger) owe(number int) {
	l.due++
	if !l.seen[number] {
		l.owed[number] = time.Now()
	}
}

// arrive takes what the receiver got. It reports whether it is of this sender.
func (l *ledger) arrive(m witness.Message) bool {
	name, rest, _ := strings.Cut(m.Payload, " ")
	if name != l.sender {
		return false
	}
	var number int
	if _, err := fmt.Sscanf(rest, "%07d ", &number); err != nil || number >= l.sent || m.Payload != l.text(number) || m.Topic != l.topic {
		l.fault("was given %q on %s", m.Payload, m.Topic)
		return true
	}
	switch {
	case l.seen[number]:
		l.copies++
	case len(l.got) > 0 && number < l.got[len(l.got)-1]:
		l.fault("was given %d after %d", number, l.got[len(l.got)-1])
		fallthrough
	default:
		l.seen[number] = true
		delete(l.owed, number)
		l.got = append(l.got, number)
	}
	return true
}

func (l *ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(l.topic+": the receiver "+format, args...))
}

// missing returns how many numbers are owed, and the first of them.
func (l *ledger) missing() (count, first int) {
	first = -1
	for number := range l.owed {
		if first < 0 || number < first {
			first = number
		}
	}
	return len(l.owed), first
}

// want demands that nothing is lost, reordered, invented or altered.
func (l *ledger) want(t testing.TB) {
	t.Helper()
	for i, fault := range l.faults {
		if i == 10 {
			t.Errorf("%s: and %d faults more", l.topic, len(l.faults)-i)
			break
		}
		t.Error(fault)
	}
	if count, first := l.missing(); count > 0 {
		t.Errorf("%s: %d messages of %d that were acknowledged are lost; the first is number %d", l.topic, count, l.due, first)
	}
}

// failures is a test that may fail.
type failures struct {
	testing.TB
	said []string
}

func (f *failures) Helper()           {}
func (f *failures) Error(args ...any) { f.said = append(f.said, fmt.Sprint(args...)) }
func (f *failures) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

// TestLedger plants what the ledger is for.
func TestLedger(t *testing.T) {
	message := func(l *ledger, number int) witness.Message {
		return witness.Message{Topic: l.topic, Payload: l.text(number)}
	}
	for name, test := range map[string]struct {
		arrives func(l *ledger) []witness.Message // of numbers 0 to 3, of which 0 to 2 were acknowledged
		want    string
	}{
		"all": {func(l *ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), message(l, 2)}
		}, ""},
		"copies": {func(l *ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), message(l, 0), message(l, 1), message(l, 2), message(l, 3)}
		}, ""},
		"lost":      {func(l *ledger) []witness.Message { return []witness.Message{message(l, 0), message(l, 2)} }, "first is number 1"},
		"lost last": {func(l *ledger) []witness.Message { return []witness.Message{message(l, 0), message(l, 1)} }, "first is number 2"},
		"reordered": {func(l *ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 2), message(l, 1)}
		}, "1 after 2"},
		"altered": {func(l *ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), {Topic: l.topic, Payload: l.text(2) + "x"}}
		}, "was given"},
		"invented": {func(l *ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), message(l, 2), message(l, 4)}
		}, "was given"},
		"on another topic": {func(l *ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), {Topic: "other", Payload: l.text(2)}}
		}, "was given"},
	} {
		l := newLedger("m5", "up/m5")
		for range 4 {
			number, _ := l.next()
			if number < 3 {
				l.owe(number)
			}
		}
		for _, m := range test.arrives(l) {
			if !l.arrive(m) {
				t.Errorf("%s: %v is not known as the sender's", name, m)
			}
		}
		f := &failures{TB: t}
		l.want(f)
		if said := strings.Join(f.said, "\n"); !strings.Contains(said, test.want) || (test.want == "") != (said == "") {
			t.Errorf("%s: the ledger says %q, want %q", name, said, test.want)
		}
	}
}
