package micropython

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/patience"
)

// budgets are what modules may have as .mpy: the first is all that a program with umqtt_serial.simple loads, the others come on top of it.
var budgets = map[string]int{"simple": 6144, "robust": 1280, "default": 1024, "aio": 1536, "polled": 1024}

// TestImport imports the package as it is shipped, compiled, and as it is written, and holds its size.
func TestImport(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		for name, library := range map[string]string{"compiled": client(t), "source": filepath.Dir(source(t))} {
			b := interpreter.Start(t, interpreter.Config{
				Version: version, Program: filepath.Join("testdata", "import.py"), Libraries: []string{library},
				Loose: name == "source", // the compiler's garbage is collected on a board
			})
			loaded := b.Wait("modules")
			b.WantOK(patience.Limit)
			if n := len(strings.Fields(loaded)); n != 5 {
				t.Errorf("a program with MQTTClient loads %d modules: %s", n, loaded)
			}
		}
	})
	sizes := map[string]int{}
	files, err := filepath.Glob(filepath.Join(client(t), "umqtt_serial", "*.mpy"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".mpy")
		t.Logf("%s: %d bytes", name, info.Size())
		if name == "__init__" || name == "link" {
			name = "simple"
		}
		sizes[name] += int(info.Size())
	}
	for name, size := range sizes {
		if size > budgets[name] {
			t.Errorf("%s has %d bytes, want %d or less", name, size, budgets[name])
		}
	}
}

// TestUnits runs the client's own tests, those of the protocol's test vectors among them.
func TestUnits(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		scripts, err := filepath.Glob(filepath.Join(source(t), "../tests/*.py"))
		if err != nil || len(scripts) == 0 {
			t.Fatalf("the client has no tests: %v", err)
		}
		library := client(t)
		for _, script := range scripts {
			t.Run(filepath.Base(script), func(t *testing.T) {
				t.Parallel()
				b := interpreter.Start(t, interpreter.Config{
					Version: version, Program: script, Libraries: []string{library}, Heap: 1 << 20, Loose: true,
					Files: map[string]string{"/protocol.md": filepath.Join(interpreter.Root(t), "docs/protocol.md")}, Args: []string{"/protocol.md"},
				})
				b.WantOK(patience.Limit)
				if len(b.Lines()) == 0 {
					t.Error("the test says nothing: did it run?")
				}
				t.Log(strings.Join(b.Lines(), "\n"))
			})
		}
	})
}

// TestPackageListsItsFiles holds what mip installs to what there is.
func TestPackageListsItsFiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(source(t), "../package.json"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(source(t), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".py" && !strings.Contains(string(text), strings.TrimSuffix(filepath.Base(path), ".py")) {
			t.Errorf("package.json does not name %s", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
