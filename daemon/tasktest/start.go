// Package tasktest runs the daemon's long-lived tasks in tests.
package tasktest

import (
	"context"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// Task is something long-lived, as the daemon runs it.
type Task interface {
	Run(ctx context.Context) error // until ctx is done
	Ready() <-chan struct{}        // closed when it does its work
}

// Start runs a task and returns when it is ready. stop, or else the end of the test,
// ends it and waits for it; a further call does nothing. The test fails if the task
// does not become ready, does not end, or ends with an error.
func Start(t testing.TB, task Task) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- task.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run returned %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	})
	t.Cleanup(stop)
	select {
	case <-task.Ready():
	case err := <-ended:
		ended <- nil // for stop
		t.Fatalf("Run returned %v before the task was ready", err)
	case <-time.After(patience):
		t.Fatal("the task does not become ready")
	}
	return stop
}
