package daemon

import (
	"context"
	"fmt"

	"github.com/umqttd/umqttd/daemon/change"
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/embedded"
	"github.com/umqttd/umqttd/daemon/notify"
	"github.com/umqttd/umqttd/daemon/web"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
)

// lineup is what a gateway consists of at one moment. It is never changed, only replaced
// by another: pages look at it meanwhile.
type lineup struct {
	cfg     *config.Config
	devices []*supervised    // one for each of cfg, in its order
	broker  *embedded.Broker // nil without
	http    *web.Server      // nil without
}

// servers are the tasks of l that listen.
func (l *lineup) servers() []task {
	var all []task
	if l.broker != nil {
		all = append(all, l.broker)
	}
	if l.http != nil {
		all = append(all, l.http)
	}
	return all
}

// device returns the device of that name, or nil.
func (l *lineup) device(name string) *supervised {
	for _, s := range l.devices {
		if s.name == name {
			return s
		}
	}
	return nil
}

// New wires a gateway up. Nothing runs and nothing is opened before Run, but
// the files that the configuration names are read.
//
// It is a reload that begins with nothing.
func New(cfg *config.Config, opts Options) (*Daemon, error) {
	d := &Daemon{
		opts: opts, log: opts.Log, ready: make(chan struct{}), wanted: make(chan struct{}, 1), opener: new(port.Opener),
		certificates: newCertificates(opts.Log), metrics: metrics.New(metrics.Build{Version: opts.Version, Revision: opts.Revision}),
		clients: devices.NewClients(cfg.MaxNodes, nil), lingering: make(map[string][]<-chan struct{}),
	}
	d.metrics.ConfigReloadSuccessful.Set(1)
	d.metrics.ConfigReloadTimestamp.SetToCurrentTime()
	var err error
	if d.watchdog, err = notify.NewWatchdog(d.log); err != nil {
		return nil, err
	}
	d.scrape = d.metrics.Handler(d.log)
	d.statusEvery = statusEvery
	if d.watchdog.Interval() > 0 {
		d.statusEvery = min(statusEvery, d.watchdog.Interval())
	}
	d.watcher = &watcherTask{ready: make(chan struct{})}
	d.infra = append(d.infra, d.watcher, d.watchdog, d.certificates)
	d.wireMonitor()
	if d.own, err = devices.NewOwn("", mqttcore.Config{}, nil, d.metrics, d.log); err != nil {
		return nil, err
	}
	d.now.Store(&lineup{cfg: &config.Config{NoGateway: true, HTTP: config.HTTP{Off: true}}})
	t, err := d.prepare(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.reserve(); err != nil {
		return nil, err
	}
	t.use()
	d.now.Store(t.after)
	return d, nil
}

// transition leads from one lineup to the next. Whatever can fail is done before it
// touches anything that runs.
type transition struct {
	*Daemon
	plan          change.Plan
	before, after *lineup
	session       *devices.OwnSession         // that the gateway gets if plan.Own, nil for none
	dialers       map[string]*mqttcore.Dialer // by URL and TLS files
	adjusted      map[*supervised]devices.Config
}

// prepare makes what cfg needs and is not there. Nothing of it runs, nothing is bound,
// and nothing that runs notices.
func (d *Daemon) prepare(cfg *config.Config) (*transition, error) {
	before := d.now.Load()
	t := &transition{
		Daemon: d, plan: change.Between(before.cfg, cfg), before: before,
		after:   &lineup{cfg: cfg, broker: before.broker, http: before.http},
		dialers: make(map[string]*mqttcore.Dialer), adjusted: make(map[*supervised]devices.Config),
	}
	if err := t.prepareBroker(); err != nil {
		return nil, err
	}
	if err := t.prepareOwn(); err != nil {
		return nil, err
	}
	for i := range cfg.Devices {
		if err := t.prepareDevice(&cfg.Devices[i], t.plan.Devices[i].Action); err != nil {
			return nil, err
		}
	}
	return t, t.prepareHTTP()
}

func (t *transition) prepareBroker() (err error) {
	switch e := &t.after.cfg.EmbeddedBroker; t.plan.Broker {
	case change.StartBroker:
		t.after.broker, err = embedded.New(embedded.Config{Listen: e.Listen, PasswordFile: e.PasswordFile, Log: t.log})
	case change.StopBroker:
		t.after.broker = nil
	}
	return err
}

func (t *transition) prepareOwn() error {
	cfg := t.after.cfg
	if cfg.NoGateway || t.plan.Own == nil {
		return nil
	}
	base, err := t.sessions(&cfg.Broker)
	if err != nil {
		return err
	}
	t.session, err = t.own.Session(cfg.Gateway, base)
	return err
}

// reserved maps the client ids that are not for every board.
func reserved(cfg *config.Config) map[string]string {
	ids := make(map[string]string)
	if !cfg.NoGateway {
		ids[cfg.Gateway] = ""
	}
	for i := range cfg.Devices {
		if id := cfg.Devices[i].ClientID; id != "" {
			ids[id] = cfg.Devices[i].Name
		}
	}
	return ids
}

func (t *transition) prepareDevice(c *config.Device, action change.Action) error {
	running := t.before.device(c.Name)
	if action == change.Keep {
		t.after.devices = append(t.after.devices, running)
		return nil
	}
	session, err := t.sessions(&c.Broker)
	if err != nil {
		return fmt.Errorf("daemon: device %s: %w", c.Name, err)
	}
	global := t.after.cfg
	cfg := devices.Config{
		Name: c.Name, Port: c.Port, ClientID: c.ClientID, Topics: c.Topics,
		Access:   gateway.Access{Publish: filters(c.Allow.Publish), Subscribe: filters(c.Allow.Subscribe)},
		Limits:   gateway.Limits{MessagesPerSecond: float64(c.Limits.MessagesPerSecond), MaxPayload: c.Limits.MaxPayload},
		RxBuffer: c.RxBuffer, MaxFrame: c.MaxFrame, Session: session, Outbox: outboxOf(&global.Outbox, c.Name),
		ConsoleLog: !c.Console.NoLog, ConsoleTopic: c.Console.Topic, ShowPayloads: global.HTTP.ShowPayloads,
	}
	if action == change.Adjust {
		t.adjusted[running] = cfg
	} else {
		running = t.supervise(cfg)
	}
	t.after.devices = append(t.after.devices, running)
	return nil
}

// supervise returns the task of a device.
func (d *Daemon) supervise(cfg devices.Config) *supervised {
	s := &supervised{name: cfg.Name, log: d.log, watchdog: d.watchdog, metrics: d.metrics, ready: make(chan struct{})}
	s.cfg.Store(&cfg)
	s.build = func(cfg devices.Config, beat func()) *devices.Device {
		return devices.New(cfg, devices.Shared{
			Opener: d.opener, Watcher: &d.watcher.Watcher, Clients: d.clients, Own: d.own, Metrics: d.metrics, Log: d.log, Beat: beat,
		})
	}
	return s
}

// outboxOf says where the device of that name keeps messages.
func outboxOf(o *config.Outbox, name string) devices.Outbox {
	return devices.Outbox{
		Dir: o.Of(name), MaxBytes: o.MaxBytes, DropOldest: o.WhenFull == config.DropOldest,
		SpillAfter: o.SpillAfter, RunWithout: o.IfUnusable == config.RunWithout,
	}
}

// filters keeps nil, which allows everything, apart from empty, which allows nothing.
func filters(list []string) [][]byte {
	if list == nil {
		return nil
	}
	out := make([][]byte, 0, len(list))
	for _, f := range list {
		out = append(out, []byte(f))
	}
	return out
}

func (t *transition) prepareHTTP() (err error) {
	h := &t.after.cfg.HTTP
	switch {
	case t.plan.HTTP == nil:
	case h.Off:
		t.after.http = nil
	default:
		t.after.http, err = web.New(web.Config{
			Listen: h.Listen, WebConfigFile: h.WebConfigFile, ShowPayloads: h.ShowPayloads,
			Metrics: t.scrape, Gateway: (*page)(t.Daemon), Log: t.log,
		})
	}
	return err
}

// sessions returns what all sessions with b have in common. Those with the same
// broker and the same files share a Dialer, if they were made together.
func (t *transition) sessions(b *config.Broker) (mqttcore.Config, error) {
	cfg := b.Session()
	if b.URL == config.Embedded {
		cfg.Dial = t.after.broker.Dial
		return cfg, nil
	}
	key := fmt.Sprintf("%q %+q", b.URL, b.TLS)
	dialer := t.dialers[key]
	if dialer == nil {
		var err error
		if dialer, err = b.Dialer(); err != nil {
			return mqttcore.Config{}, err
		}
		t.dialers[key] = dialer
	}
	cfg.Dial = dialer.Dial
	return cfg, nil
}

// watcherTask makes a task of the port watcher, which is ready at once.
type watcherTask struct {
	port.Watcher
	ready chan struct{}
}

// Run watches until ctx is done.
func (w *watcherTask) Run(ctx context.Context) error {
	close(w.ready)
	return w.Watcher.Run(ctx)
}

// Ready is closed when Run has begun.
func (w *watcherTask) Ready() <-chan struct{} { return w.ready }

// String names the task.
func (w *watcherTask) String() string { return "port watcher" }
