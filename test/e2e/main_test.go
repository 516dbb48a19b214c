// Package e2e tests what a user gets: the umqttd binary between a board on a pty and a real mosquitto, judged by mosquitto's own clients.
//
// Package umqttd runs the binary, package cable is the line and the board, test/mosquitto the broker. A test arranges them with newRig, lets messages flow, takes
// something away, and demands what the design promises: in order, once, or answered with the right code, and counted.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/umqttd"
)

// program is the umqttd that all tests run.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "umqttd-e2e")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		program, err = umqttd.Build(dir)
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
