package change

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
)

// effects says what a change of each key takes, in the words of docs/configuration.md.
func effects() map[string]string {
	all := make(map[string]string)
	note := func(words string, names ...string) {
		for _, name := range names {
			all[name] = words
		}
	}
	note("device restarts", namesOf(restartKeys)...)
	note("in place", namesOf(adjustKeys)...)
	note("every device restarts", namesOf(outboxKeys)...)
	note("gateway's own session", namesOf(ownKeys)...)
	note("new server", namesOf(httpKeys)...)
	note("in place", namesOf(logKeys)...)
	note("in place", namesOf(nodeKeys)...)
	note("refused", namesOf(embeddedKeys)...)
	note("device comes and goes", "devices[].name", "devices_dir")
	note("announced anew", namesOf(discoveryKeys)...)
	note("later", "devices[].nodes") // which must be empty
	return all
}

func namesOf[T any](ks keys[T]) []string {
	var names []string
	for _, k := range ks {
		names = append(names, k.name)
	}
	return names
}

// TestEveryKeyHasARow: no key that can be written is without one, and no row without a key.
func TestEveryKeyHasARow(t *testing.T) {
	rows := effects()
	for _, key := range writable(t) {
		if _, ok := rows[key]; !ok {
			t.Errorf("%s: nobody knows what a change of it takes; give it a row in keys.go", key)
		}
		delete(rows, key)
	}
	for key := range rows {
		t.Errorf("%s: has a row and is no key", key)
	}
}

// writable are the keys that hold values, as the schema has them.
func writable(t *testing.T) []string {
	t.Helper()
	type node struct {
		Properties map[string]*node
		Items      *node
	}
	var root node
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var all []string
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for name, child := range n.Properties {
			switch {
			case child.Items != nil && child.Items.Properties != nil:
				walk(prefix+name+"[].", child.Items)
			case child.Properties != nil:
				walk(prefix+name+".", child)
			default:
				all = append(all, prefix+name)
			}
		}
	}
	walk("", &root)
	if len(all) < 50 {
		t.Fatalf("only %d keys found", len(all))
	}
	return all
}

// TestDocumentation: the table of docs/configuration.md says of every key once what a reload
// does when it has changed, and says what is done.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## What a reload does\n")
	if !found {
		t.Fatal("docs/configuration.md has no section of that name")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := effects()
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			for _, key := range below(m[1]) {
				words, known := rows[key]
				switch {
				case !known:
					t.Errorf("%s: is no key, or stands there twice", key)
				case !strings.Contains(cells[2], "**"+words+"**"):
					t.Errorf("%s: the row does not say **%s**", key, words)
				}
				delete(rows, key)
			}
		}
	}
	for key, words := range rows {
		t.Errorf("%s: not described, which is **%s**", key, words)
	}
}

// below returns the keys that a star stands for: those of broker, or of a part of it.
func below(name string) []string {
	prefix, star := strings.CutSuffix(name, "*")
	if !star {
		return []string{name}
	}
	var all []string
	for key := range effects() {
		if strings.HasPrefix(key, prefix) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}
