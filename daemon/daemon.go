package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/embedded"
	"github.com/umqttd/umqttd/daemon/notify"
	"github.com/umqttd/umqttd/daemon/web"
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

	// Reload reads the configuration again, on SIGHUP. Nil: it cannot.
	Reload func() (*config.Config, error)
}

// A Daemon is a gateway that is wired up and can run once.
type Daemon struct {
	cfg     *config.Config
	opts    Options
	log     *slog.Logger
	started time.Time

	statusEvery time.Duration // at most the constant

	metrics *metrics.Metrics
	systemd notify.Systemd
	opener  *port.Opener

	certificates *certificates
	broker       *embedded.Broker // nil without
	http         *web.Server      // nil without
	own          *devices.Own     // nil without
	devices      []*supervised
	infra        []task // the above, and what nobody needs to find again

	ready   chan struct{} // closed when every task is ready
	serving atomic.Bool
}

// Run serves until ctx is done, and then stops in order within 5 s. The error
// tells what could not be started, what failed, or what did not end.
func (d *Daemon) Run(ctx context.Context) error {
	d.started = time.Now()
	failed := make(chan error, len(d.infra)+1+len(d.devices))
	infra, own, boards := newStage(failed), newStage(failed), newStage(failed)
	for _, t := range d.infra {
		infra.start(t)
	}
	err := d.await(ctx, failed, d.infra)
	if err == nil && ctx.Err() == nil {
		if d.own != nil {
			own.start(d.own)
		}
		for _, t := range d.devices {
			boards.start(t)
		}
		err = d.serve(ctx, failed)
	}
	d.serving.Store(false)
	d.tell(d.systemd.Stopping())
	d.log.Info("stopping")
	errs := []error{err, d.stop(boards, own, infra)}
	for {
		select {
		case err := <-failed: // meanwhile
			errs = append(errs, err)
		default:
			return errors.Join(errs...)
		}
	}
}

// await waits until all of tasks are ready.
func (d *Daemon) await(ctx context.Context, failed <-chan error, tasks []task) error {
	for _, t := range tasks {
		select {
		case <-t.Ready():
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// serve waits for the end, and tells systemd how things are meanwhile.
func (d *Daemon) serve(ctx context.Context, failed <-chan error) error {
	all := make([]task, 0, len(d.devices))
	for _, t := range d.devices {
		all = append(all, t)
	}
	if err := d.await(ctx, failed, all); err != nil || ctx.Err() != nil {
		return err
	}
	d.serving.Store(true)
	close(d.ready)
	d.tell(d.systemd.Ready())
	d.log.Info("ready", "devices", len(d.devices))
	if len(d.devices) == 0 {
		d.log.Warn("no device is configured; plug a board in, run `umqttd ports`, and describe it under devices:")
	}
	d.warnOfOrphans()
	tick := time.NewTicker(d.statusEvery)
	defer tick.Stop()
	for {
		d.tell(d.systemd.Status(d.summary(ctx)))
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
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
// valid once Ready is closed.
func (d *Daemon) HTTPAddr() net.Addr {
	if d.http == nil {
		return nil
	}
	return d.http.Addr()
}

// BrokerAddr returns the address of the embedded broker, or nil without one. It
// is valid once Ready is closed.
func (d *Daemon) BrokerAddr() net.Addr {
	if d.broker == nil {
		return nil
	}
	return d.broker.Addr()
}
