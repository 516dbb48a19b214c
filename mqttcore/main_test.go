package mqttcore

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(benchBrokerEnv) != "" {
		benchBroker() // this process is the broker of a benchmark
		return
	}
	goleak.VerifyTestMain(m)
}

// noDial is for clients that never run.
func noDial(context.Context) (net.Conn, error) { return nil, errors.New("no dial in this test") }
