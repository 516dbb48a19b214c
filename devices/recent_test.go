package devices

import (
	"slices"
	"testing"
	"time"
)

func TestTrailShowsTheLastLatencies(t *testing.T) {
	var tr trail
	if got := tr.show(); len(got) != 0 {
		t.Errorf("an empty trail shows %v", got)
	}
	var want []time.Duration
	for i := range 3*trailKept + 5 {
		tr.add(time.Duration(i))
		want = append(want, time.Duration(i))
		if got, want := tr.show(), want[max(0, len(want)-trailKept):]; !slices.Equal(got, want) {
			t.Fatalf("after %d: %v, want %v", i+1, got, want)
		}
	}
}

func TestRateIsThatOfTheLastMinute(t *testing.T) {
	var r rate
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for range 120 { // two minutes, one a second
		r.add(now)
		now = now.Add(time.Second)
	}
	if n := r.perMinute(now); n < 55 || n > 60 {
		t.Errorf("%d per minute, want 55 to 60", n)
	}
	if n := r.perMinute(now.Add(30 * time.Second)); n < 25 || n > 30 {
		t.Errorf("%d per minute half a minute later, want 25 to 30", n)
	}
	if n := r.perMinute(now.Add(365 * 24 * time.Hour)); n != 0 {
		t.Errorf("%d per minute a year later", n)
	}
	r.add(now) // the clock was set back
	if n := r.perMinute(now.Add(365 * 24 * time.Hour)); n != 1 {
		t.Errorf("%d per minute after the clock was set back, want 1", n)
	}
}
