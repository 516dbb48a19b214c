package devices

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
)

// Own is the gateway's own MQTT session: it says which boards are online, and
// publishes what boards send with QoS -1. Nothing depends on it: while it fails
// boards go on.
//
//	umqttd/<gateway>/status            online | offline (will), retained
//	umqttd/<gateway>/<device>/status   online | offline, retained
//
// Console text goes to the topic that its device's configuration names.
//
// The session can be replaced by another, or by none, while everything else runs. The
// old one says goodbye before the new one connects.
type Own struct {
	metrics *metrics.Metrics
	log     *slog.Logger
	ready   chan struct{}

	mu      sync.Mutex
	session *OwnSession     // that is wanted; nil: none
	changed chan struct{}   // closed when it is replaced
	online  map[string]bool // by device
	gone    map[string]bool // devices whose status is to be removed from the broker
	token   uint64
	loose   map[uint64]loose // by token

	announced *Announcements
	withdrawn map[string]bool // topics of what is announced no more, until the broker is told
	unsettled map[uint64]bool // tokens of announcements that the broker has not acknowledged
}

// OwnSession is one MQTT session for an Own to use.
type OwnSession struct {
	name   string // of the gateway
	client *mqttcore.Client
	up     bool // the broker is connected; guarded by Own.mu

	base  mqttcore.Config
	looks looks // for announcements; guarded by Own.mu
}

// loose is a message that a board sent with QoS -1, on its way to the broker.
type loose struct {
	device   *metrics.Device
	received time.Time
}

const (
	online  = "online"
	offline = "offline"
)

var errNoOwn = errors.New("devices: the gateway has no session of its own")

// NewOwn returns the session of the gateway of that name; without a name, it has none
// until Use. base has the connection and the credentials; names are the devices it
// speaks for.
func NewOwn(name string, base mqttcore.Config, names []string, m *metrics.Metrics, log *slog.Logger) (*Own, error) {
	o := &Own{
		metrics: m, log: log, ready: make(chan struct{}), changed: make(chan struct{}),
		online: make(map[string]bool, len(names)), gone: make(map[string]bool), loose: make(map[uint64]loose),
		withdrawn: make(map[string]bool), unsettled: make(map[uint64]bool),
	}
	o.SpeakFor(names)
	if name == "" {
		return o, nil
	}
	s, err := o.Session(name, base)
	if err != nil {
		return nil, err
	}
	o.session = s
	return o, nil
}

// Session prepares a session of the gateway under that name. Nothing uses it before Use.
func (o *Own) Session(name string, base mqttcore.Config) (*OwnSession, error) {
	s := &OwnSession{name: name, base: base, looks: looks{asked: make(map[string]bool)}}
	base.ClientID, base.CleanSession = name, true
	base.Will = &mqttcore.Message{Topic: s.topic(""), Payload: []byte(offline), QoS: 1, Retain: true}
	base.OnState = func(st mqttcore.State) { o.stateChanged(s, st) }
	base.OnPublished = o.published
	base.OnMessage = func(m mqttcore.Delivery) { o.heard(s, m) }
	base.OnSubscribed = func(c mqttcore.SubCompletion) { o.listened(s, c) }
	c, err := mqttcore.New(base)
	if err != nil {
		return nil, err
	}
	s.client = c
	return s, nil
}

// Use replaces the session by another; nil is none.
func (o *Own) Use(s *OwnSession) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.use(s)
}

func (o *Own) use(s *OwnSession) {
	o.session = s
	close(o.changed)
	o.changed = make(chan struct{})
}

// SpeakFor replaces the devices that the gateway speaks for. The status of one that is
// not among them any more is removed from the broker.
func (o *Own) SpeakFor(names []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for device := range o.online {
		if !slices.Contains(names, device) {
			delete(o.online, device)
			o.gone[device] = true
		}
	}
	o.remove()
	for _, device := range names {
		if _, known := o.online[device]; !known {
			o.online[device] = false
			delete(o.gone, device)
			o.say(device, false)
		}
	}
}

func (s *OwnSession) topic(device string) []byte {
	if device == "" {
		return []byte("umqttd/" + s.name + "/status")
	}
	return []byte("umqttd/" + s.name + "/" + device + "/status")
}

// String names the task.
func (o *Own) String() string { return "gateway's own session" }

// Ready is closed when Run has begun: nothing waits for the broker.
func (o *Own) Ready() <-chan struct{} { return o.ready }

// Run keeps the session up until ctx is done, and then says goodbye.
func (o *Own) Run(ctx context.Context) error {
	close(o.ready)
	for {
		o.mu.Lock()
		s, changed := o.session, o.changed
		o.mu.Unlock()
		var err error
		if s != nil {
			err = o.run(ctx, s, changed)
		} else {
			select {
			case <-changed:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		select {
		case <-changed:
		default: // the end, or a failure
			return err
		}
	}
}

// run keeps one session up until ctx is done or it is replaced.
func (o *Own) run(ctx context.Context, s *OwnSession, replaced <-chan struct{}) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var farewell sync.WaitGroup
	farewell.Go(func() {
		select {
		case <-ctx.Done():
		case <-replaced:
		case <-inner.Done():
			return
		}
		o.farewell(inner, s)
		cancel()
	})
	err := s.client.Run(inner)
	cancel()
	farewell.Wait()
	s.client.Close()
	o.metrics.GatewayConnected.Set(0)
	return err
}

// farewell says that everything is offline, and disconnects. Without a connection
// nothing of it is said: the will has been.
func (o *Own) farewell(ctx context.Context, s *OwnSession) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	o.mu.Lock()
	for device, on := range o.online {
		if on {
			_ = s.client.PublishAsync(s.status(device, offline), 0)
		}
	}
	up := s.up
	o.mu.Unlock()
	if up {
		// An error means that the broker is gone: it will say so itself.
		_ = s.client.Publish(ctx, s.status("", offline))
	}
	_ = s.client.Disconnect(ctx)
}

// stateChanged says everything anew when the broker has come back.
func (o *Own) stateChanged(s *OwnSession, st mqttcore.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := s.up
	up := st.Kind == mqttcore.Connected
	s.up = up
	if !up {
		o.metrics.GatewayConnected.Set(0)
		if was {
			o.unanswered(s)
		}
		if st.Err != nil && (was || st.Attempt == 1) {
			o.log.Warn("gateway's own session is down, boards are not affected", "err", st.Err)
		}
		return
	}
	o.log.Info("gateway's own session is up", "client", s.name)
	o.metrics.GatewayConnected.Set(1)
	if o.session != s {
		return // it is about to end
	}
	o.send("", online)
	for device, on := range o.online {
		o.say(device, on)
	}
	o.remove()
	o.withdraw()
	o.announce(nil)
	o.listen(s)
}

// say publishes the status of one device. Call it with the lock held.
func (o *Own) say(device string, on bool) {
	state := offline
	if on {
		state = online
	}
	o.send(device, state)
}

func (o *Own) send(device, state string) {
	if !o.connected() {
		return // said when the broker is back
	}
	if err := o.session.client.PublishAsync(o.session.status(device, state), 0); err != nil {
		o.log.Debug("status not published", "of", device, "err", err)
	}
}

// remove takes back what stands retained at the broker for devices that are gone. Call
// it with the lock held.
func (o *Own) remove() {
	if !o.connected() {
		return
	}
	for device := range o.gone {
		// "A PUBLISH Packet with a RETAIN flag set to 1 and a payload containing zero
		// bytes" removes a retained message [MQTT-3.3.1-10].
		o.send(device, "")
	}
	clear(o.gone)
}

// connected reports whether there is a session and it is up. Call it with the lock held.
func (o *Own) connected() bool { return o.session != nil && o.session.up }

// status is the message that says how the gateway, or a device, is.
func (s *OwnSession) status(device, state string) mqttcore.Message {
	return mqttcore.Message{Topic: s.topic(device), Payload: []byte(state), QoS: 1, Retain: true}
}

// setDevice notes and says whether a device has a board online. A nil Own has nothing to say.
func (o *Own) setDevice(device string, on bool) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.online[device] == on {
		return
	}
	o.online[device] = on
	o.say(device, on)
}

// publish sends a line that a board printed, at most once.
func (o *Own) publish(topic, payload []byte) error {
	if o == nil {
		return errNoOwn
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session == nil {
		return errNoOwn
	}
	return o.session.client.PublishAsync(mqttcore.Message{Topic: topic, Payload: payload}, 0)
}

// publishFor sends what a board of device sent with QoS -1, at most once, and
// counts it for that device.
func (o *Own) publishFor(device *metrics.Device, c *gateway.Command) {
	if o == nil {
		device.Dropped[metrics.DropBrokerOffline].Inc()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session == nil {
		device.Dropped[metrics.DropBrokerOffline].Inc()
		return
	}
	o.token++
	if err := o.session.client.PublishAsync(mqttcore.Message{Topic: c.Topic, Payload: c.Payload, Retain: c.Retain}, o.token); err != nil {
		device.Dropped[metrics.DropBrokerOffline].Inc()
		return
	}
	o.loose[o.token] = loose{device, c.Received}
}

// published counts what publishFor sent.
func (o *Own) published(c mqttcore.Completion) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled(c) {
		return
	}
	l, ok := o.loose[c.Token]
	if !ok {
		return // of the gateway itself
	}
	delete(o.loose, c.Token)
	if c.Err != nil {
		l.device.Dropped[metrics.DropBrokerOffline].Inc()
		return
	}
	flow := l.device.Uplink(-1)
	flow.Messages.Inc()
	flow.Latency.Observe(time.Since(l.received).Seconds())
}
