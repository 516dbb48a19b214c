package tasktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// recorder is a test that only notes what was said of it.
type recorder struct {
	testing.TB
	said     string
	cleanups []func()
}

func (r *recorder) Helper()                      {}
func (r *recorder) Cleanup(f func())             { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(f string, args ...any) { r.said += fmt.Sprintf(f, args...) }
func (r *recorder) Fatalf(f string, args ...any) { r.Errorf(f, args...); runtime.Goexit() }

// script is a task that ends with err, at once or when it is told to.
type script struct {
	err   error
	early bool
	ready chan struct{}
}

func (s *script) Ready() <-chan struct{} { return s.ready }

func (s *script) Run(ctx context.Context) error {
	if !s.early {
		close(s.ready)
		<-ctx.Done()
	}
	return s.err
}

func TestStart(t *testing.T) {
	bad := errors.New("bad")
	for _, c := range []struct {
		task script
		want string
	}{
		{script{}, ""},
		{script{err: bad}, "Run returned bad, want nil"},
		{script{err: bad, early: true}, "Run returned bad before the task was ready"},
		{script{early: true}, "Run returned <nil> before the task was ready"},
	} {
		c.task.ready = make(chan struct{})
		r := &recorder{TB: t}
		over := make(chan struct{})
		go func() {
			defer close(over)
			Start(r, &c.task)
		}()
		<-over
		for _, f := range r.cleanups {
			f()
			f()
		}
		if r.said != c.want {
			t.Errorf("said %q, want %q", r.said, c.want)
		}
	}
}
