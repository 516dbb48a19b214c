package daemon

import (
	"context"
	"fmt"
	"net"

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
		metrics: metrics.New(metrics.Build{Version: opts.Version, Revision: opts.Revision}),
	}
	d.metrics.ConfigReloadSuccessful.Set(1)
	d.metrics.ConfigReloadTimestamp.SetToCurrentTime()
	watchdog, err := notify.NewWatchdog(d.log)
	if err != nil {
		return nil, err
	}
	if err := d.wireBroker(); err != nil {
		return nil, err
	}
	watcher := &watcherTask{ready: make(chan struct{})}
	certs := newCertificates(d.log)
	d.infra = append(d.infra, watcher, watchdog, certs)
	dialers := &dialers{broker: d.broker, known: make(map[string]*mqttcore.Dialer)}
	if err := d.wireOwn(dialers); err != nil {
		return nil, err
	}
	shared := devices.Shared{
		Opener: d.opener, Watcher: &watcher.Watcher, Own: d.own, Metrics: d.metrics, Log: d.log,
		Clients: devices.NewClients(cfg.MaxNodes, d.reserved()),
	}
	for i := range cfg.Devices {
		if err := d.wireDevice(&cfg.Devices[i], dialers, shared, watchdog, certs); err != nil {
			return nil, err
		}
	}
	d.wireMonitor()
	return d, d.wireHTTP()
}

func (d *Daemon) wireBroker() (err error) {
	needed := d.cfg.Broker.URL == config.Embedded
	for i := range d.cfg.Devices {
		needed = needed || d.cfg.Devices[i].Broker.URL == config.Embedded
	}
	if !needed {
		return nil
	}
	d.broker, err = embedded.New(embedded.Config{
		Listen: d.cfg.EmbeddedBroker.Listen, PasswordFile: d.cfg.EmbeddedBroker.PasswordFile, Log: d.log,
	})
	if err == nil {
		d.infra = append(d.infra, d.broker)
	}
	return err
}

func (d *Daemon) wireOwn(dialers *dialers) error {
	if d.cfg.NoGateway {
		return nil
	}
	base, _, err := dialers.session(&d.cfg.Broker)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(d.cfg.Devices))
	for i := range d.cfg.Devices {
		names = append(names, d.cfg.Devices[i].Name)
	}
	d.own, err = devices.NewOwn(d.cfg.Gateway, base, names, d.metrics, d.log)
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

func (d *Daemon) wireDevice(c *config.Device, dialers *dialers, shared devices.Shared, watchdog *notify.Watchdog, certs *certificates) error {
	session, dialer, err := dialers.session(&c.Broker)
	if err != nil {
		return fmt.Errorf("daemon: device %s: %w", c.Name, err)
	}
	certs.add(c.Name, d.metrics.Device(c.Name), dialer)
	cfg := devices.Config{
		Name: c.Name, Port: c.Port, ClientID: c.ClientID, Topics: c.Topics,
		Access:   gateway.Access{Publish: filters(c.Allow.Publish), Subscribe: filters(c.Allow.Subscribe)},
		Limits:   gateway.Limits{MessagesPerSecond: float64(c.Limits.MessagesPerSecond), MaxPayload: c.Limits.MaxPayload},
		RxBuffer: c.RxBuffer, MaxFrame: c.MaxFrame, Session: session,
		ConsoleLog: !c.Console.NoLog, ConsoleTopic: c.Console.Topic, ShowPayloads: d.cfg.HTTP.ShowPayloads,
	}
	beat := watchdog.Loop("device " + c.Name)
	shared.Beat = beat.Tick
	d.devices = append(d.devices, supervise(c.Name, d.log, func() *devices.Device { return devices.New(cfg, shared) }))
	return nil
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

// dialers makes sessions' configurations. Devices with the same broker and the
// same files share a Dialer.
type dialers struct {
	broker *embedded.Broker
	known  map[string]*mqttcore.Dialer
}

// session returns what all sessions with b have in common, and the dialer,
// which is nil for the embedded broker.
func (d *dialers) session(b *config.Broker) (mqttcore.Config, *mqttcore.Dialer, error) {
	cfg := b.Session()
	if b.URL == config.Embedded {
		cfg.Dial = func(ctx context.Context) (net.Conn, error) { return d.broker.Dial(ctx) }
		return cfg, nil, nil
	}
	key := fmt.Sprintf("%q %+q", b.URL, b.TLS)
	dialer := d.known[key]
	if dialer == nil {
		var err error
		if dialer, err = b.Dialer(); err != nil {
			return mqttcore.Config{}, nil, err
		}
		d.known[key] = dialer
	}
	cfg.Dial = dialer.Dial
	return cfg, dialer, nil
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
