package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// lines prints events, one aligned line each:
//
//	15:04:05.000  greenhouse  published     sensors/t  21.5
//
// It may be used by several goroutines.
type lines struct {
	palette
	mu    sync.Mutex
	w     io.Writer
	width int // of the widest name so far
}

// newLines returns lines on w. With the names known beforehand all lines are
// aligned, not only those after the widest name.
func newLines(w io.Writer, names ...string) *lines {
	l := &lines{palette: newPalette(w), w: w}
	for _, name := range names {
		l.width = max(l.width, len(name))
	}
	return l
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
