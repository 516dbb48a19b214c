package mqttcore

import (
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
