package daemon

import (
	"context"
	"fmt"
	"sync"
)

// task is something long-lived.
type task interface {
	Run(ctx context.Context) error // until ctx is done
	Ready() <-chan struct{}        // closed when it does its work
	String() string                // for logs and for /-/ready
}

// stage is a group of tasks that are stopped together.
type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed chan<- error
}

// newStage returns a stage that ends with stop and not with a parent's context.
func newStage(failed chan<- error) *stage {
	ctx, cancel := context.WithCancel(context.Background())
	return &stage{ctx: ctx, cancel: cancel, failed: failed}
}

// start runs a task. A task that ends before it is told to has failed.
func (s *stage) start(t task) {
	s.wg.Go(func() {
		err := t.Run(s.ctx)
		if s.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = fmt.Errorf("daemon: %s ended by itself", t)
		}
		select {
		case s.failed <- err:
		case <-s.ctx.Done():
		}
	})
}

// stop tells the tasks to end and waits for them.
func (s *stage) stop() {
	s.cancel()
	s.wg.Wait()
}
