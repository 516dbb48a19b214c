package devices

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/mqttcore"
)

// TestComplaints: two boards that are refused in turn are two subjects.
func TestComplaints(t *testing.T) {
	var c complaints
	for i, step := range []struct {
		subject, text string
		want          slog.Level
	}{
		{"board a", "no", slog.LevelWarn},
		{"board b", "no", slog.LevelWarn},
		{"board a", "no", slog.LevelDebug},
		{"board b", "no", slog.LevelDebug},
		{"board a", "never", slog.LevelWarn},
		{"board a", "no", slog.LevelWarn},
	} {
		if got := c.level(step.subject, step.text); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	c.over("board b")
	if c.level("board b", "no") != slog.LevelWarn {
		t.Error("what was well is news when it is not")
	}
	for i := range 10 * maxComplaints {
		c.level(fmt.Sprint("board ", i), "no")
	}
	if len(c.said) > maxComplaints {
		t.Errorf("%d subjects are remembered", len(c.said))
	}
}

// TestCause: the same fault has the same cause, whatever port it was seen on.
func TestCause(t *testing.T) {
	read := func(port int) error {
		err := &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: syscall.ECONNRESET}
		return fmt.Errorf("%w: %w", mqttcore.ErrConnectionLost, err)
	}
	if a, b := cause(read(1)), cause(read(2)); a != b || a != syscall.ECONNRESET.Error() {
		t.Errorf("%q and %q", a, b)
	}
	if got := cause(io.EOF); got != "EOF" {
		t.Errorf("%q", got)
	}
	if got := cause(nil); got != "" {
		t.Errorf("%q", got)
	}
}
