// Package logs chooses where umqttd's log goes and what it looks like.
//
//	auto      journal if stderr is the journal's own stream (umqttd runs as a systemd service), else text
//	text      one line a record for people: time, level, message, key=value; colour on a terminal only, never with NO_COLOR set
//	json      one JSON object a line for programs
//	journal   the journal's native protocol: every attribute is a field that journalctl can match (journalctl UMQTTD_DEVICE=greenhouse)
//
// Whatever a board, a broker or a configuration put into a message or an attribute, no handler here lets a control byte or an escape sequence
// through to a terminal, and none lets one record look like two.
package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"
	"golang.org/x/term"
)

// Format is what the log looks like. The zero value is not valid; use FormatAuto.
type Format string

// The formats of the configuration key log.format.
const (
	FormatAuto    Format = "auto"
	FormatText    Format = "text"
	FormatJSON    Format = "json"
	FormatJournal Format = "journal"
)

// New returns a handler that writes records at level and above to w, which is stderr in a running umqttd. The level may be changed at any time;
// nil means info for ever. In the journal format w gets only what the journal did not take. It is an error to ask for an unknown format.
func New(level slog.Leveler, format Format, w io.Writer) (slog.Handler, error) {
	if level == nil {
		level = slog.LevelInfo
	}
	if format == FormatAuto {
		format = FormatText
		if isJournal(w) {
			format = FormatJournal
		}
	}
	switch format {
	case FormatText:
		return newText(level, w, colourful(w)), nil
	case FormatJSON:
		return slog.NewJSONHandler(jsonEscaper{w}, &slog.HandlerOptions{Level: level}), nil
	case FormatJournal:
		return newJournal(level, journal.Send, newText(level, w, false)), nil
	default:
		return nil, fmt.Errorf("logs: unknown format %q; write auto, text, json or journal", string(format))
	}
}

// isJournal says whether w is this process's stderr and the journal reads it.
func isJournal(w io.Writer) bool {
	if w != os.Stderr {
		return false
	}
	ok, err := journal.StderrIsJournalStream()
	return ok && err == nil
}

// colourful says whether w is a terminal whose owner has nothing against colour (https://no-color.org: set and not empty means no).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// AtLeast returns h without its records below level. It quiets a library that says at info what is debug to us.
func AtLeast(h slog.Handler, level slog.Level) slog.Handler { return atLeast{h, level} }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
