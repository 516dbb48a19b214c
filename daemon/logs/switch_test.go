package logs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestSwitch changes level and format under loggers that are in use, those with attributes and groups too.
func TestSwitch(t *testing.T) {
	var b bytes.Buffer
	s, err := NewSwitch("info", FormatText, &b)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(s.Handler())
	device := log.With("device", "attic").WithGroup("port").With("baud", 9600)
	sibling := log.With("device", "shed")
	said := func(log *slog.Logger) string {
		b.Reset()
		log.Debug("fine")
		log.Info("coarse", "n", 1)
		_, text, _ := strings.Cut(strings.TrimSpace(b.String()), " ")
		return text
	}
	if got := said(device); got != `INFO  coarse device=attic port.baud=9600 port.n=1` {
		t.Errorf("text: %s", got)
	}
	if err := s.Set("debug", FormatJSON); err != nil {
		t.Fatal(err)
	}
	if got := said(device); strings.Count(b.String(), "\n") != 2 || !strings.Contains(b.String(), `"device":"attic","port":{"baud":9600,"n":1}}`) {
		t.Errorf("JSON: %s", got)
	}
	if err := s.Set("error", FormatText); err != nil {
		t.Fatal(err)
	}
	if got := said(sibling); got != "" || sibling.Enabled(t.Context(), slog.LevelWarn) {
		t.Errorf("above the level: %s", got)
	}
	for _, wrong := range []struct{ level, format string }{{"loud", "text"}, {"info", "xml"}} {
		if err := s.Set(wrong.level, Format(wrong.format)); err == nil {
			t.Errorf("%v was accepted", wrong)
		}
	}
	if log.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("what was refused changed something")
	}
	if err := s.Set("info", FormatText); err != nil {
		t.Fatal(err)
	}
	if got := said(sibling); got != `INFO  coarse device=shed n=1` {
		t.Errorf("text again: %s", got)
	}
}

// TestSwitchAllocates nothing for what is not logged, once a logger has been used.
func TestSwitchAllocates(t *testing.T) {
	s, err := NewSwitch("info", FormatText, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(s.Handler()).With("device", "attic")
	if n := testing.AllocsPerRun(100, func() { log.Debug("frame") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
