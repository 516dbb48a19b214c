package interpreter

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/umqttd/umqttd/test/patience"
)

// install is what makes what is missing.
const install = "test/micropython/install"

// Root returns the top of the clone in which the test runs.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("interpreter: the test runs outside of a clone of umqttd")
		}
		dir = up
	}
}

// harness returns the path of the program that is MicroPython with its surroundings.
func harness(t testing.TB) string {
	t.Helper()
	return filepath.Join(Root(t), "test/micropython/interpreter/run.mjs")
}

// find returns node, and the folder of what install has installed.
func find(t testing.TB) (node, packages string) {
	t.Helper()
	root := Root(t)
	lock, err := os.ReadFile(filepath.Join(root, "test/micropython/package-lock.json"))
	if err != nil {
		t.Fatalf("interpreter: %v", err)
	}
	packages = filepath.Join(root, ".tools", fmt.Sprintf("micropython-%.6x", sha256.Sum256(lock)))
	if _, err := os.Stat(filepath.Join(packages, "node_modules")); err != nil {
		t.Fatalf("interpreter: MicroPython is not installed; run %s", install)
	}
	node, err = exec.LookPath("node")
	if err != nil {
		t.Fatalf("interpreter: Node is not installed; run %s", install)
	}
	return node, packages
}

// Compile compiles all modules of a Python package, with its name as the folder's, to .mpy files in a folder of the test's, and returns that: one of Config.Libraries.
func Compile(t testing.TB, packageDir string) string {
	t.Helper()
	dir := t.TempDir()
	CompileTo(t, filepath.Join(dir, filepath.Base(packageDir)), packageDir)
	return dir
}

// CompileTo compiles all modules of a Python package into a folder.
func CompileTo(t testing.TB, to, packageDir string) {
	t.Helper()
	node, packages := find(t)
	command := exec.Command(node, filepath.Join(Root(t), "test/micropython/interpreter/compile.mjs"), "--packages", packages, to, packageDir)
	done := make(chan struct{})
	var output []byte
	var err error
	go func() { defer close(done); output, err = command.CombinedOutput() }()
	if !patience.Within(patience.Limit, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}) {
		t.Fatal("interpreter: compiling goes on for ever")
	}
	if err != nil {
		t.Fatalf("interpreter: compile %s: %v\n%s", packageDir, err, output)
	}
}
