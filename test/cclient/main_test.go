package cclient

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/umqttd"
)

// The programs that all tests run.
var gatewayProgram, boardProgram string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "umqttd-cclient")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		gatewayProgram, err = umqttd.Build(dir)
	}
	if err == nil {
		boardProgram, err = Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}
