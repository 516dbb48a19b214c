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

// failures are the errors of tasks that have failed.
type failures struct {
	some chan struct{} // has one in it while there are any

	mu   sync.Mutex
	errs []error
}

func newFailures() *failures { return &failures{some: make(chan struct{}, 1)} }

// add never waits.
func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
	select {
	case f.some <- struct{}{}:
	default:
	}
}

// take returns what has failed since it was asked last, nil if nothing has.
func (f *failures) take() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := errors.Join(f.errs...)
	f.errs = nil
	return err
}

// stage is a group of tasks that are stopped together, or one by one before.
type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	failed *failures

	mu      sync.Mutex
	running []*running
	wg      sync.WaitGroup
}

// running is a task that has not ended.
type running struct {
	task
	cancel context.CancelFunc
	ended  chan struct{}
}

// newStage returns a stage that ends with stop and not with a parent's context.
func newStage(failed *failures) *stage {
	ctx, cancel := context.WithCancel(context.Background())
	return &stage{ctx: ctx, cancel: cancel, failed: failed}
}

// start runs a task. A task that ends before it is told to has failed, and so has
// one that cannot end in order.
func (s *stage) start(t task) {
	ctx, cancel := context.WithCancel(s.ctx)
	r := &running{t, cancel, make(chan struct{})}
	s.mu.Lock()
	s.running = append(s.running, r)
	s.mu.Unlock()
	s.wg.Go(func() {
		defer cancel()
		err := t.Run(ctx)
		told := ctx.Err() != nil
		if err == nil && !told {
			err = fmt.Errorf("daemon: %s ended by itself", t)
		}
		if err != nil && !(told && errors.Is(err, context.Canceled)) {
			s.failed.add(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = slices.DeleteFunc(s.running, func(other *running) bool { return other == r })
		close(r.ended)
	})
}

// end tells one task to end. The channel is closed when it has; at once if it does not run.
func (s *stage) end(t task) (ended <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.running {
		if r.task == t {
			r.cancel()
			return r.ended
		}
	}
	over := make(chan struct{})
	close(over)
	return over
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
	for _, r := range s.running {
		names = append(names, r.String())
	}
	return names
}
