package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse shows that no text makes Parse panic or run away, that it returns either
// a configuration or faults, and that each fault is one line with a file.
func FuzzParse(f *testing.F) {
	archives, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	examples, err := filepath.Glob("../../configs/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]\ndevices: *a\n"))
	f.Add([]byte("devices: &a [&b {broker: *b}, *b]\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Parse(filepath.Join(dir, "umqttd.yaml"), data, getenv)
		if err == nil {
			if c == nil {
				t.Fatal("neither configuration nor fault")
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 || c != nil {
			t.Fatalf("configuration %v, error %v", c, err)
		}
		for _, fault := range faults {
			if line := fault.String(); fault.File == "" || strings.Contains(line, "\n") {
				t.Fatalf("fault %q", line)
			}
		}
	})
}
