package machine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake puts a shell script in QEMU's place. $console is the file of the machine's console.
func fake(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	find := `for a; do case $a in file:*) console=${a#file:};; esac; done` + "\n"
	if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+find+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// booted runs a machine with files that no fake looks into.
func booted(t *testing.T, ctx context.Context) (status int, output string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	status, err = Machine{Kernel: Kernel{Image: file, Modules: []string{file}}, Init: file, Output: &out}.Run(ctx)
	return status, out.String(), err
}

// TestStatus holds that the program's exit status comes out, with what it has written.
func TestStatus(t *testing.T) {
	for want, script := range map[int]string{0: "echo PASS; exit 1", 1: "echo PASS; exit 3", 127: "echo PASS; exit 255"} {
		fake(t, script)
		if status, output, err := booted(t, t.Context()); status != want || output != "PASS\n" || err != nil {
			t.Errorf("%s: got status %d, output %q, %v", script, status, output, err)
		}
	}
}

// TestDeath holds that a machine without a result is an error, with what there is to find out why.
func TestDeath(t *testing.T) {
	for script, says := range map[string]string{
		`echo "Kernel panic - not syncing" > "$console"`: "Kernel panic",
		"echo no such device >&2; exit 1":                "no such device",
		"exit 2":                                         "exit status 2",
		"kill -KILL $$":                                  "killed",
	} {
		fake(t, script)
		if status, _, err := booted(t, t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got status %d, %v, want an error with %q", script, status, err, says)
		}
	}
}

// TestEndWithTheContext holds that a machine that never ends is ended.
func TestEndWithTheContext(t *testing.T) {
	fake(t, "exec sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := booted(t, ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v", err)
	}
}

func TestNoQEMU(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, _, err := booted(t, t.Context()); err == nil || !strings.Contains(err.Error(), program) {
		t.Errorf("got error %v", err)
	}
}

// TestTail holds that the end of a long console is shown, from the beginning of a line.
func TestTail(t *testing.T) {
	console := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(console, []byte(strings.Repeat("a line of the kernel\n", 1000)+"the last one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := string(tail(console))
	if len(got) > tailLen || !strings.HasPrefix(got, "a line") || !strings.HasSuffix(got, "\nthe last one") {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}
