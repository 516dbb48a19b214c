package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/configuration.md has one line for each key, and states its default.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string) // key -> default
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		key := strings.Trim(cells[1], " `")
		if _, twice := rows[key]; twice {
			t.Errorf("%s: described twice", key)
		}
		rows[key] = strings.Trim(cells[2], " `")
	}
	defaults := schemaDefaults(t)
	for _, key := range schemaKeys(t) {
		row, ok := rows[key]
		if !ok {
			t.Errorf("%s: not described", key)
		}
		if want := defaults[key]; want != "" && row != want {
			t.Errorf("%s: described with the default %q, which is %q", key, row, want)
		}
		delete(rows, key)
	}
	for key := range rows {
		t.Errorf("%s: described, and is no key", key)
	}
}

// schemaDefaults are the defaults that the schema states, by key.
func schemaDefaults(t *testing.T) map[string]string {
	t.Helper()
	type node struct {
		Default    any
		Properties map[string]*node
		Items      *node
	}
	var root node
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	defaults := make(map[string]string)
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for name, child := range n.Properties {
			if child.Default != nil {
				defaults[prefix+name] = fmt.Sprint(child.Default)
			}
			walk(prefix+name+".", child)
			if child.Items != nil {
				walk(prefix+name+"[].", child.Items)
			}
		}
	}
	walk("", &root)
	if defaults["broker.keepalive"] != "30s" {
		t.Fatalf("defaults not found: %v", defaults)
	}
	return defaults
}
