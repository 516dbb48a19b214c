package embedded

import (
	"context"
	"log/slog"

	"github.com/umqttd/umqttd/daemon/logs"
)

// quiet returns the handler that mochi logs through. What it says at info is debug to us.
func quiet(h slog.Handler) slog.Handler { return withoutPackets{logs.AtLeast(h, slog.LevelWarn)} }

// withoutPackets drops the attributes in which mochi logs a whole packet: no log of ours may have a payload or a password.
type withoutPackets struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withoutPackets) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "pk" && a.Key != "packet" {
			clean.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h withoutPackets) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutPackets{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withoutPackets) WithGroup(name string) slog.Handler {
	return withoutPackets{h.Handler.WithGroup(name)}
}
