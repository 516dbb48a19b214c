package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
)

// A Switch is a log whose level and format can be changed while loggers made of its Handler are in use. They follow, those that With made too.
type Switch struct {
	w       io.Writer
	current atomic.Pointer[setting]
}

// setting is a handler; its address is its identity.
type setting struct{ slog.Handler }

// NewSwitch returns a log to w; level is debug, info, warn or error.
func NewSwitch(level string, format Format, w io.Writer) (*Switch, error) {
	s := &Switch{w: w}
	if err := s.Set(level, format); err != nil {
		return nil, err
	}
	return s, nil
}

// Set changes level and format. With an error nothing has changed.
func (s *Switch) Set(level string, format Format) error {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("logs: level: %w", err)
	}
	h, err := New(least, format, s.w)
	if err != nil {
		return err
	}
	s.current.Store(&setting{h})
	return nil
}

// Handler returns the handler that follows.
func (s *Switch) Handler() slog.Handler { return &follower{root: s} }

// follower is a handler with what With and WithGroup have added, to whatever the Switch is set to.
type follower struct {
	root  *Switch
	added []func(slog.Handler) slog.Handler
	made  atomic.Pointer[made] // of the setting last seen
}

type made struct {
	of *setting
	slog.Handler
}

func (h *follower) handler() slog.Handler {
	now := h.root.current.Load()
	if m := h.made.Load(); m != nil && m.of == now {
		return m.Handler
	}
	handler := now.Handler
	for _, add := range h.added {
		handler = add(handler)
	}
	h.made.Store(&made{now, handler})
	return handler
}

// Enabled implements slog.Handler.
func (h *follower) Enabled(ctx context.Context, level slog.Level) bool {
	return h.handler().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *follower) Handle(ctx context.Context, r slog.Record) error {
	return h.handler().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *follower) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *follower) WithGroup(name string) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *follower) with(add func(slog.Handler) slog.Handler) slog.Handler {
	return &follower{root: h.root, added: append(slices.Clone(h.added), add)}
}
