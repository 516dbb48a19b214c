package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what Load says into testdata/faults")

// environment is what the variables in testdata are taken from.
var environment = map[string]string{
	"HOST":   "broker.example.org",
	"BAUD":   "9600",
	"YES":    "true",
	"EMPTY":  "",
	"DOLLAR": "${HOST}",
	"YAML":   "a\nmax_nodes: 5",
	"SHOUT":  "HELLO",
	"LATIN":  "caf\xe9",
}

func getenv(name string) (string, bool) {
	value, ok := environment[name]
	return value, ok
}

// TestFaults loads each testdata/faults/*.txtar: configuration files, and in want
// every remark that Load makes of them, word for word, warnings first.
func TestFaults(t *testing.T) {
	archives, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no test cases", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			last := len(archive.Files) - 1
			files := make(map[string]string)
			for _, f := range archive.Files[:last] {
				files[f.Name] = string(f.Data)
			}
			got, want := said(t, folder(t, files)), string(archive.Files[last].Data)
			if got == want {
				return
			}
			if !*update {
				t.Errorf("got\n%s\nwant\n%s", got, want)
				return
			}
			archive.Files[last].Data = []byte(got)
			if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// said is what Load says of a file, one remark a line, without the test's folder.
func said(t *testing.T, path string) string {
	t.Helper()
	config, warnings, err := Load(path, getenv)
	if (config == nil) != (err != nil) {
		t.Errorf("config %v with error %v", config, err)
	}
	var b strings.Builder
	for _, w := range warnings {
		b.WriteString("warning: " + w.String() + "\n")
	}
	if err != nil {
		b.WriteString(err.Error() + "\n")
	}
	return strings.ReplaceAll(b.String(), filepath.Dir(path)+"/", "")
}
