// Package ledger keeps the books of messages that must arrive: each has a number, and a payload that nobody else could have made.
//
//	l := ledger.New("m5", "up/m5")            // what m5 publishes there
//	number, text := l.Next()                  // a payload to send
//	l.Owe(number)                             // it was acknowledged: from now on it must arrive
//	l.Arrive(witness.Message{Topic: t, Payload: p})
//	l.Want(t)                                 // nothing lost, reordered, invented or altered
package ledger

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/witness"
)

// Ledger follows the numbered messages of one sender to one receiver. Its methods belong to the test's goroutine.
type Ledger struct {
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

// New returns the empty books of what a sender publishes to a topic. The sender's name has no blank.
func New(sender, topic string) *Ledger {
	return &Ledger{sender: sender, topic: topic, owed: make(map[int]time.Time), seen: make(map[int]bool)}
}

// Topic returns where the messages go.
func (l *Ledger) Topic() string { return l.topic }

// Got returns how many messages have arrived, copies aside.
func (l *Ledger) Got() int { return len(l.got) }

// Copies returns how many messages have come again.
func (l *Ledger) Copies() int { return l.copies }

// Outstanding returns how many messages were given and have not arrived, owed or not.
func (l *Ledger) Outstanding() int { return l.sent - len(l.got) }

// text is the payload with a number. Nothing else of it is free, so that what is invented or altered shows.
func (l *Ledger) text(number int) string {
	head := fmt.Sprintf("%s %07d ", l.sender, number)
	sum := crc32.ChecksumIEEE([]byte(head))
	return head + strings.Repeat(fmt.Sprintf("%08x", sum), 1+int(sum%12))
}

// Next gives a number.
func (l *Ledger) Next() (number int, text string) {
	l.sent++
	return l.sent - 1, l.text(l.sent - 1)
}

// Owe says that a number was acknowledged to its sender.
func (l *Ledger) Owe(number int) {
	l.due++
	if !l.seen[number] {
		l.owed[number] = time.Now()
	}
}

// Arrive takes what the receiver got. It reports whether it is of this sender.
func (l *Ledger) Arrive(m witness.Message) bool {
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

func (l *Ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, l.topic+": the receiver "+fmt.Sprintf(format, args...))
}

// Missing returns how many messages are owed, the number of the first of them, and since when it is.
func (l *Ledger) Missing() (count, first int, since time.Time) {
	first = -1
	for number := range l.owed {
		if first < 0 || number < first {
			first = number
		}
	}
	return len(l.owed), first, l.owed[first]
}

// Want demands that nothing is lost, reordered, invented or altered.
func (l *Ledger) Want(t testing.TB) {
	t.Helper()
	for i, fault := range l.faults {
		if i == 10 {
			t.Errorf("%s: and %d faults more", l.topic, len(l.faults)-i)
			break
		}
		t.Error(fault)
	}
	if count, first, _ := l.Missing(); count > 0 {
		t.Errorf("%s: %d messages of %d that were acknowledged are lost; the first is number %d", l.topic, count, l.due, first)
	}
}
