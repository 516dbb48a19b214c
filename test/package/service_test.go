package debian

import (
	"slices"
	"strings"
	"testing"
)

// exposure is the most that systemd-analyze may find, in tenths of its scale from 0 to 10.
const exposure = "15"

// runnable returns the unit with the program of this test in it: systemd-analyze wants one that is there.
func runnable(t *testing.T) string {
	t.Helper()
	unit := deployed(t, "systemd/umqttd.service")
	if strings.Count(unit, "/usr/bin/umqttd") < 2 {
		t.Fatal("the unit does not start /usr/bin/umqttd")
	}
	return strings.ReplaceAll(unit, "/usr/bin/umqttd", program)
}

// verify has systemd read a unit.
func verify(t *testing.T, unit string) (string, error) {
	t.Helper()
	// Without recursive-errors an unknown key is a warning, and the status 0.
	return try(t.Context(), find(t, "systemd-analyze", "systemd"), "verify", "--recursive-errors=no", "--man=no", write(t, "umqttd.service", unit))
}

// TestServiceIsUnderstood by the oldest systemd that it is for, if that is the one here.
func TestServiceIsUnderstood(t *testing.T) {
	if out, err := verify(t, runnable(t)); err != nil || out != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := verify(t, strings.Replace(runnable(t), "[Service]\n", "[Service]\nRestrat=always\n", 1)); err == nil {
		t.Errorf("systemd-analyze verify accepts a key that does not exist: %s", out)
	}
}

// TestSandbox holds what a umqttd that was taken over cannot do.
func TestSandbox(t *testing.T) {
	analyze := find(t, "systemd-analyze", "systemd")
	security := func(unit string) (string, error) {
		return try(t.Context(), analyze, "security", "--no-pager", "--offline=true", "--threshold="+exposure, write(t, "umqttd.service", unit))
	}
	if out, err := security(runnable(t)); err != nil {
		t.Errorf("exposed by more than %s: %v\n%s", exposure, err, out)
	}
	if out, err := security("[Service]\nExecStart=/bin/true\n"); err == nil {
		t.Errorf("a unit without a sandbox passes:\n%s", out)
	}
}

// values returns what a key of the unit is set to, in order.
func values(unit, key string) []string {
	var found []string
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			found = append(found, value)
		}
	}
	return found
}

// TestServiceTraps holds what is easily taken for a mistake and put right.
func TestServiceTraps(t *testing.T) {
	unit := deployed(t, "systemd/umqttd.service")
	for _, trap := range []struct {
		key  string
		want []string
		why  string
	}{
		{"Type", []string{"notify"}, "systemd 252 takes notify-reload for simple"},
		{"DeviceAllow", []string{"char-188 rw", "char-166 rw", "char-204 rw", "/dev/ttyS0 rw"},
			"a major by name is resolved when the unit starts, before the driver of an adapter that is plugged in later is there"},
		{"PrivateDevices", nil, "it hides serial ports"},
		{"ProcSubset", nil, "pid hides /proc/stat, and with it process_start_time_seconds"},
		{"StartLimitIntervalSec", []string{"0"}, "a gateway that runs for years never gives up"},
		{"LimitNOFILE", []string{"65536"}, "thousands of nodes are one daemon's work"},
	} {
		if got := values(unit, trap.key); !slices.Equal(got, trap.want) {
			t.Errorf("%s is %q, want %q: %s", trap.key, got, trap.want, trap.why)
		}
	}
}
