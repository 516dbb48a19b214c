package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/witness"
)

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
	message := func(l *Ledger, number int) witness.Message {
		return witness.Message{Topic: l.topic, Payload: l.text(number)}
	}
	for name, test := range map[string]struct {
		arrives func(l *Ledger) []witness.Message // of numbers 0 to 3, of which 0 to 2 were acknowledged
		want    string
	}{
		"all": {func(l *Ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), message(l, 2)}
		}, ""},
		"copies": {func(l *Ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), message(l, 0), message(l, 1), message(l, 2), message(l, 3)}
		}, ""},
		"lost":      {func(l *Ledger) []witness.Message { return []witness.Message{message(l, 0), message(l, 2)} }, "first is number 1"},
		"lost last": {func(l *Ledger) []witness.Message { return []witness.Message{message(l, 0), message(l, 1)} }, "first is number 2"},
		"reordered": {func(l *Ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 2), message(l, 1)}
		}, "1 after 2"},
		"altered": {func(l *Ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), {Topic: l.topic, Payload: l.text(2) + "x"}}
		}, "was given"},
		"invented": {func(l *Ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), message(l, 2), message(l, 4)}
		}, "was given"},
		"on another topic": {func(l *Ledger) []witness.Message {
			return []witness.Message{message(l, 0), message(l, 1), {Topic: "other", Payload: l.text(2)}}
		}, "was given"},
	} {
		l := New("m5", "up/m5")
		for range 4 {
			number, _ := l.Next()
			if number < 3 {
				l.Owe(number)
			}
		}
		for _, m := range test.arrives(l) {
			if !l.Arrive(m) {
				t.Errorf("%s: %v is not known as the sender's", name, m)
			}
		}
		f := &failures{TB: t}
		l.Want(f)
		if said := strings.Join(f.said, "\n"); !strings.Contains(said, test.want) || (test.want == "") != (said == "") {
			t.Errorf("%s: the ledger says %q, want %q", name, said, test.want)
		}
	}
}
