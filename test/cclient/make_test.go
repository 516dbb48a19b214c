package cclient

import (
	"context"
	"os/exec"
	"testing"
)

// TestMake runs the client's own checks, which need no gateway: its tests with the vectors of docs/protocol.md, the linter, and the fuzzer on inputs that are always the same.
func TestMake(t *testing.T) {
	t.Parallel()
	client, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"test", "lint", "fuzz-test"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			output, err := exec.CommandContext(ctx, "make", "-C", client, "--no-print-directory", "BUILD="+t.TempDir(), target).CombinedOutput()
			if err != nil {
				t.Errorf("make %s: %v; make, clang and clang-tidy must be there: test/firmware/install-packages\n%s", target, err, output)
			}
		})
	}
}
