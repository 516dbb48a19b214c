package devices

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/devices/turn"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto"
)

// Config describes one device.
type Config struct {
	Name string    // unique; the metrics label
	Port port.Spec // where it is

	ClientID string            // of its board; empty: what the board says
	Topics   map[uint16]string // predefined topic ids
	Access   gateway.Access
	Limits   gateway.Limits
	RxBuffer int // bytes the board can take unacknowledged; 0 or less: no limit
	MaxFrame int // longest message in bytes; 0: 2048

	// Session is what every MQTT session of this device has in common: Dial,
	// credentials, KeepAlive, limits and back-off. What depends on the board,
	// and the hooks, are filled in.
	Session mqttcore.Config

	Outbox Outbox // where messages wait for the broker

	ConsoleLog   bool   // console text goes to the log
	ConsoleTopic string // and to this topic, through the gateway's own session; empty: none
	ShowPayloads bool   // Status keeps the last payloads
}

// Shared is what the devices of one gateway share.
type Shared struct {
	Opener  *port.Opener
	Watcher *port.Watcher // tells when ports come and go
	Clients *Clients
	Own     *Own // the gateway's own session; nil: none
	Metrics *metrics.Metrics
	Log     *slog.Logger
	// Beat is called at every turn of the loop and at least every 5 s, for a
	// watchdog; not while the disk of the outbox hangs. Nil is allowed.
	Beat func()
}

// A Device owns one port and the boards behind it.
type Device struct {
	cfg    Config
	shared Shared
	log    *slog.Logger
	met    *metrics.Device

	// Shared with other goroutines.
	disk     *disk                  // nil: no outbox
	mayOpen  chan struct{}          // closed when the port may be opened: all is restored
	unready  atomic.Pointer[string] // see NotReady
	adjusted atomic.Pointer[Config] // see Adjust; nil: taken
	events   chan event
	ready    chan struct{} // closed when the loop runs
	done     chan struct{} // closed when it has ended
	gw       *gateway.Gateway
	work     sync.WaitGroup
	inner    context.Context // ends when the loop has said goodbye; set before any goroutine starts
	free     chan []byte     // read buffers

	// Owned by the loop.
	dec      serialproto.Decoder
	line     line
	sessions map[gateway.NodeID]*session
	turns    turn.Order
	online   int // sessions whose broker is connected
	seen     seen
	watchers map[*Watch]struct{}
	said     complaints
	outbox   outboxNews
	timer    *time.Timer
	lineErrs port.LineErrors
	nextPoll time.Time
}

const (
	eventQueue = 256             // events that may wait for the loop
	readBuffer = 4096            // bytes; a tty never gives more than 4,095 at once
	maxTurn    = 64              // events handled before bytes are written
	beatEvery  = 5 * time.Second // longest sleep of the loop
	pollEvery  = 10 * time.Second
)

// New returns a Device. It does nothing until Run.
func New(cfg Config, shared Shared) *Device {
	d := &Device{
		cfg: cfg, shared: shared,
		log:      shared.Log.With("device", cfg.Name),
		met:      shared.Metrics.Device(cfg.Name),
		events:   make(chan event, eventQueue),
		mayOpen:  make(chan struct{}),
		ready:    make(chan struct{}),
		done:     make(chan struct{}),
		free:     make(chan []byte, 4),
		sessions: make(map[gateway.NodeID]*session),
		seen:     seen{boards: make(map[gateway.NodeID]*boardSeen)},
		watchers: make(map[*Watch]struct{}),
	}
	d.dec.MaxFrame = cfg.MaxFrame
	d.gw = d.newGateway(cfg.Outbox.Dir != "")
	if cfg.Outbox.Dir == "" {
		close(d.mayOpen)
		d.met.OutboxMessages.Set(0) // the device before it, of the same name, may have had one
		d.met.OutboxBytes.Set(0)
		d.met.OutboxMaxBytes.Set(0)
	} else {
		d.disk = newDisk(d)
	}
	return d
}

func (d *Device) newGateway(outbox bool) *gateway.Gateway {
	cfg, clients := &d.cfg, d.shared.Clients
	datagram := cfg.Port.Kind() == port.KindUDP
	return gateway.New(gateway.Config{
		ClientID: cfg.ClientID, DefaultClientID: cfg.Name,
		Datagram: datagram, TakeOver: datagram && cfg.Port.Loopback(),
		RxBuffer: cfg.RxBuffer, Baud: cfg.Port.WithDefaults().Baud, MaxFrame: cfg.MaxFrame, MaxInflight: cfg.Session.MaxInflight,
		Outbox: outbox, SpillAfter: cfg.Outbox.SpillAfter,
		Predefined: cfg.Topics, Access: cfg.Access, Limits: cfg.Limits,
		Claim:   func(id string) gateway.Reason { return clients.claim(id, cfg.Name) },
		Release: func(id string) { clients.release(id) },
	})
}

// String returns the name of the device.
func (d *Device) String() string { return "device " + d.cfg.Name }

// Ready is closed when the loop runs. A port that is missing does not make a
// device unready: it is waited for.
func (d *Device) Ready() <-chan struct{} { return d.ready }

// Run owns the port and its boards until ctx is done. Then the boards are told
// to connect anew, and their MQTT sessions are cut without DISCONNECT.
func (d *Device) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.inner = inner
	defer func() { // also after a panic, when nobody has said goodbye
		stop()
		d.drain()
		close(d.done)
		d.shared.Clients.releaseAll(d.cfg.Name)
		d.shared.Own.setDevice(d.cfg.Name, false)
		d.met.Up.Set(0)
		d.met.BoardsConnected.Set(0)
		d.met.BrokerConnected.Set(0)
	}()
	d.timer = time.NewTimer(beatEvery)
	defer d.timer.Stop()
	if k := d.disk; k != nil {
		d.work.Go(func() { k.run(inner) })
	}
	d.work.Go(d.serveLink)
	close(d.ready)
	for ctx.Err() == nil {
		d.wait(ctx)
	}
	d.gw.Shutdown(d.now())
	d.settle()
	d.transmit()
	return ctx.Err()
}

// wait is one turn of the loop: take what has come, do what is due, write.
func (d *Device) wait(ctx context.Context) {
	if d.shared.Beat != nil && !d.disk.hung(d.now()) {
		d.shared.Beat()
	}
	d.timer.Reset(d.sleep())
	select {
	case <-ctx.Done():
		return
	case <-d.timer.C:
		d.adjust()
	case ev := <-d.events:
		d.adjust()
		d.handle(&ev)
		d.handleMore()
	}
	d.advance(d.now())
	d.settle()
	d.transmit()
}

// handleMore takes events that have come meanwhile, so that their bytes leave together.
func (d *Device) handleMore() {
	for range maxTurn {
		select {
		case ev := <-d.events:
			d.handle(&ev)
		default:
			return
		}
	}
}

// sleep returns how long nothing needs doing.
func (d *Device) sleep() time.Duration {
	next := d.gw.Deadline()
	if t := d.dec.Deadline(); !t.IsZero() && (next.IsZero() || t.Before(next)) {
		next = t
	}
	if next.IsZero() {
		return beatEvery
	}
	return min(max(time.Until(next), 0), beatEvery)
}

// advance does what is due at now.
func (d *Device) advance(now time.Time) {
	if t := d.dec.Deadline(); !t.IsZero() && !now.Before(t) {
		d.decode(nil, now)
	}
	if t := d.gw.Deadline(); !t.IsZero() && !now.Before(t) {
		d.gw.Advance(now)
	}
	if !now.Before(d.nextPoll) {
		d.nextPoll = now.Add(pollEvery)
		d.countLineErrors(true)
		for _, s := range d.sessions {
			s.countDropped()
		}
	}
}

// handle deals with one event.
func (d *Device) handle(ev *event) {
	switch ev.kind {
	case portOpened, portFailed, portLost, bytesWritten:
		d.transmit() // what was for the line as it was
		d.lineChanged(ev)
	case bytesRead:
		d.received(ev)
	case sessionState:
		ev.session.changed(ev.at, ev.state)
	case sessionEnded:
		ev.session.ended(ev.err)
	case published:
		d.published(ev)
	case subscribed:
		d.subscribed(ev)
	case delivered:
		d.deliver(ev)
	case statusWanted:
		ev.answer <- d.status()
	case adjustWanted:
		d.adjust()
	case watchWanted:
		d.watchers[ev.watcher] = struct{}{}
	case watchEnded:
		delete(d.watchers, ev.watcher)
	default:
		d.outboxEvent(ev)
	}
	d.settle()
}

// received gives what was read to the gateway.
func (d *Device) received(ev *event) {
	if ev.link == d.line.link {
		if ev.addr.IsValid() {
			d.met.BytesRx.Add(float64(len(ev.data)))
			d.met.FramesRx.Inc()
			d.seen.counts.FramesRx++
			d.show(ev.at, FrameIn, ev.data)
			d.gw.Receive(ev.at, ev.addr, ev.data)
			d.settle()
		} else {
			d.decode(ev.data, ev.at)
		}
	}
	select {
	case d.free <- ev.data[:cap(ev.data)]:
	default:
	}
}

// published tells the gateway what became of a board's message.
func (d *Device) published(ev *event) {
	c := &ev.completion
	result := gateway.Safe
	if c.Err != nil {
		result = gateway.Refused
	} else if c.QoS > 0 && c.Redelivered == 0 {
		d.met.BrokerRTT.Observe(c.Acked.Seconds())
		d.seen.broker.add(c.Acked)
	}
	if c.Republished {
		d.met.Republished.Inc()
	} else if c.Redelivered > 0 {
		d.met.Redelivered.Inc()
	}
	d.gw.Published(d.now(), ev.session.node, c.Token, int8(c.QoS), result)
}

func (d *Device) subscribed(ev *event) {
	c := &ev.subCompletion
	if c.Again {
		d.log.Warn("broker took a subscription back", "err", c.Err)
		return
	}
	d.gw.Subscribed(d.now(), ev.session.node, c.Token, subscribeResult(c.Err), c.Granted)
}

// deliver hands a broker's message to its board, unless it is of a session that ends.
func (d *Device) deliver(ev *event) {
	s := ev.session
	if s.turn.Leaving() {
		<-s.slots // QoS 1 comes again
		if ev.inbound.QoS == 0 {
			d.met.Dropped[metrics.DropBoardOffline].Inc()
			d.seen.counts.Dropped++
		}
		return
	}
	d.gw.Deliver(d.now(), s.node, ev.inbound)
}

// settle does what the gateway asks for and tells what it says, until there is no
// more. What it has for the port leaves when the turn ends.
func (d *Device) settle() {
	for {
		notices := d.gw.Notices()
		for i := range notices {
			d.report(&notices[i])
		}
		commands := d.gw.Commands()
		for i := range commands {
			d.execute(&commands[i])
		}
		if len(commands) == 0 && len(notices) == 0 {
			return
		}
	}
}

// execute does what the gateway asks of an MQTT session.
func (d *Device) execute(c *gateway.Command) {
	s := d.sessions[c.Node]
	switch c.Kind {
	case gateway.OpenSession:
		d.openSession(*c)
	case gateway.CloseSession, gateway.AbortSession:
		s.turn.Close(c.Kind == gateway.CloseSession)
	case gateway.ForgetSession:
		if s != nil {
			s.turn.Forget()
		}
	case gateway.PublishMessage:
		m := mqttcore.Message{Topic: c.Topic, Payload: c.Payload, QoS: byte(c.QoS), Retain: c.Retain}
		if err := s.client.PublishAsync(m, c.Token); err != nil {
			d.gw.Published(d.now(), c.Node, c.Token, c.QoS, gateway.Refused)
		}
	case gateway.PublishOwn:
		d.shared.Own.publishFor(d.met, c)
	case gateway.SubscribeFilter:
		if err := s.client.SubscribeAsync(c.Topic, byte(c.QoS), c.Token); err != nil {
			d.gw.Subscribed(d.now(), c.Node, c.Token, gateway.Unanswered, 0)
		}
	case gateway.UnsubscribeFilter:
		if err := s.client.UnsubscribeAsync(c.Topic, c.Token); err != nil {
			d.gw.Subscribed(d.now(), c.Node, c.Token, gateway.Unanswered, 0)
		}
	case gateway.ReleaseInbound:
		d.release(s, c)
	case gateway.WithdrawMessage:
		d.gw.Withdrawn(d.now(), c.Node, c.Token, s.client.Withdraw(c.Token))
	case gateway.StoreMessage, gateway.LoadMessages, gateway.SettleStored, gateway.QuarantineStored, gateway.SaveNode:
		if !d.disk.queue.put(d.now(), c) {
			d.gw.Stored(d.now(), c.Node, c.Token, 0, gateway.StoreFull)
		}
	}
}

// release frees the place of a message from the broker, and acknowledges it.
func (d *Device) release(s *session, c *gateway.Command) {
	if s == nil {
		return
	}
	if c.Accepted && c.QoS > 0 {
		s.client.Ack(c.Delivery)
	}
	select {
	case <-s.slots:
	default:
	}
}

// post hands an event to the loop. It waits while the loop is behind, and gives
// up when the loop has ended.
func (d *Device) post(ev event) {
	select {
	case d.events <- ev:
	case <-d.done:
	}
}

// drain takes the last events of what is ending, so that nobody waits for a
// loop that is gone.
func (d *Device) drain() {
	ended := make(chan struct{})
	go func() {
		d.work.Wait()
		close(ended)
	}()
	for {
		select {
		case <-d.events:
		case <-ended:
			return
		}
	}
}

func (d *Device) now() time.Time { return time.Now() }
