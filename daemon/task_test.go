package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
)

// fakeTask is a task whose end the test decides.
type fakeTask struct {
	name  string
	ready chan struct{}
	fails chan error // ends Run, whatever the context says
	last  func() error
}

// newFake returns a task that is ready at once and ends with its context; then last,
// if there is one, is what it still has to do.
func newFake(name string, last func() error) *fakeTask {
	f := &fakeTask{name: name, ready: make(chan struct{}), fails: make(chan error, 1), last: last}
	close(f.ready)
	return f
}

func (f *fakeTask) Run(ctx context.Context) error {
	select {
	case err := <-f.fails:
		return err
	case <-ctx.Done():
	}
	if f.last == nil {
		return ctx.Err()
	}
	return f.last()
}

func (f *fakeTask) Ready() <-chan struct{} { return f.ready }
func (f *fakeTask) String() string         { return f.name }

// bare is a Daemon with nothing but infrastructure.
func bare(tasks ...task) *Daemon {
	log := new(logtest.Book).Logger()
	own, err := devices.NewOwn("", mqttcore.Config{}, nil, metrics.New(metrics.Build{}), log)
	if err != nil {
		panic(err)
	}
	d := &Daemon{
		statusEvery: statusEvery, log: log, opener: new(port.Opener), own: own,
		ready: make(chan struct{}), wanted: make(chan struct{}, 1), infra: tasks,
	}
	d.now.Store(&lineup{cfg: new(config.Config)})
	return d
}

// run runs d in a bubble until the test ends it.
func run(t *testing.T, d *Daemon) (end func() error, ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	synctest.Wait()
	return func() error { cancel(); return <-done }, done
}

// TestTaskThatFailsEndsTheGateway, and its error is the reason.
func TestTaskThatFailsEndsTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, other := newFake("bad", nil), newFake("other", nil)
		_, ended := run(t, bare(bad, other))
		bad.fails <- errors.New("the disk is gone")
		if err := <-ended; err == nil || err.Error() != "the disk is gone" {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestTaskThatEndsByItself has failed too.
func TestTaskThatEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := newFake("quiet", nil)
		_, ended := run(t, bare(quiet))
		quiet.fails <- nil
		if err := <-ended; err == nil || err.Error() != "daemon: quiet ended by itself" {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestTaskThatIsNotReady keeps the gateway from being ready, and not from ending.
func TestTaskThatIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := newFake("late", nil)
		late.ready = make(chan struct{})
		d := bare(late)
		end, _ := run(t, d)
		if reasons := (*page)(d).NotReady(); len(reasons) != 1 || reasons[0] != "late is not ready" {
			t.Errorf("not ready because of %q", reasons)
		}
		close(late.ready)
		synctest.Wait()
		if reasons := (*page)(d).NotReady(); reasons != nil {
			t.Errorf("not ready because of %q", reasons)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		if reasons := (*page)(d).NotReady(); len(reasons) != 1 || reasons[0] != "starting or stopping" {
			t.Errorf("not ready because of %q", reasons)
		}
	})
}

// TestFailuresWhileStopping: what fails in order to stop, or meanwhile, is told.
func TestFailuresWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, _ := run(t, bare(newFake("task", func() error { return errors.New("no orderly end") })))
		if err := end(); err == nil || err.Error() != "no orderly end" {
			t.Errorf("ended with %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		failed := newFailures()
		infra, boards := newStage(failed), newStage(failed)
		bad := newFake("bad", nil)
		infra.start(bad)
		boards.start(newFake("board", func() error {
			bad.fails <- errors.New("failed meanwhile")
			return nil
		}))
		if err := bare().stop(boards, infra); err != nil {
			t.Error(err)
		}
		if err := failed.take(); err == nil || err.Error() != "failed meanwhile" {
			t.Errorf("failed with %v", err)
		}
	})
}

// TestTaskThatHangs is named in time, and the stages after it get their orderly end.
func TestTaskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hang := func() error { <-release; return nil }
		var order []string
		ends := func(name string) *fakeTask {
			return newFake(name, func() error { order = append(order, name); return nil })
		}
		failed := newFailures()
		boards, own, infra := newStage(failed), newStage(failed), newStage(failed)
		boards.start(newFake("device a", hang))
		own.start(ends("own"))
		infra.start(newFake("http", hang))
		infra.start(ends("broker"))
		synctest.Wait()
		begun := time.Now()
		err := bare().stop(boards, own, infra)
		if took := time.Since(begun); took >= 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if err == nil || !strings.HasSuffix(err.Error(), ": device a, http") {
			t.Errorf("ended with %v", err)
		}
		if strings.Join(order, " ") != "own broker" {
			t.Errorf("ended in order: %v", order)
		}
		close(release)
	})
}
