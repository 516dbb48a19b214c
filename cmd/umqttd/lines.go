package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/umqttd/umqttd/serialproto"
)

// colour is an ANSI escape sequence, used on terminals only.
type colour string

const (
	plain  colour = ""
	dim    colour = "\x1b[2m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
	cyan   colour = "\x1b[36m"
	reset         = "\x1b[0m"
)

// lines prints events, one aligned line each:
//
//	15:04:05.000  greenhouse  published     sensors/t  21.5
//
// It may be used by several goroutines.
type lines struct {
	mu       sync.Mutex
	w        io.Writer
	coloured bool
	width    int // of the widest name so far
}

// newLines returns lines on w, in colour if w is a terminal and NO_COLOR is unset.
func newLines(w io.Writer) *lines {
	return &lines{w: w, coloured: isTerminal(w) && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// event prints one line. Whatever text and name hold, they cannot control the
// terminal.
func (l *lines) event(at time.Time, name, what string, c colour, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, text = printable(name), printable(text)
	l.width = max(l.width, len(name))
	line := fmt.Sprintf("%s  %-*s  %s  %s", l.paint(dim, at.Format("15:04:05.000")), l.width, name, l.paint(c, fmt.Sprintf("%-12s", what)), text)
	_, _ = fmt.Fprintln(l.w, strings.TrimRight(line, " "))
}

// text prints lines as they are.
func (l *lines) text(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, s)
}

func (l *lines) paint(c colour, s string) string {
	if !l.coloured || c == plain {
		return s
	}
	return string(c) + s + reset
}

// printable makes text safe to show.
func printable(text string) string { return string(serialproto.AppendPrintable(nil, []byte(text))) }
