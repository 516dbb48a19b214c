package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	failed chan<- error // takes one error of every task without waiting

	mu      sync.Mutex
	running []task
	wg      sync.WaitGroup
}

// newStage returns a stage that ends with stop and not with a parent's context.
// failed must have room for an error of every task.
func newStage(failed chan<- error) *stage {
	ctx, cancel := context.WithCancel(context.Background())
	return &stage{ctx: ctx, cancel: cancel, failed: failed}
}

// start runs a task. A task that ends before it is told to has failed, and so has
// one that cannot end in order.
func (s *stage) start(t task) {
	s.mu.Lock()
	s.running = append(s.running, t)
	s.mu.Unlock()
	s.wg.Go(func() {
		err := t.Run(s.ctx)
		told := s.ctx.Err() != nil
		if err == nil && !told {
			err = fmt.Errorf("daemon: %s ended by itself", t)
		}
		if err != nil && !(told && errors.Is(err, context.Canceled)) {
			s.failed <- err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = slices.DeleteFunc(s.running, func(other task) bool { return other == t })
	})
}

// stop tells the tasks to end and waits for them until ctx is done.
func (s *stage) stop(ctx context.Context) {
	s.cancel()
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// left names the tasks that have not ended.
func (s *stage) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, t := range s.running {
		names = append(names, t.String())
	}
	return names
}
