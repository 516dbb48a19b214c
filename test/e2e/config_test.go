package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestWrongConfiguration starts nothing: every fault is printed with its line, the status is 1, and the one port that is described well is not touched. So says
// umqttd check too.
func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	line := cable.New(t)
	config := file(t, "umqttd.yaml")
	text := `broker:
  url: mqtt://user:secret@127.0.0.1:1883
  keepalive: 30
http: {listen: "127.0.0.1:0"}
devices:
  - name: attic
    port: ` + line.Path() + `
    buad: 9600
  - name: Attic
    port: /dev/ttyUSB0
  - name: shed
    port: ` + line.Path() + `
    limits: {max_payload: -1}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"run", "check"} {
		status, output := umqttd.Run(t, program, command, "--config", config)
		if status != 1 {
			t.Errorf("umqttd %s: status %d, want 1", command, status)
		}
		for _, fault := range []string{
			":2: broker.url: ", ":3: broker.keepalive: ", ":8: devices[attic].buad: ", ":9: devices[1].name: ", ":12: ", ":13: devices[shed].limits.max_payload: ",
		} {
			if !strings.Contains(output, "umqttd.yaml"+fault) {
				t.Errorf("umqttd %s does not report %q", command, fault)
			}
		}
		if strings.Contains(output, "secret") {
			t.Errorf("umqttd %s repeats a password", command)
		}
		if t.Failed() {
			t.Logf("umqttd %s says:\n%s", command, output)
		}
	}
	select {
	case chunk := <-line.In():
		t.Errorf("the port was opened: % x", chunk)
	default:
	}
}

// TestMissingConfiguration says which file is missing.
func TestMissingConfiguration(t *testing.T) {
	t.Parallel()
	missing := file(t, "nowhere.yaml")
	if status, output := umqttd.Run(t, program, "run", "--config", missing); status != 1 || !strings.Contains(output, missing) {
		t.Errorf("status %d: %s", status, output)
	}
	if status, _ := umqttd.Run(t, program, "run", "--no-such-flag"); status != 2 {
		t.Errorf("a wrong command line has status %d, want 2", status)
	}
}

// TestWrongReload changes nothing but the metric, and says what is wrong.
func TestWrongReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	r.gateway.Rewrite("devices: [{name: attic, prot: /dev/ttyUSB0}]")
	r.gateway.Signal(syscall.SIGHUP)
	r.gateway.WaitMetric("umqttd_config_last_reload_successful", 0)
	if !strings.Contains(r.gateway.Log(), "did you mean port?") {
		t.Error("the log does not say what is wrong")
	}
	send(b, "m5/t", []string{"1"})
	b.WaitAcknowledged()
	wantUndisturbed(t, b)
}
