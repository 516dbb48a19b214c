package main

import (
	"io"
	"os"

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

// palette colours text, or leaves it alone.
type palette struct{ coloured bool }

// newPalette returns one that colours if w is a terminal that can, and the user
// does not say no: https://no-color.org.
func newPalette(w io.Writer) palette {
	return palette{isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p palette) paint(c colour, s string) string {
	if !p.coloured || c == plain || s == "" {
		return s
	}
	return string(c) + s + reset
}

// printable makes text safe to show: control bytes are escaped.
func printable(text string) string { return string(serialproto.AppendPrintable(nil, []byte(text))) }
