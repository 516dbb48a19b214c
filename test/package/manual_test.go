package debian

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	listedCommand = regexp.MustCompile(`(?m)^  ([a-z]+) +\S`)
	listedFlag    = regexp.MustCompile(`(?m)^ +(?:-([a-z]), )?--([a-z-]+)`)
	manualCommand = regexp.MustCompile(`^\.Ss ([a-z]+)`)
	manualFlag    = regexp.MustCompile(`^\.It Fl (?:([a-z]) , Fl )?\\-([a-z\\-]+)`)
	manualKey     = regexp.MustCompile(`(?m)^\.It \\fB([a-z_.\[\]]+)\\fR$`)
)

// options are the flags of one command, "-c --config" or "--json".
type options map[string]bool

func (o options) add(short, long string) {
	if short != "" {
		long = "-" + short + " --" + long
	} else {
		long = "--" + long
	}
	o[long] = true
}

// commands asks the program for its commands and their flags.
func commands(t *testing.T) map[string]options {
	t.Helper()
	_, list, _ := strings.Cut(must(t, program, "help"), "Available Commands:")
	list, _, _ = strings.Cut(list, "Flags:")
	found := map[string]options{}
	for _, m := range listedCommand.FindAllStringSubmatch(list, -1) {
		flags := options{}
		_, about, _ := strings.Cut(must(t, program, m[1], "--help"), "Flags:")
		for _, f := range listedFlag.FindAllStringSubmatch(about, -1) {
			if f[2] != "help" {
				flags.add(f[1], f[2])
			}
		}
		found[m[1]] = flags
	}
	return found
}

// TestManualOfCommands holds umqttd.1 equal to what the program knows.
func TestManualOfCommands(t *testing.T) {
	manual := map[string]options{}
	var command string
	for line := range strings.Lines(deployed(t, "man/umqttd.1")) {
		if m := manualCommand.FindStringSubmatch(line); m != nil {
			command = m[1]
			manual[command] = options{}
		} else if m := manualFlag.FindStringSubmatch(line); m != nil {
			manual[command].add(m[1], strings.ReplaceAll(m[2], `\`, ""))
		}
	}
	known := commands(t)
	if len(known) < 8 {
		t.Fatalf("the program lists %v only", slices.Sorted(maps.Keys(known)))
	}
	for command, flags := range known {
		described, ok := manual[command]
		if !ok {
			t.Errorf("deploy/man/umqttd.1 does not describe `umqttd %s`", command)
			continue
		}
		for flag := range flags {
			if !described[flag] {
				t.Errorf("deploy/man/umqttd.1: %s: does not describe %s", command, flag)
			}
		}
		for flag := range described {
			if !flags[flag] {
				t.Errorf("deploy/man/umqttd.1: %s: describes %s, which does not exist", command, flag)
			}
		}
	}
	for command := range manual {
		if known[command] == nil {
			t.Errorf("deploy/man/umqttd.1 describes `umqttd %s`, which does not exist", command)
		}
	}
}

// debdocs makes a document of the package.
func debdocs(t *testing.T, args ...string) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	return must(t, writer, args...)
}

// keysOf adds the keys of a JSON Schema, as configuration.md writes them: broker.tls.ca_file, devices[].name.
func keysOf(schema map[string]any, path string, keys map[string]bool) {
	if items, ok := schema["items"].(map[string]any); ok {
		keysOf(items, path+"[]", keys)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		key := strings.TrimPrefix(path+"."+name, ".")
		keys[key] = true
		if property, ok := property.(map[string]any); ok {
			keysOf(property, key, keys)
		}
	}
}

// TestManualOfConfiguration holds that umqttd.yaml.5 has every key. What it says of them is docs/configuration.md, which tests of its own hold.
func TestManualOfConfiguration(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "configs/umqttd.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	keysOf(schema, "", keys)
	described := map[string]bool{}
	for _, m := range manualKey.FindAllStringSubmatch(debdocs(t, "manual", "docs/configuration.md"), -1) {
		described[m[1]] = true
	}
	if len(described) < 40 {
		t.Fatalf("umqttd.yaml.5 describes only %v", slices.Sorted(maps.Keys(described)))
	}
	for key := range keys {
		if !described[key] && !strings.HasPrefix(key, "devices[].broker.") { // which are those of broker
			t.Errorf("umqttd.yaml.5 does not describe %s", key)
		}
	}
	for key := range described {
		if !keys[key] {
			t.Errorf("umqttd.yaml.5 describes %s, which does not exist", key)
		}
	}
}

// TestManualsAreSound has both pages read by a strict reader.
func TestManualsAreSound(t *testing.T) {
	mandoc := find(t, "mandoc", "mandoc")
	for name, page := range map[string]string{
		"umqttd.1":      deployed(t, "man/umqttd.1"),
		"umqttd.yaml.5": debdocs(t, "manual", "docs/configuration.md"),
	} {
		if out, err := try(t.Context(), mandoc, "-Tlint", "-Wwarning", write(t, name, page)); err != nil || out != "" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
