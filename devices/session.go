package devices

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/turn"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
)

const (
	// goodbyeTimeout bounds an orderly end of an MQTT session.
	goodbyeTimeout = 2 * time.Second
	// inboundSlots is how many messages of one board may wait between its MQTT
	// session and the board. More stay with the broker.
	inboundSlots = 64
	// inboxLen is how many more its MQTT session keeps, such as the retained
	// messages that a wildcard subscription brings at once. Beyond it QoS 0 is
	// dropped and counted, QoS 1 stays with the broker.
	inboxLen = 1000
	// maxQueued is how many messages a session takes on unless it is told otherwise.
	maxQueued = 1000
)

// session is the MQTT session of one node: a client, and the goroutine that
// runs it while its turn has come. It belongs to the loop of its device, but
// for what is said otherwise.
type session struct {
	device   *Device
	node     gateway.NodeID
	clientID string
	client   *mqttcore.Client // nil before it is opened for the first time

	turn *turn.Turn

	online    bool               // the broker is connected
	wasOnline bool               // it was, in this Run
	ctx       context.Context    // of this Run; set before it starts
	cancel    context.CancelFunc // of ctx

	dropped uint64 // InboxDropped as last counted

	slots chan struct{} // taken by the client's goroutine, freed by the loop
}

// openSession starts the MQTT session of a node, or restarts it with another
// will or another CleanSession.
func (d *Device) openSession(c gateway.Command) {
	s := d.sessions[c.Node]
	if s == nil {
		s = &session{device: d, node: c.Node, clientID: c.ClientID, slots: make(chan struct{}, inboundSlots)}
		s.turn = d.turns.Add(c.ClientID, s)
		d.sessions[c.Node] = s
	}
	s.turn.Open(c)
}

// Start runs the client. It may post events as soon as it is told something, so
// that is done aside: the loop must not wait for itself.
func (s *session) Start(c gateway.Command) bool {
	d := s.device
	if s.client == nil {
		client, err := mqttcore.New(s.config(c))
		if err != nil {
			s.invalid(err)
			return false
		}
		s.client = client
	}
	s.wasOnline = false
	s.ctx, s.cancel = context.WithCancel(d.inner)
	d.work.Go(func() {
		err := s.client.Reconfigure(mqttcore.Session{
			ClientID: c.ClientID, CleanSession: c.Clean, KeepAlive: d.cfg.Session.KeepAlive, Will: will(c.Will),
		})
		if err == nil {
			err = s.client.Run(s.ctx)
		} else {
			err = &invalidSession{err}
		}
		d.post(event{kind: sessionEnded, session: s, err: err})
	})
	return true
}

func (s *session) config(c gateway.Command) mqttcore.Config {
	cfg := s.device.cfg.Session
	cfg.ClientID, cfg.CleanSession, cfg.Will = c.ClientID, c.Clean, will(c.Will)
	cfg.ManualAck = true
	cfg.MaxInbox = inboxLen
	for filter, qos := range c.Filters {
		cfg.Subscriptions = append(cfg.Subscriptions, mqttcore.Subscription{Filter: []byte(filter), QoS: qos})
	}
	if window := 2 * cfg.MaxInflight; window > maxQueued { // what is loaded from the outbox at once
		cfg.MaxQueued = window
		cfg.MaxQueuedBytes = math.MaxInt32
	}
	cfg.OnState = s.onState
	cfg.OnPublished = s.onPublished
	cfg.OnSubscribed = s.onSubscribed
	cfg.OnMessage = s.onMessage
	return cfg
}

// invalidSession is why a session cannot be run at all.
type invalidSession struct{ err error }

func (e *invalidSession) Error() string { return e.err.Error() }

// invalid refuses a session. The configuration was checked; what is left is a
// client id or a will that MQTT does not allow.
func (s *session) invalid(err error) {
	s.device.log.Warn("board's session cannot be opened", "client", s.clientID, "err", err)
	s.device.gw.SessionRefused(s.device.now(), s.node, identifierRejected)
}

// identifierRejected is a return code of MQTT 3.1.1 section 3.2.2.3.
const identifierRejected = 2

func will(w *gateway.Will) *mqttcore.Message {
	if w == nil {
		return nil
	}
	return &mqttcore.Message{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
}

// Stop makes Run return: orderly, with DISCONNECT, or by cutting the connection.
func (s *session) Stop(orderly bool) {
	s.setOnline(false)
	if !orderly {
		s.cancel()
		return
	}
	ctx, cancel := s.ctx, s.cancel
	s.device.work.Go(func() {
		// An error means that the broker is away: then there is no will to keep
		// from going out, or nothing to be done about it.
		goodbye, done := context.WithTimeout(ctx, goodbyeTimeout)
		defer done()
		_ = s.client.Disconnect(goodbye)
		cancel()
	})
}

// ended deals with the return of Run.
func (s *session) ended(err error) {
	d := s.device
	s.countDropped()
	s.setOnline(false)
	s.cancel()
	var invalid *invalidSession
	switch {
	case errors.As(err, &invalid) && !s.turn.Wanted() && !s.turn.Forgotten():
		s.invalid(err)
	case err != nil && !errors.Is(err, context.Canceled):
		d.log.Warn("board's session ended", "client", s.clientID, "err", err)
	}
	s.turn.Ended()
}

// Dispose releases the session. What its client has to say about the messages it
// still has, it says aside, to nobody.
func (s *session) Dispose() {
	delete(s.device.sessions, s.node)
	if s.client != nil {
		s.device.work.Go(s.client.Close)
	}
}

func (s *session) setOnline(online bool) {
	if s.online == online {
		return
	}
	s.online = online
	if online {
		s.device.online++
	} else {
		s.device.online--
	}
	s.device.met.BrokerConnected.Set(float64(s.device.online))
}

// countDropped counts the QoS 0 messages that came faster than the board took them.
func (s *session) countDropped() {
	if s.client == nil {
		return
	}
	n := s.client.Stats().InboxDropped
	s.device.met.Dropped[metrics.DropDownlinkFull].Add(float64(n - s.dropped))
	s.dropped = n
}

// changed deals with a change of the connection to the broker.
func (s *session) changed(at time.Time, st *mqttcore.State) {
	d := s.device
	now := d.now()
	if !s.turn.Live() {
		return
	}
	switch st.Kind {
	case mqttcore.Connected:
		if s.wasOnline {
			d.met.Reconnects[metrics.SideBroker].Inc()
		}
		s.wasOnline = true
		s.setOnline(true)
		d.said.over(aboutBroker)
		d.log.Info("broker connected", "client", s.clientID, "session_present", st.SessionPresent)
		d.gw.SessionUp(now, s.node, st.SessionPresent)
	case mqttcore.Refused:
		d.logBroker(s, st)
		d.gw.SessionRefused(now, s.node, byte(st.Code))
	default:
		d.logBroker(s, st)
		s.setOnline(false)
		d.gw.SessionDown(now, s.node, at, st.ByPeer)
	}
}

// The hooks run on the client's goroutines. They hand on what they are told,
// and wait only if the loop is behind.

func (s *session) onState(st mqttcore.State) {
	s.device.post(event{kind: sessionState, session: s, state: &st, at: time.Now()})
}

func (s *session) onPublished(c mqttcore.Completion) {
	s.device.post(event{kind: published, session: s, completion: c})
}

func (s *session) onSubscribed(c mqttcore.SubCompletion) {
	s.device.post(event{kind: subscribed, session: s, subCompletion: c})
}

func (s *session) onMessage(m mqttcore.Delivery) {
	select {
	case s.slots <- struct{}{}:
	case <-s.ctx.Done():
		return
	}
	in := s.device.gw.NewInbound()
	in.Set(m.Topic, m.Payload)
	in.QoS, in.Retain, in.Dup, in.Delivery, in.Received = m.QoS, m.Retain, m.Dup, m.ID, m.Received
	s.device.post(event{kind: delivered, session: s, inbound: in})
}
