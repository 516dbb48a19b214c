//go:build boards

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

// budget is what the modules that a program with MQTTClient imports may have as .mpy, all together: the whole class of M5Stack, on top of robust and simple.
const budget = 6144

// TestImport imports the package as it is shipped, compiled, and as it is written, and holds its size.
func TestImport(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		for name, library := range map[string]string{"compiled": client(t), "source": filepath.Dir(source(t))} {
			b := interpreter.Start(t, interpreter.Config{
				Version: version, Program: filepath.Join("testdata", "import.py"), Libraries: []string{library},
				Loose: name == "source", // the compiler's garbage is collected on a board
			})
			total := 0
			for module := range strings.FieldsSeq(b.Wait("modules")) {
				path := filepath.Join(library, module)
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				total += int(info.Size())
				t.Logf("%s: %s: %d bytes", name, module, info.Size())
			}
			b.WantOK(patience.Limit)
			t.Logf("%s: %d bytes in all", name, total)
			if name == "compiled" && total > budget {
				t.Errorf("the modules that a program imports have %d bytes, want %d or less", total, budget)
			}
		}
	})
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
