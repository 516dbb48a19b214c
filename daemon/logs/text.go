package logs

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// text writes one line a record for people.
type text struct {
	level  slog.Leveler
	colour bool
	scope  scope
	out    *output
}

// output is the writer that a handler shares with all its WithAttrs and WithGroup copies: one record at a time.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func newText(level slog.Leveler, w io.Writer, colour bool) *text {
	return &text{level: level, colour: colour, out: &output{w: w}}
}

// Enabled implements slog.Handler.
func (h *text) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *text) WithAttrs(attrs []slog.Attr) slog.Handler {
	inner := *h
	inner.scope = h.scope.with(attrs)
	return &inner
}

// WithGroup implements slog.Handler.
func (h *text) WithGroup(name string) slog.Handler {
	inner := *h
	inner.scope = h.scope.group(name)
	return &inner
}

// Handle implements slog.Handler.
func (h *text) Handle(_ context.Context, r slog.Record) error {
	line := make([]byte, 0, 256)
	line = h.appendTime(line, r.Time)
	line = h.appendLevel(line, r.Level)
	line = append(line, Visible(r.Message)...)
	for _, p := range h.scope.of(r) {
		line = append(line, ' ')
		line = h.paint(line, dim, word(p.key)+"=")
		line = append(line, word(p.value)...)
	}
	line = append(line, '\n')

	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(line)
	return err
}

// appendTime writes the time of day for a person who watches, and the date as well for one who reads a file later.
func (h *text) appendTime(line []byte, t time.Time) []byte {
	if t.IsZero() {
		return line
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if h.colour {
		layout = "15:04:05.000"
	}
	return append(h.paint(line, dim, t.Format(layout)), ' ')
}

// The escape sequences of a terminal's colours (ECMA-48 SGR).
const (
	dim    = "\x1b[2m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	reset  = "\x1b[0m"
)

func (h *text) appendLevel(line []byte, level slog.Level) []byte {
	colour := dim
	switch {
	case level >= slog.LevelError:
		colour = red
	case level >= slog.LevelWarn:
		colour = yellow
	case level >= slog.LevelInfo:
		colour = green
	}
	name := level.String()
	line = h.paint(line, colour, name)
	for range max(0, len("ERROR")-len(name)) { // messages start in one column
		line = append(line, ' ')
	}
	return append(line, ' ')
}

// paint appends s, in colour on a terminal.
func (h *text) paint(line []byte, colour, s string) []byte {
	if !h.colour {
		return append(line, s...)
	}
	line = append(line, colour...)
	line = append(line, s...)
	return append(line, reset...)
}
