package simulation

import (
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
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

// traceMessage writes down what went over the line.
func (w *world) traceMessage(way string, body []byte) {
	var m mqttsn.Packet
	if w.trace.to == nil || mqttsn.Parse(body, &m) != nil {
		return
	}
	if m.Type == mqttsn.Encapsulated {
		w.traceMessage(fmt.Sprintf("%s %x", way, m.NodeID), m.Data)
		return
	}
	w.tracef("%s: %v topic %d id %d flags %x code %v %.20q", way, m.Type, m.TopicID, m.MsgID, m.Flags, m.ReturnCode, m.Data)
}
