package logs

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// native writes to the journal. MESSAGE is what the text format shows, so that plain journalctl tells all; beside it each attribute is a field
// of its own:
//
//	PRIORITY             7 debug, 6 info, 4 warning, 3 error
//	UMQTTD_MESSAGE       the message alone, always the same for the same event
//	MESSAGE_ID           for what happens in the life of the gateway and of its devices (messageid.go)
//	UMQTTD_DEVICE        the attribute device, and so on for every attribute: UMQTTD_<KEY>
//	CODE_FILE/LINE/FUNC  where in the source
type native struct {
	level slog.Leveler
	send  sendFunc
	scope scope
	// fallback gets a record that the journal did not take, so that none is lost.
	fallback slog.Handler
}

// sendFunc is journal.Send.
type sendFunc func(message string, priority journal.Priority, fields map[string]string) error

func newJournal(level slog.Leveler, send sendFunc, fallback slog.Handler) *native {
	return &native{level: level, send: send, fallback: fallback}
}

// Enabled implements slog.Handler.
func (h *native) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *native) WithAttrs(attrs []slog.Attr) slog.Handler {
	inner := *h
	inner.scope, inner.fallback = h.scope.with(attrs), h.fallback.WithAttrs(attrs)
	return &inner
}

// WithGroup implements slog.Handler.
func (h *native) WithGroup(name string) slog.Handler {
	inner := *h
	inner.scope, inner.fallback = h.scope.group(name), h.fallback.WithGroup(name)
	return &inner
}

// Handle implements slog.Handler.
func (h *native) Handle(ctx context.Context, r slog.Record) error {
	var message strings.Builder
	message.WriteString(Visible(r.Message))
	fields := map[string]string{"SYSLOG_IDENTIFIER": "umqttd"}
	for _, p := range h.scope.of(r) {
		fields[fieldName(p.key)] = Visible(p.value)
		message.WriteString(" " + word(p.key) + "=" + word(p.value))
	}
	fields["UMQTTD_MESSAGE"] = Visible(r.Message)
	if id := messageIDs[r.Message]; id != "" {
		fields["MESSAGE_ID"] = id
	}
	if r.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		fields["CODE_FILE"], fields["CODE_LINE"], fields["CODE_FUNC"] = frame.File, strconv.Itoa(frame.Line), frame.Function
	}
	if err := h.send(message.String(), priority(r.Level), fields); err != nil {
		return h.fallback.Handle(ctx, r)
	}
	return nil
}

// fieldName makes a journal field of an attribute's key: capitals, digits and underscores, at most 64 bytes (systemd.journal-fields(7)).
func fieldName(key string) string {
	name := "UMQTTD_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, key)
	return name[:min(len(name), 64)]
}

func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	default:
		return journal.PriDebug
	}
}
