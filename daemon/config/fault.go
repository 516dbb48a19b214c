package config

import (
	"fmt"
	"strings"
)

// A Fault is one thing wrong at one place of the configuration.
type Fault struct {
	File  string // as it was named to Load, or found in the devices folder
	Line  int    // from 1; 0 if the file as a whole is meant
	Key   string // like devices[greenhouse].broker.url; "" if no key is meant
	Wrong string // what is wrong
	Write string // what to write instead; "" if Wrong says it all
}

// String is the line a person reads: FILE:LINE: key: what is wrong; what to write.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Wrong)
	if f.Write != "" {
		b.WriteString("; " + f.Write)
	}
	return b.String()
}

// Faults are all that is wrong with a configuration, in the order of the files
// and of their lines. It is the error that Load returns.
type Faults []Fault

// Error prints one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// A Warning has the form of a Fault, but the configuration can be used.
type Warning Fault

// String is the line a person reads, like that of a Fault.
func (w Warning) String() string { return Fault(w).String() }
