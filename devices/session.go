package devices

import (
	"context"
	"errors"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
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
)

// session is the MQTT session of one node: a client, and the goroutine that
// runs it while the board is connected. It belongs to the loop of its device,
// but for what is said otherwise.
type session struct {
	device   *Device
	node     gateway.NodeID
	clientID string
	client   *mqttcore.Client

	running    bool
	stopping   bool             // Run has been told to return
	online     bool             // the broker is connected
	everOnline bool             // the broker was connected at least once
	next       *gateway.Command // OpenSession that waits for Run to return
	successor  *gateway.Command // OpenSession of another node with this client id
	forget     bool             // nothing more will be asked for this node
	ctx        context.Context  // of this Run; set before it starts
	cancel     context.CancelFunc

	dropped uint64 // InboxDropped as last counted

	slots chan struct{} // taken by the client's goroutine, freed by the loop
}

// openSession starts the MQTT session of a node, or restarts it with another
// will or another CleanSession.
func (d *Device) openSession(c gateway.Command) {
	s := d.sessions[c.Node]
	if s == nil {
		s = &session{device: d, node: c.Node, slots: make(chan struct{}, inboundSlots)}
		d.sessions[c.Node] = s
	}
	s.clientID = c.ClientID
	if s.running {
		s.next = &c
		s.end(true)
		return
	}
	if before := d.ending[c.ClientID]; before != nil {
		before.successor = &c // two connections with one id would end each other
		return
	}
	s.start(c)
}

func (s *session) start(c gateway.Command) {
	d := s.device
	var err error
	if s.client == nil {
		cfg := d.cfg.Session
		cfg.ClientID, cfg.CleanSession, cfg.Will = c.ClientID, c.Clean, will(c.Will)
		cfg.ManualAck = true
		cfg.MaxInbox = inboxLen
		cfg.OnState = s.onState
		cfg.OnPublished = s.onPublished
		cfg.OnSubscribed = s.onSubscribed
		cfg.OnMessage = s.onMessage
		s.client, err = mqttcore.New(cfg)
	} else {
		err = s.client.Reconfigure(mqttcore.Session{
			ClientID: c.ClientID, CleanSession: c.Clean, KeepAlive: d.cfg.Session.KeepAlive, Will: will(c.Will),
		})
	}
	if err != nil {
		// The configuration was checked; what is left is a client id or a will
		// that MQTT does not allow.
		d.log.Warn("board's session cannot be opened", "client", c.ClientID, "err", err)
		d.gw.SessionRefused(d.now(), s.node, identifierRejected)
		return
	}
	s.ctx, s.cancel = context.WithCancel(d.inner)
	s.running = true
	d.work.Go(func() {
		err := s.client.Run(s.ctx)
		d.post(event{kind: sessionEnded, session: s, err: err})
	})
}

// identifierRejected is a return code of MQTT 3.1.1 section 3.2.2.3.
const identifierRejected = 2

func will(w *gateway.Will) *mqttcore.Message {
	if w == nil {
		return nil
	}
	return &mqttcore.Message{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
}

// end makes Run return: orderly, with DISCONNECT, or by cutting the connection.
func (s *session) end(orderly bool) {
	if !s.running || (s.stopping && orderly) {
		return
	}
	s.stopping = true
	s.device.ending[s.clientID] = s
	s.setOnline(false)
	if !orderly {
		s.cancel()
		return
	}
	s.device.work.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, goodbyeTimeout)
		defer cancel()
		// An error means that the broker is away: then there is no will to keep
		// from going out, or nothing to be done about it.
		_ = s.client.Disconnect(ctx)
		s.cancel()
	})
}

// ended deals with the return of Run.
func (s *session) ended(err error) {
	d := s.device
	s.countDropped()
	s.running, s.stopping = false, false
	s.setOnline(false)
	s.cancel()
	if d.ending[s.clientID] == s {
		delete(d.ending, s.clientID)
	}
	next, successor := s.next, s.successor
	s.next, s.successor = nil, nil
	switch {
	case next != nil:
		s.start(*next)
	case s.forget:
		delete(d.sessions, s.node)
		s.client.Close()
	case err != nil && !errors.Is(err, context.Canceled):
		d.log.Warn("board's session ended", "err", err)
	}
	if successor != nil && d.sessions[successor.Node] != nil {
		d.openSession(*successor)
	}
}

// forgotten releases s when its Run, if any, has returned.
func (s *session) forgotten() {
	s.forget = true
	s.next = nil
	if !s.running {
		delete(s.device.sessions, s.node)
		if s.client != nil {
			s.client.Close()
		}
	}
}

func (s *session) setOnline(online bool) {
	if s.online == online {
		return
	}
	s.online = online
	if online {
		s.device.met.BrokerConnected.Inc()
	} else {
		s.device.met.BrokerConnected.Dec()
	}
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
	if s.stopping || !s.running {
		return
	}
	switch st.Kind {
	case mqttcore.Connected:
		if s.everOnline {
			d.met.Reconnects[metrics.SideBroker].Inc()
		}
		s.everOnline = true
		s.setOnline(true)
		d.trouble = ""
		d.log.Info("broker connected", "session_present", st.SessionPresent)
		d.gw.SessionUp(now, s.node, st.SessionPresent)
	case mqttcore.Refused:
		d.logBroker(s, st)
		d.gw.SessionRefused(now, s.node, byte(st.Code))
	default:
		d.logBroker(s, st)
		s.setOnline(false)
		d.gw.SessionDown(now, s.node, at)
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
