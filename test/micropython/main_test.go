// Package micropython proves the MicroPython client, clients/micropython, in the interpreters that boards run: against the umqttd binary and a real mosquitto, over a line
// with faults, in the memory of a board, and next to what umqtt promises.
//
// Programs for the boards are in testdata. Package interpreter runs them; package cable is the line; a ledger says what must have arrived.
package micropython

import (
	"flag"
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
	flag.Parse()
	dir, err := os.MkdirTemp("", "umqttd-micropython")
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
