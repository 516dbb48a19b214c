package gateway

import (
	"testing"
	"time"
)

func TestRTO(t *testing.T) {
	var e rtoEstimator
	if got := e.rto(); got != time.Second {
		t.Errorf("before the first sample: %v, want 1s (RFC 6298 section 2.1)", got)
	}
	e.sample(100 * time.Millisecond)
	if got := e.rto(); got != 300*time.Millisecond {
		t.Errorf("after the first sample: %v, want SRTT + 4 RTTVAR = 300ms", got)
	}
	for range 100 {
		e.sample(time.Millisecond)
	}
	if got := e.rto(); got != minRTO {
		t.Errorf("on a fast line: %v, want the floor %v", got, minRTO)
	}
	for range 3 {
		e.expired()
	}
	if got := e.rto(); got != 8*minRTO {
		t.Errorf("after three retransmissions: %v, want %v", got, 8*minRTO)
	}
	e.sample(time.Millisecond)
	if got := e.rto(); got != minRTO {
		t.Errorf("after a sample: %v, want %v", got, minRTO)
	}
	for range 1000 {
		e.expired()
	}
	if got := e.rto(); got != maxRTO {
		t.Errorf("after many: %v, want the ceiling %v", got, maxRTO)
	}
	if got := e.credit(); got != minRTO<<maxCreditDoubling {
		t.Errorf("credit after many: %v, want %v", got, minRTO<<maxCreditDoubling)
	}
}

// TestCreditOfASilentBoard: one that never answered anything may never do.
func TestCreditOfASilentBoard(t *testing.T) {
	var e rtoEstimator
	e.expired()
	e.expired()
	if got := e.credit(); got != initialRTO {
		t.Errorf("%v, want %v", got, initialRTO)
	}
}
