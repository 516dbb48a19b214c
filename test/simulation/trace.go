package simulation

import (
	"fmt"
	"hash/fnv"
	"io"
	"time"
)

// trace writes down what happens. Without a writer it costs nothing.
type trace struct {
	to    io.Writer
	start time.Time
}

// tracef writes a line, with the time.
func (w *world) tracef(format string, args ...any) {
	if w.trace.to != nil {
		fmt.Fprintf(w.trace.to, "%10.6f %s\n", w.now.Sub(w.trace.start).Seconds(), fmt.Sprintf(format, args...))
	}
}

// Fingerprint runs a seed and returns a hash of everything that happened.
func Fingerprint(seed uint64) uint64 {
	hash := fnv.New64a()
	err := Run(seed, Options{Trace: hash})
	fmt.Fprint(hash, err)
	return hash.Sum64()
}
