package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// numbered returns n payloads whose order shows.
func numbered(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%04d", prefix, i)
	}
	return all
}

// wantOnce demands exactly the messages that were sent, in order.
func wantOnce(t *testing.T, got, sent []string) {
	t.Helper()
	if !slices.Equal(got, sent) {
		t.Errorf("received %d messages, want %d, each once and in order; %s", len(got), len(sent), difference(got, sent))
	}
}

// wantAll demands that all that was sent has come, the first copies in order.
func wantAll(t *testing.T, got, sent []string) {
	t.Helper()
	seen := make(map[string]bool)
	var first []string
	for _, p := range got {
		if !seen[p] {
			seen[p] = true
			first = append(first, p)
		}
	}
	wantOnce(t, first, sent)
}

// difference says where got and sent part.
func difference(got, sent []string) string {
	for i := range max(len(got), len(sent)) {
		switch {
		case i >= len(got):
			return "the first that is missing is " + sent[i]
		case i >= len(sent):
			return "too many: " + got[i]
		case got[i] != sent[i]:
			return fmt.Sprintf("number %d is %s, want %s", i, got[i], sent[i])
		}
	}
	return "equal"
}

func payloads(messages []message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.payload
	}
	return all
}
