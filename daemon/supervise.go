package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/devices"
)

// rebuildAfter is the pause before a device that panicked is built anew.
const rebuildAfter = time.Second

// supervised is the task of one device: what goes wrong in it stays in it.
type supervised struct {
	name    string
	log     *slog.Logger
	build   func() *devices.Device
	first   *devices.Device
	current atomic.Pointer[devices.Device]
}

func supervise(name string, log *slog.Logger, build func() *devices.Device) *supervised {
	s := &supervised{name: name, log: log, build: build, first: build()}
	s.current.Store(s.first)
	return s
}

// Run runs the device, and builds it anew should it panic.
func (s *supervised) Run(ctx context.Context) error {
	for {
		err := s.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.log.Error("device failed and is started anew; please report this", "device", s.name, "err", err)
		pause := time.NewTimer(rebuildAfter)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
		s.current.Store(s.build())
	}
}

// runOnce turns a panic into an error.
func (s *supervised) runOnce(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("daemon: panic: %v\n%s", r, debug.Stack())
		}
	}()
	return s.current.Load().Run(ctx)
}

// Ready is closed when the device's loop runs for the first time.
func (s *supervised) Ready() <-chan struct{} { return s.first.Ready() }

// String names the task.
func (s *supervised) String() string { return "device " + s.name }
