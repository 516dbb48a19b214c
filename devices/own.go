package devices

import (
	"context"
	"errors"
	"log/slog"
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
type Own struct {
	name    string
	client  *mqttcore.Client
	metrics *metrics.Metrics
	log     *slog.Logger
	ready   chan struct{}

	mu     sync.Mutex
	online map[string]bool // by device
	up     bool            // the broker is connected
	token  uint64
	loose  map[uint64]loose // by token
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

// NewOwn returns the session of the gateway of that name. base has the
// connection and the credentials; names are the devices it speaks for.
func NewOwn(name string, base mqttcore.Config, names []string, m *metrics.Metrics, log *slog.Logger) (*Own, error) {
	o := &Own{name: name, metrics: m, log: log, ready: make(chan struct{}), online: make(map[string]bool, len(names)), loose: make(map[uint64]loose)}
	for _, device := range names {
		o.online[device] = false
	}
	base.ClientID, base.CleanSession = name, true
	base.Will = &mqttcore.Message{Topic: o.topic(""), Payload: []byte(offline), QoS: 1, Retain: true}
	base.OnState = o.changed
	base.OnPublished = o.published
	c, err := mqttcore.New(base)
	if err != nil {
		return nil, err
	}
	o.client = c
	return o, nil
}

func (o *Own) topic(device string) []byte {
	if device == "" {
		return []byte("umqttd/" + o.name + "/status")
	}
	return []byte("umqttd/" + o.name + "/" + device + "/status")
}

// String names the task.
func (o *Own) String() string { return "gateway's own session" }

// Ready is closed when Run has begun: nothing waits for the broker.
func (o *Own) Ready() <-chan struct{} { return o.ready }

// Run keeps the session up until ctx is done, and then says goodbye.
func (o *Own) Run(ctx context.Context) error {
	close(o.ready)
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var farewell sync.WaitGroup
	farewell.Go(func() {
		select {
		case <-ctx.Done():
			o.farewell(inner)
			cancel()
		case <-inner.Done():
		}
	})
	err := o.client.Run(inner)
	cancel()
	farewell.Wait()
	o.client.Close()
	return err
}

// farewell says that everything is offline, and disconnects.
func (o *Own) farewell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	o.mu.Lock()
	up := o.up
	for device, on := range o.online {
		if on {
			o.online[device] = false
			o.say(device, false)
		}
	}
	o.mu.Unlock()
	if up {
		// An error means that the broker is gone: it will say so itself.
		_ = o.client.Publish(ctx, mqttcore.Message{Topic: o.topic(""), Payload: []byte(offline), QoS: 1, Retain: true})
	}
	_ = o.client.Disconnect(ctx)
}

// changed says everything anew when the broker has come back.
func (o *Own) changed(st mqttcore.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.up
	o.up = st.Kind == mqttcore.Connected
	if !o.up {
		o.metrics.GatewayConnected.Set(0)
		if st.Err != nil && (was || st.Attempt == 1) {
			o.log.Warn("gateway's own session is down, boards are not affected", "err", st.Err)
		}
		return
	}
	o.log.Info("gateway's own session is up", "client", o.name)
	o.metrics.GatewayConnected.Set(1)
	o.send(o.topic(""), online)
	for device, on := range o.online {
		o.say(device, on)
	}
}

// say publishes the status of one device. Call it with the lock held.
func (o *Own) say(device string, on bool) {
	state := offline
	if on {
		state = online
	}
	o.send(o.topic(device), state)
}

func (o *Own) send(topic []byte, state string) {
	if !o.up {
		return // said when the broker is back
	}
	err := o.client.PublishAsync(mqttcore.Message{Topic: topic, Payload: []byte(state), QoS: 1, Retain: true}, 0)
	if err != nil {
		o.log.Debug("status not published", "topic", string(topic), "err", err)
	}
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
	return o.client.PublishAsync(mqttcore.Message{Topic: topic, Payload: payload}, 0)
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
	o.token++
	if err := o.client.PublishAsync(mqttcore.Message{Topic: c.Topic, Payload: c.Payload, Retain: c.Retain}, o.token); err != nil {
		device.Dropped[metrics.DropBrokerOffline].Inc()
		return
	}
	o.loose[o.token] = loose{device, c.Received}
}

// published counts what publishFor sent.
func (o *Own) published(c mqttcore.Completion) {
	o.mu.Lock()
	defer o.mu.Unlock()
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
