package daemon

import (
	"context"
	"fmt"

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

// New wires a gateway up. Nothing runs and nothing is opened before Run, but
// the files that the configuration names are read.
func New(cfg *config.Config, opts Options) (*Daemon, error) {
	d := &Daemon{
		cfg: cfg, opts: opts, log: opts.Log, ready: make(chan struct{}), opener: new(port.Opener),
		certificates: newCertificates(opts.Log), metrics: metrics.New(metrics.Build{Version: opts.Version, Revision: opts.Revision}),
	}
	d.metrics.ConfigReloadSuccessful.Set(1)
	d.metrics.ConfigReloadTimestamp.SetToCurrentTime()
	watchdog, err := notify.NewWatchdog(d.log)
	if err != nil {
		return nil, err
	}
	d.statusEvery = statusEvery
	if watchdog.Interval() > 0 {
		d.statusEvery = min(statusEvery, watchdog.Interval())
	}
	watcher := &watcherTask{ready: make(chan struct{})}
	w := wiring{
		Daemon: d, watchdog: watchdog,
		dialers: make(map[string]*mqttcore.Dialer),
		shared: devices.Shared{
			Opener: d.opener, Watcher: &watcher.Watcher, Metrics: d.metrics, Log: d.log,
			Clients: devices.NewClients(cfg.MaxNodes, d.reserved()),
		},
	}
	d.infra = append(d.infra, watcher, watchdog, d.certificates)
	if err := w.wire(); err != nil {
		return nil, err
	}
	return d, nil
}

// wiring is what is needed only while a Daemon is wired up.
type wiring struct {
	*Daemon
	watchdog *notify.Watchdog
	dialers  map[string]*mqttcore.Dialer // by URL and TLS files
	shared   devices.Shared
}

func (w *wiring) wire() error {
	if err := w.wireBroker(); err != nil {
		return err
	}
	if err := w.wireOwn(); err != nil {
		return err
	}
	w.shared.Own = w.own
	for i := range w.cfg.Devices {
		if err := w.wireDevice(&w.cfg.Devices[i]); err != nil {
			return err
		}
	}
	w.wireMonitor()
	return w.wireHTTP()
}

func (w *wiring) wireBroker() (err error) {
	needed := w.cfg.Broker.URL == config.Embedded
	for i := range w.cfg.Devices {
		needed = needed || w.cfg.Devices[i].Broker.URL == config.Embedded
	}
	if !needed {
		return nil
	}
	w.broker, err = embedded.New(embedded.Config{
		Listen: w.cfg.EmbeddedBroker.Listen, PasswordFile: w.cfg.EmbeddedBroker.PasswordFile, Log: w.log,
	})
	if err == nil {
		w.infra = append(w.infra, w.broker)
	}
	return err
}

func (w *wiring) wireOwn() error {
	if w.cfg.NoGateway {
		return nil
	}
	base, err := w.session(&w.cfg.Broker)
	if err != nil {
		return err
	}
	w.certificates.add("the gateway's own session", nil, &w.cfg.Broker)
	names := make([]string, 0, len(w.cfg.Devices))
	for i := range w.cfg.Devices {
		names = append(names, w.cfg.Devices[i].Name)
	}
	w.own, err = devices.NewOwn(w.cfg.Gateway, base, names, w.metrics, w.log)
	return err
}

// reserved maps the client ids that are not for every board.
func (d *Daemon) reserved() map[string]string {
	ids := make(map[string]string)
	if !d.cfg.NoGateway {
		ids[d.cfg.Gateway] = ""
	}
	for i := range d.cfg.Devices {
		if id := d.cfg.Devices[i].ClientID; id != "" {
			ids[id] = d.cfg.Devices[i].Name
		}
	}
	return ids
}

func (w *wiring) wireDevice(c *config.Device) error {
	session, err := w.session(&c.Broker)
	if err != nil {
		return fmt.Errorf("daemon: device %s: %w", c.Name, err)
	}
	w.certificates.add(c.Name, w.metrics.Device(c.Name), &c.Broker)
	cfg := devices.Config{
		Name: c.Name, Port: c.Port, ClientID: c.ClientID, Topics: c.Topics,
		Access:   gateway.Access{Publish: filters(c.Allow.Publish), Subscribe: filters(c.Allow.Subscribe)},
		Limits:   gateway.Limits{MessagesPerSecond: float64(c.Limits.MessagesPerSecond), MaxPayload: c.Limits.MaxPayload},
		RxBuffer: c.RxBuffer, MaxFrame: c.MaxFrame, Session: session, Outbox: w.outbox(c.Name),
		ConsoleLog: !c.Console.NoLog, ConsoleTopic: c.Console.Topic, ShowPayloads: w.cfg.HTTP.ShowPayloads,
	}
	shared := w.shared
	shared.Beat = w.watchdog.Loop("device " + c.Name).Tick
	w.devices = append(w.devices, supervise(c.Name, w.log, func() *devices.Device { return devices.New(cfg, shared) }))
	return nil
}

// outbox says where the device of that name keeps messages.
func (w *wiring) outbox(name string) devices.Outbox {
	o := &w.cfg.Outbox
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

func (d *Daemon) wireHTTP() (err error) {
	if d.cfg.HTTP.Off {
		return nil
	}
	d.http, err = web.New(web.Config{
		Listen: d.cfg.HTTP.Listen, WebConfigFile: d.cfg.HTTP.WebConfigFile, ShowPayloads: d.cfg.HTTP.ShowPayloads,
		Metrics: d.metrics.Handler(d.log), Gateway: (*page)(d), Log: d.log,
	})
	if err == nil {
		d.infra = append(d.infra, d.http)
	}
	return err
}

// session returns what all sessions with b have in common. Those with the same
// broker and the same files share a Dialer.
func (w *wiring) session(b *config.Broker) (mqttcore.Config, error) {
	cfg := b.Session()
	if b.URL == config.Embedded {
		cfg.Dial = w.broker.Dial
		return cfg, nil
	}
	key := fmt.Sprintf("%q %+q", b.URL, b.TLS)
	dialer := w.dialers[key]
	if dialer == nil {
		var err error
		if dialer, err = b.Dialer(); err != nil {
			return mqttcore.Config{}, err
		}
		w.dialers[key] = dialer
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
