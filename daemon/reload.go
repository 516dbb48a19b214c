package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/umqttd/umqttd/daemon/change"
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/homeassistant"
	"github.com/umqttd/umqttd/daemon/logs"
)

// A reload goes in four steps, and only the last one touches what runs:
//
//	read      the files, as at the start: with one fault nothing has happened
//	plan      what differs (package change)
//	prepare   make and bind what is new: what cannot be had ends it here
//	apply     stop, start and adjust what differs
//
// The goroutine of Run does it, so there is one at a time, none while the gateway starts
// or stops, and none that a second SIGHUP overtakes.

// Reload asks for the configuration to be read again and returns at once. Nothing is
// lost: while the gateway starts or another reload is under way it comes afterwards. Asked
// for several times before it begins, it is done once, with the files as they are then.
func (d *Daemon) Reload() {
	select {
	case d.wanted <- struct{}{}:
	default: // it is asked for already
	}
}

// reload reads the configuration again, and puts in force what differs: all of it or,
// with an error, none.
func (d *Daemon) reload(ctx context.Context) {
	d.tell(d.systemd.Reloading())
	plan, err := d.change(ctx)
	d.news = newsOf(plan, err)
	var faults config.Faults
	switch {
	case errors.As(err, &faults): // which have been logged one by one
		d.log.Error("configuration not taken, the old one stays in force", "faults", len(faults))
	case err != nil:
		d.log.Error("configuration not taken, the old one stays in force", "err", err)
	}
	if err != nil {
		d.metrics.ConfigReloadSuccessful.Set(0)
	} else {
		d.metrics.ConfigReloadTimestamp.SetToCurrentTime()
		d.metrics.ConfigReloadSuccessful.Set(1)
	}
	d.tell(d.systemd.Ready()) // also when nothing came of it: what runs is ready
}

// change does what reload says, but for telling about it.
func (d *Daemon) change(ctx context.Context) (*change.Plan, error) {
	if d.opts.Reload == nil {
		return nil, errors.New("daemon: it cannot be read again")
	}
	cfg, warnings, err := d.opts.Reload()
	for _, w := range warnings {
		d.log.Warn("configuration should be mended", "warning", w.String())
	}
	if err != nil {
		var faults config.Faults
		errors.As(err, &faults)
		for _, f := range faults {
			d.log.Error("configuration has a fault", "fault", f.String())
		}
		return nil, err
	}
	t, err := d.prepare(cfg)
	if err == nil {
		err = t.bind(ctx)
	}
	if err != nil {
		return nil, err
	}
	if t.plan.Empty() {
		d.now.Store(t.after) // devices may have another order
		d.log.Info("configuration unchanged")
		return &t.plan, nil
	}
	t.apply(ctx)
	d.log.Info("configuration reloaded", "done", t.plan.String(), "keys", strings.Join(t.plan.Keys(), " "))
	return &t.plan, nil
}

// bind takes what others may have: addresses, and the gateway's client id. With an
// error it has let go of them.
func (t *transition) bind(ctx context.Context) (err error) {
	if t.plan.Refused != nil {
		return fmt.Errorf("daemon: a change of %s takes a restart of umqttd: the broker inside would forget its sessions and messages",
			strings.Join(t.plan.Refused, " and "))
	}
	if t.plan.Log != nil && t.opts.Logs == nil {
		return errors.New("daemon: a change of log takes a restart of umqttd")
	}
	broker, server := t.fresh()
	defer func() {
		if err != nil && broker {
			t.after.broker.Close()
		}
		if err != nil && server {
			t.after.http.Close()
		}
	}()
	if broker {
		if err := t.after.broker.Listen(ctx); err != nil {
			return err
		}
	}
	if server {
		if err := t.after.http.Listen(ctx, t.before.http); err != nil {
			return err
		}
	}
	return t.reserve()
}

// fresh reports which servers are new.
func (t *transition) fresh() (broker, server bool) {
	return t.after.broker != nil && t.after.broker != t.before.broker, t.after.http != nil && t.after.http != t.before.http
}

// reserve makes the client ids known that not every board may have.
func (t *transition) reserve() error {
	return t.clients.Reserve(t.after.cfg.MaxNodes, reserved(t.after.cfg), t.plan.Ending())
}

// use lets those that run for ever go on with what is new.
func (t *transition) use() {
	// A session that ends takes back what is announced no more: there may be no other.
	t.own.Announce(homeassistant.Announcements(t.after.cfg, t.opts.Version))
	if t.plan.Own != nil {
		t.own.Use(t.session)
	}
	t.own.SpeakFor(names(t.after.cfg))
	t.certificates.watch(t.after.cfg, t.metrics)
}

// apply stops, starts and adjusts what differs. A device that does not end in time, since
// its disk hangs, keeps its successor waiting, and nobody else.
func (t *transition) apply(ctx context.Context) {
	if t.plan.Log != nil {
		if err := t.opts.Logs.Set(t.after.cfg.Log.Level, logs.Format(t.after.cfg.Log.Format)); err != nil {
			t.log.Error("log not changed", "err", err)
		}
	}
	broker, server := t.fresh()
	if broker {
		t.stages.server.start(t.after.broker)
	}
	if server {
		t.stages.server.start(t.after.http)
	}
	t.end(ctx)
	t.use()
	t.certificates.look()
	t.now.Store(t.after)
	if ctx.Err() == nil {
		t.start()
	}
	turn, done := context.WithTimeout(ctx, stageTimeout)
	defer done()
	for _, s := range t.before.servers() {
		if !slices.Contains(t.after.servers(), s) {
			wait(turn, t.stages.server.end(s))
		}
	}
	t.warnOfOrphans(t.after.cfg)
	if dir := t.before.cfg.Outbox.Dir; dir != t.after.cfg.Outbox.Dir {
		t.warnOfLeft(dir)
	}
}

// end stops the devices that are not to go on, and waits for them.
func (t *transition) end(ctx context.Context) {
	for _, name := range t.plan.Removed {
		t.before.device(name).removed.Store(true)
	}
	ending := make(map[string]<-chan struct{})
	for _, name := range t.plan.Ending() {
		ended := t.stages.boards.end(t.before.device(name))
		ending[name] = ended
		t.lingering[name] = append(t.lingering[name], ended)
	}
	turn, done := context.WithTimeout(ctx, stageTimeout)
	defer done()
	for name, ended := range ending {
		if !wait(turn, ended) && ctx.Err() == nil {
			t.log.Warn("device takes long to end; if it is to be started again, that waits", "device", name)
		}
	}
}

// wait waits for something to end until ctx is done, and reports whether it has.
func wait(ctx context.Context, ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return over(ended)
	}
}

func over(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

// start starts the devices that are new, each behind those that had its name before, and
// adjusts those that go on.
func (t *transition) start() {
	for name, all := range t.lingering {
		if t.lingering[name] = slices.DeleteFunc(all, over); len(t.lingering[name]) == 0 {
			delete(t.lingering, name)
		}
	}
	for i, s := range t.after.devices {
		switch t.plan.Devices[i].Action {
		case change.Add, change.Restart:
			s.after = slices.Clone(t.lingering[s.name])
			t.stages.boards.start(s)
		case change.Adjust:
			s.adjust(t.adjusted[s])
		}
	}
}

// news is what a person should know of the last reload.
type news struct {
	at     time.Time
	failed bool
	short  string
}

const (
	newsFor = time.Minute // a good reload is news that long, a bad one until the next
	newsLen = 200         // bytes
)

func newsOf(plan *change.Plan, err error) news {
	n := news{at: time.Now(), failed: err != nil}
	var faults config.Faults
	switch {
	case errors.As(err, &faults) && len(faults) > 1:
		n.short = fmt.Sprintf("%d faults, the first: %s", len(faults), faults[0])
	case err != nil:
		n.short = err.Error()
	default:
		n.short = plan.String()
	}
	return n
}

// line is for systemctl status. It is empty when there is nothing new.
func (n *news) line(now time.Time) string {
	what := "reloaded"
	switch {
	case n.at.IsZero(), !n.failed && now.Sub(n.at) > newsFor:
		return ""
	case n.failed:
		what = "configuration not taken"
	}
	text := n.short
	if len(text) > newsLen {
		text = strings.ToValidUTF8(text[:newsLen], "") + "..."
	}
	return fmt.Sprintf("; %s at %s: %s", what, n.at.Format(time.TimeOnly), text)
}
