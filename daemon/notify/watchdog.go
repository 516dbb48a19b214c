package notify

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Watchdog feeds systemd's watchdog (WatchdogSec= in the unit), which kills and restarts a service that has not fed it in time.
//
// It is no blind ticker. Every loop that must never hang takes a Heartbeat and ticks it on each turn; the watchdog is fed only if all of them
// have ticked since it was fed last. So a deadlock anywhere that matters ends in a restart, and the log names the loop.
type Watchdog struct {
	log     *slog.Logger
	timeout time.Duration // WATCHDOG_USEC; 0 means there is no watchdog
	ready   chan struct{}

	mu    sync.Mutex
	loops map[*Heartbeat]struct{}
}

// NewWatchdog reads WATCHDOG_USEC and WATCHDOG_PID from the environment. Without them it never sends anything. A WATCHDOG_USEC that is no positive
// number is an error.
func NewWatchdog(log *slog.Logger) (*Watchdog, error) {
	timeout, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("notify: %v", err)
	}
	return &Watchdog{log: log, timeout: timeout, ready: make(chan struct{}), loops: make(map[*Heartbeat]struct{})}, nil
}

// Interval is how long a loop may wait at most between two ticks: a quarter of systemd's timeout. A loop that has nothing to do wakes up for it.
// 0 means there is no watchdog and no need to tick.
func (w *Watchdog) Interval() time.Duration { return w.timeout / 4 }

// Loop registers a loop. The name is for the log.
func (w *Watchdog) Loop(name string) *Heartbeat {
	h := &Heartbeat{name: name, watchdog: w}
	h.ticked.Store(true) // a loop that has just been registered has a full period for its first tick
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loops[h] = struct{}{}
	return h
}

// Heartbeat is one loop's sign of life.
type Heartbeat struct {
	name     string
	watchdog *Watchdog
	ticked   atomic.Bool
}

// Tick says that the loop turns. It costs one atomic store and never waits.
func (h *Heartbeat) Tick() { h.ticked.Store(true) }

// Stop says that the loop has ended in order and is no longer waited for.
func (h *Heartbeat) Stop() {
	h.watchdog.mu.Lock()
	defer h.watchdog.mu.Unlock()
	delete(h.watchdog.loops, h)
}

// Ready is closed as soon as Run runs.
func (w *Watchdog) Ready() <-chan struct{} { return w.ready }

// String names the task.
func (w *Watchdog) String() string { return "systemd watchdog" }

// Run feeds the watchdog until ctx is done, and then returns nil. It must be called once.
func (w *Watchdog) Run(ctx context.Context) error {
	close(w.ready)
	if w.timeout == 0 {
		<-ctx.Done()
		return nil
	}
	// sd_watchdog_enabled(3) recommends to feed it at half the time. If a loop is late then, it is asked again soon: one that ticks after all
	// must not cost a restart.
	usual, soon := w.timeout/2, w.timeout/16
	timer := time.NewTimer(usual)
	defer timer.Stop()
	for suspect := ""; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		late := w.late()
		if late != "" && late != suspect {
			w.log.Warn("loop does not turn, watchdog waits for it", "loop", late)
		}
		suspect = late
		if late != "" {
			timer.Reset(soon)
			continue
		}
		if err := send(daemon.SdNotifyWatchdog); err != nil {
			w.log.Warn("watchdog not fed", "error", err)
		}
		timer.Reset(usual)
	}
}

// late returns the name of a loop that has not ticked since the last call that found none late, or "" and starts the next period.
func (w *Watchdog) late() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for h := range w.loops {
		if !h.ticked.Load() {
			return h.name
		}
	}
	for h := range w.loops {
		h.ticked.Store(false)
	}
	return ""
}
