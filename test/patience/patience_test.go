package patience

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWithin goes on at once when it may, looks until it may, and gives up in the end.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !Within(time.Second, func() bool { return true }) || !time.Now().Equal(began) {
			t.Error("what holds already took time")
		}
		if !Within(time.Second, func() bool { return time.Since(began) > 500*time.Millisecond }) || time.Since(began) > 600*time.Millisecond {
			t.Errorf("what held after 500 ms was seen after %v", time.Since(began))
		}
		if Within(time.Second, func() bool { return false }) {
			t.Error("what never holds was said to hold")
		}
	})
}
