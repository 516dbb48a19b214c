package logs

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
)

// TestMessageIDs: each is of a message that somebody logs, and is described; none is given twice.
func TestMessageIDs(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"../*.go", "../../devices/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				code.Write(text)
			}
		}
	}
	docs, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for message, id := range messageIDs {
		if !strings.Contains(code.String(), strconv.Quote(message)) {
			t.Errorf("nobody logs %q", message)
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
			t.Errorf("%q: %q is no id", message, id)
		}
		if n := strings.Count(string(docs), id); n != 1 {
			t.Errorf("%q: docs/configuration.md has its id %d times", message, n)
		}
	}
	ids := slices.Sorted(maps.Values(messageIDs))
	if n := len(slices.Compact(ids)); n != len(messageIDs) {
		t.Errorf("%d ids for %d messages", n, len(messageIDs))
	}
}

// TestMessageIDInTheJournal: what has one gets it, other records do not.
func TestMessageIDInTheJournal(t *testing.T) {
	got := make(map[string]string)
	send := func(_ string, _ journal.Priority, fields map[string]string) error {
		got[fields["UMQTTD_MESSAGE"]] = fields["MESSAGE_ID"] + " " + fields["UMQTTD_DEVICE"]
		return nil
	}
	log := slog.New(newJournal(slog.LevelInfo, send, slog.DiscardHandler)).With("device", "attic")
	log.Info("port open")
	log.Info("something else")
	if want := messageIDs["port open"] + " attic"; got["port open"] != want || got["something else"] != " attic" {
		t.Errorf("got %q", got)
	}
}
