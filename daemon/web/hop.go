package web

import (
	"fmt"
	"strings"
	"time"
)

// hop is one step on the way of a message. Its line is drawn here and not by a script, so that everybody sees it.
type hop struct {
	Name string
	Last string // the last latency
	Line string // points of an SVG polyline, 96 wide and 20 high; empty if there are too few
	Peak string // the highest point of the line; empty without one
}

// maxPoints is how many latencies fill the width of a line. A shorter one ends at the right, too.
const maxPoints = 32

// Hops returns the latencies for the template.
func (d *deviceView) Hops() []hop {
	return []hop{
		newHop("serial round trip", d.SerialTrips), newHop("broker round trip", d.BrokerTrips), newHop("uplink, end to end", d.UplinkTimes),
	}
}

func newHop(name string, trips []time.Duration) hop {
	trips = trips[max(0, len(trips)-maxPoints):]
	h := hop{Name: name, Last: "–"}
	if len(trips) == 0 {
		return h
	}
	top := time.Microsecond
	for _, d := range trips {
		top = max(top, d)
	}
	h.Last = milliseconds(max(trips[len(trips)-1], time.Microsecond))
	if len(trips) == 1 {
		return h
	}
	h.Peak = strings.TrimSuffix(milliseconds(top), " ms") // the unit stands beside the last
	var line strings.Builder
	for i, d := range trips {
		x, y := float64(maxPoints-len(trips)+i)*96/(maxPoints-1), 18-16*float64(d)/float64(top)
		fmt.Fprintf(&line, "%.0f,%.0f ", x, y)
	}
	h.Line = strings.TrimSuffix(line.String(), " ")
	return h
}
