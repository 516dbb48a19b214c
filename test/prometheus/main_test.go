// Package prometheus tests what deploy/prometheus and deploy/grafana give to an operator, with Debian's Prometheus.
//
// promtool runs the tests of the alerts that stand in alerts/: each alert fires when it should, and not before. The dashboard's structure is held by tests of its own, for
// no Grafana is at hand. A real Prometheus then scrapes a real umqttd, once for each kind of histogram, and evaluates every expression of both: no error, and data where there
// must be data. What the tests of the alerts are fed with must look like what it has scraped.
package prometheus

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/umqttd"
)

const (
	rulesFile     = "../../deploy/prometheus/umqttd.rules.yml"
	dashboardFile = "../../deploy/grafana/umqttd.json"
)

// program is the umqttd that is scraped.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "umqttd-prometheus")
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

// find returns the path of a program of Debian's package prometheus.
func find(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; on Debian, Raspberry Pi OS and Ubuntu: apt-get install --no-install-recommends prometheus", err)
	}
	return path
}
