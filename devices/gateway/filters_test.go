package gateway

import (
	"slices"
	"testing"
)

func TestFilters(t *testing.T) {
	n := &node{id: 7}
	n.filters.add([]byte("b/#"), 1)
	n.filters.add([]byte("a"), 0)
	g := &Gateway{byID: map[NodeID]*node{7: n}}
	if got := g.Filters(7); !slices.Equal(got, []string{"a", "b/#"}) {
		t.Errorf("got %q", got)
	}
	if got := g.Filters(8); got != nil {
		t.Errorf("an unknown node has %q", got)
	}
}
