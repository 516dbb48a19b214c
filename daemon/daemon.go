package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs"
	"github.com/umqttd/umqttd/daemon/notify"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
)

// An orderly stop is bounded: systemd and users are promised 5 s.
const (
	stopTimeout  = 4500 * time.Millisecond // of everything
	stageTimeout = 2500 * time.Millisecond // of one stage
)

// statusEvery is how often systemd is told how the gateway is. With a short
// WatchdogSec= it is more often: to be asked makes the loop of a device turn, also
// of one that has nothing to do.
const statusEvery = 5 * time.Second

// Options are what a Daemon needs beside its configuration.
type Options struct {
	Version  string // for the page and umqttd_build_info
	Revision string
	Log      *slog.Logger // required

	// Socket is where `umqttd monitor` finds the daemon. Empty: nowhere.
	Socket string

	// Logs is what Log writes to, so that a reload can change level and format. Nil:
	// it cannot.
	Logs *logs.Switch

	// Reload reads the configuration again. Nil: it cannot.
	Reload func() (*config.Config, []config.Warning, error)
}

// A Daemon is a gateway that is wired up and can run once.
type Daemon struct {
	// Immutable once it runs.
	opts    Options
	log     *slog.Logger
	started time.Time

	statusEvery time.Duration // at most the constant

	metrics *metrics.Metrics
	scrape  http.Handler
	systemd notify.Systemd
	opener  *port.Opener
	clients *devices.Clients

	watchdog     *notify.Watchdog
	watcher      *watcherTask
	certificates *certificates
	own          *devices.Own
	infra        []task // the above but own, and what nobody needs to find again

	ready   chan struct{} // closed when every task is ready
	wanted  chan struct{} // has one in it while a reload is asked for
	serving atomic.Bool
	now     atomic.Pointer[lineup]

	// Owned by the goroutine of Run.
	stages    stages
	lingering map[string][]<-chan struct{} // by name, devices that were told to end; closed when they have
	news      news                         // of the last reload
}

// stages are the tasks that run, in the order in which they are stopped.
type stages struct {
	failed              *failures
	boards, own, server *stage
}

// Run serves until ctx is done, and then stops in order within 5 s. The error
// tells what could not be started, what failed, or what did not end.
func (d *Daemon) Run(ctx context.Context) error {
	d.started = time.Now()
	failed := newFailures()
	d.stages = stages{failed, newStage(failed), newStage(failed), newStage(failed)}
	infra := slices.Concat(d.infra, d.now.Load().servers())
	for _, t := range infra {
		d.stages.server.start(t)
	}
	err := d.await(ctx, infra)
	if err == nil && ctx.Err() == nil {
		d.stages.own.start(d.own)
		for _, t := range d.now.Load().devices {
			d.stages.boards.start(t)
		}
		err = d.serve(ctx)
	}
	d.serving.Store(false)
	d.tell(d.systemd.Stopping())
	d.log.Info("stopping")
	select {
	case <-d.wanted:
		d.log.Warn("configuration is not read again, umqttd stops")
	default:
	}
	stopped := d.stop(d.stages.boards, d.stages.own, d.stages.server)
	return errors.Join(err, stopped, failed.take()) // which failed meanwhile
}

// await waits until all of tasks are ready.
func (d *Daemon) await(ctx context.Context, tasks []task) error {
	for _, t := range tasks {
		select {
		case <-t.Ready():
		case <-d.stages.failed.some:
			return d.stages.failed.take()
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// serve waits for the end, reloads when it is asked to, and tells systemd how things are
// meanwhile.
func (d *Daemon) serve(ctx context.Context) error {
	now := d.now.Load()
	all := make([]task, 0, len(now.devices))
	for _, t := range now.devices {
		all = append(all, t)
	}
	if err := d.await(ctx, all); err != nil || ctx.Err() != nil {
		return err
	}
	d.serving.Store(true)
	close(d.ready)
	d.tell(d.systemd.Ready())
	d.log.Info("ready", "devices", len(now.devices))
	if len(now.devices) == 0 {
		d.log.Warn("no device is configured; plug a board in, run `umqttd ports`, and describe it under devices:")
	}
	d.warnOfOrphans(now.cfg)
	tick := time.NewTicker(d.statusEvery)
	defer tick.Stop()
	for {
		d.tell(d.systemd.Status(d.summary(ctx) + d.news.line(time.Now())))
		select {
		case <-ctx.Done():
			return nil
		case <-d.stages.failed.some:
			return d.stages.failed.take()
		case <-d.wanted:
			d.reload(ctx)
		case <-tick.C:
		}
	}
}

// stop ends the stages in turn. One that hangs does not keep the next from its
// orderly end.
func (d *Daemon) stop(stages ...*stage) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, s := range stages {
		turn, done := context.WithTimeout(ctx, stageTimeout)
		s.stop(turn)
		done()
	}
	// A tty may need 30 s to close; the kernel goes on without us.
	_ = d.opener.Wait(ctx)
	var left []string
	for _, s := range stages {
		left = append(left, s.left()...)
	}
	if left != nil {
		return fmt.Errorf("daemon: not ended within %v: %s", stopTimeout, strings.Join(left, ", "))
	}
	return nil
}

// tell logs what systemd could not be told. Without systemd there is no error.
func (d *Daemon) tell(err error) {
	if err != nil {
		d.log.Warn("systemd was not told", "err", err)
	}
}

// Ready is closed when every configured task does its work.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// HTTPAddr returns the address of the HTTP server, or nil without one. It is
// valid once Ready is closed, until a reload moves it.
func (d *Daemon) HTTPAddr() net.Addr {
	if now := d.now.Load(); now.http != nil {
		return now.http.Addr()
	}
	return nil
}

// BrokerAddr returns the address of the embedded broker, or nil without one. It
// is valid once Ready is closed.
func (d *Daemon) BrokerAddr() net.Addr {
	if now := d.now.Load(); now.broker != nil {
		return now.broker.Addr()
	}
	return nil
}
