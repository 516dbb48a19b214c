//go:build vm

package vm

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/umqttd"
	"github.com/umqttd/umqttd/test/vm/machine"
)

// program is where umqttd is inside the machine.
const program = "/umqttd"

// limit is how long the machine may run, in the time of the computer around it. It needs a minute on a busy one.
const limit = 10 * time.Minute

func TestMain(m *testing.M) {
	machine.Init()
	if machine.Inside() {
		goleak.VerifyTestMain(m)
	}
	status, err := outside()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// outside runs the tests in a machine.
func outside() (status int, err error) {
	flag.Parse()
	kernel, err := machine.FindKernel()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "umqttd-vm")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	daemon, err := umqttd.Build(dir)
	if err != nil {
		return 0, err
	}
	tests, err := buildTests(dir)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return machine.Machine{
		Kernel: kernel,
		Init:   tests,
		Files:  map[string]string{program: daemon},
		Args:   flags(),
		Output: os.Stdout,
	}.Run(ctx)
}

// buildTests builds this package as go test has done, but without cgo: there is no C library inside.
func buildTests(dir string) (string, error) {
	program := filepath.Join(dir, "vm.test")
	build := exec.Command("go", "test", "-c", "-tags", "vm", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("vm: build the tests: %w\n%s", err, output)
	}
	return program, nil
}

// flags returns the flags of go test that mean something inside. Those that name files do not.
func flags() []string {
	known := []string{"count", "failfast", "list", "paniconexit0", "run", "shuffle", "timeout", "v"}
	var args []string
	flag.Visit(func(f *flag.Flag) {
		for _, name := range known {
			if f.Name == "test."+name {
				args = append(args, fmt.Sprintf("-%s=%s", f.Name, f.Value))
			}
		}
	})
	return slices.Clip(args)
}
