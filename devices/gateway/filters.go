package gateway

import (
	"maps"
	"slices"
)

// Filters returns what a node has subscribed to, in order.
func (g *Gateway) Filters(id NodeID) []string {
	n := g.byID[id]
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.filters.set))
}
