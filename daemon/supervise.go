package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/daemon/notify"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/metrics"
)

// rebuildAfter is the pause before a device that panicked is built anew.
const rebuildAfter = time.Second

// supervised is the task of one device: what goes wrong in it stays in it.
type supervised struct {
	// Immutable once it runs.
	name     string
	log      *slog.Logger
	watchdog *notify.Watchdog
	metrics  *metrics.Metrics
	build    func(cfg devices.Config, beat func()) *devices.Device
	after    []<-chan struct{} // each closed when a device that had this name before has ended

	ready chan struct{} // closed by isReady
	once  sync.Once     // for it

	// Shared with other goroutines.
	cfg     atomic.Pointer[devices.Config]
	current atomic.Pointer[devices.Device] // nil before it is built
	removed atomic.Bool                    // it is in the configuration no more
}

// Run waits until the one before has ended, runs the device, and builds it anew should
// it panic.
func (s *supervised) Run(ctx context.Context) error {
	defer func() {
		if s.removed.Load() {
			s.metrics.RemoveDevice(s.name)
		}
	}()
	for _, ended := range s.after {
		select {
		case <-ended:
		case <-ctx.Done():
			return nil
		}
	}
	heart := s.watchdog.Loop(s.String())
	defer heart.Stop()
	for {
		err := s.runOnce(ctx, heart.Tick)
		s.isReady() // one that cannot be built must not keep others from being ready
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
	}
}

// runOnce turns a panic into an error.
func (s *supervised) runOnce(ctx context.Context, beat func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("daemon: panic: %v\n%s", r, debug.Stack())
		}
	}()
	cfg := s.cfg.Load()
	d := s.build(*cfg, beat)
	s.current.Store(d)
	if newer := s.cfg.Load(); newer != cfg {
		d.Adjust(*newer) // which came while it was built
	}
	s.isReady()
	return d.Run(ctx)
}

func (s *supervised) isReady() { s.once.Do(func() { close(s.ready) }) }

// adjust lets the device take what can be changed while it runs.
func (s *supervised) adjust(cfg devices.Config) {
	s.cfg.Store(&cfg)
	if d := s.current.Load(); d != nil {
		d.Adjust(cfg)
	}
}

// status asks the device. It has no answer before it is built.
func (s *supervised) status(ctx context.Context) (devices.Status, bool) {
	d := s.current.Load()
	if d == nil {
		return devices.Status{}, false
	}
	return d.Status(ctx)
}

// notReady says why the device does not do its work; empty if it does.
func (s *supervised) notReady() string {
	if d := s.current.Load(); d != nil {
		return d.NotReady()
	}
	return ""
}

// Ready is closed when the device is there for the first time.
func (s *supervised) Ready() <-chan struct{} { return s.ready }

// String names the task.
func (s *supervised) String() string { return "device " + s.name }
