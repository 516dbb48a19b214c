// Package patience waits for what another process does. Nothing here sleeps for a fixed time: a test goes on as soon as what it waits for is so,
// and fails after a time that no machine needs, however loaded.
package patience

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Limit is how long anything may take.
const Limit = 20 * time.Second

// pause is between two looks.
const pause = 5 * time.Millisecond

// Wait waits until holds reports true. What says what that means, for the message of a test that waited in vain.
func Wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !Within(Limit, holds) {
		t.Fatalf("waited %v in vain: %s", Limit, what)
	}
}

// Within reports whether holds became true within limit.
func Within(limit time.Duration, holds func() bool) bool {
	end := time.Now().Add(limit)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
	return true
}

// Stopped waits until every thread of a process stands still. SIGSTOP returns earlier: what runs at that moment on another processor may still answer.
func Stopped(t testing.TB, pid int) {
	t.Helper()
	Wait(t, fmt.Sprintf("process %d stands still", pid), func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if err != nil || !bytes.Contains(stat, []byte(") T ")) {
				return false
			}
		}
		return len(threads) > 0
	})
}
