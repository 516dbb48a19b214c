package main

import (
	"fmt"
	"strings"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// journal prints what happens to a simulated board, and counts it.
type journal struct {
	*lines
	name           string
	verbose, quiet bool

	acked, unacked, again, refused int
	received, duplicates           int
	lost, noise, overrun           int

	connects int // CONNECTs since the last answer
}

// observe is called for everything that happens.
func (j *journal) observe(o sim.Observation) {
	j.count(&o)
	if j.quiet {
		return
	}
	if j.verbose {
		wireLine(j.lines, j.name, o)
	}
	j.waitLine(&o)
	faultLine(j.lines, j.name, o)
	boardLine(j.lines, j.name, o)
}

// waitLine says that nobody answers, which has many causes and looks like none.
func (j *journal) waitLine(o *sim.Observation) {
	switch o.Kind {
	case sim.Received:
		j.connects = 0
	case sim.Sent, sim.Lost:
		if mqttsn.Type(o.Body[1]) != mqttsn.Connect {
			return
		}
		if j.connects++; j.connects > 1 {
			j.event(o.At, j.name, "waiting", dim, fmt.Sprintf("no answer to CONNECT, try %d", j.connects))
		}
	}
}

func (j *journal) count(o *sim.Observation) {
	switch o.Kind {
	case sim.Lost, sim.Missed:
		j.lost++
	case sim.Noise:
		j.noise++
	case sim.Overrun:
		j.overrun += o.Bytes
	case sim.Happened:
		j.countEvent(&o.Event)
	}
}

func (j *journal) countEvent(e *board.Event) {
	switch e.Kind {
	case board.Published:
		if e.QoS == 1 {
			j.acked++
			j.again += e.Tries - 1
		} else {
			j.unacked++
		}
	case board.Dropped:
		j.refused++
	case board.Received:
		j.received++
	case board.Duplicate:
		j.duplicates++
	}
}

// summary is the last line: what was sent and received, and what went wrong.
func (j *journal) summary() string {
	var text strings.Builder
	fmt.Fprintf(&text, "QoS 1: %d acknowledged; QoS 0: %d sent; %d received", j.acked, j.unacked, j.received)
	for _, fault := range []struct {
		n    int
		what string
	}{
		{j.refused, "refused"}, {j.again, "retransmissions"}, {j.duplicates, "duplicates"},
		{j.lost, "frames lost"}, {j.noise, "pieces of noise"}, {j.overrun, "bytes overrun"},
	} {
		if fault.n > 0 {
			fmt.Fprintf(&text, "; %d %s", fault.n, fault.what)
		}
	}
	return text.String()
}
