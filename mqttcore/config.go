package mqttcore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Config says how a [Client] behaves. Only Dial is required, and ClientID
// unless CleanSession is set.
type Config struct {
	// Dial makes a connection, e.g. [Dialer.Dial]. It is called for every
	// attempt, with a context that ends after ConnectTimeout.
	Dial func(ctx context.Context) (net.Conn, error)

	ClientID  string        // UTF-8; empty lets the broker choose, with CleanSession only
	KeepAlive time.Duration // whole seconds, rounded up, at most 65,535 s; 0 is 30 s, negative is off
	Will      *Message      // published by the broker if the connection ends without Disconnect; nil is none

	Username string // empty is none
	// Password is called for every attempt, so that it may come from a file
	// that changes. Nil is none. It needs a Username. An error fails the
	// attempt.
	Password func() ([]byte, error)

	// Subscriptions are what the broker's session is known to hold from an
	// earlier process. They are made again with the first connection, since
	// that process may have died before it could, and then like those that this
	// client made: left alone as long as the broker has the session. Nil is none.
	Subscriptions []Subscription

	CleanSession bool // false: the broker keeps the session while we are away
	// SessionLost says what happens to messages that were sent, but not
	// acknowledged, when the broker comes back without the session.
	SessionLost SessionLostPolicy

	// ManualAck: a QoS 1 message is acknowledged when the application calls
	// [Client.Ack], not when the handler returns.
	ManualAck bool

	MaxInflight    int // QoS 1 messages sent and not acknowledged; 0 is 20, at most 65,535
	MaxQueued      int // messages, or else subscriptions, accepted and not completed, those in flight included; 0 is 1,000
	MaxQueuedBytes int // topics and payloads of these messages; 0 is 16 MiB
	MaxPacket      int // longest packet taken from the broker, in bytes; 0 is 1 MiB, at most 256 MiB
	MaxInbox       int // messages received that no handler has begun; 0 is 100
	MaxInboxBytes  int // topics and payloads of these; 0 is 1 MiB

	ConnectTimeout time.Duration // for Dial, and then again for CONNACK, which gets longer after each time it did not suffice; 0 is 30 s
	WriteTimeout   time.Duration // for the socket to take anything more of what is written; 0 is 10 s
	PingTimeout    time.Duration // from PINGREQ to PINGRESP, shorter than KeepAlive; 0 is half of KeepAlive, 10 s at most

	BackoffMin time.Duration // longest delay before the first attempt to reconnect; 0 is 500 ms
	BackoffMax time.Duration // the delay doubles up to this; 0 is 60 s, or BackoffMin if that is longer

	// Rand returns a number of [0, 1), for jitter. Nil is math/rand/v2. It is
	// called from several goroutines.
	Rand func() float64

	// The hooks are called one at a time, in the order of what happened, with
	// no lock held. They must not block: the connection waits for them. They
	// may call every method of the client that does not block, and Disconnect
	// and Close. Nil ignores.

	OnState      func(State)         // the connection changed
	OnPublished  func(Completion)    // what PublishAsync accepted is done; exactly once for each
	OnSubscribed func(SubCompletion) // what SubscribeAsync or UnsubscribeAsync accepted is done

	// OnMessage takes the messages that no [Client.Handle] route matches. It
	// may block and may call every method; see [Handler].
	OnMessage Handler
}

// Handler takes a message from the broker. Handlers run one at a time, in the
// order of arrival, on a goroutine of their own: they may block, and may
// publish, subscribe and wait for the result. Topic and Payload are the
// handler's until it returns.
type Handler func(Delivery)

// Subscription is a filter and the QoS that was asked for with it, 0 or 1.
type Subscription struct {
	Filter []byte
	QoS    byte
}

// SessionLostPolicy says what happens to unacknowledged messages when the
// broker has lost the session. MQTT leaves it open: message ids of an old
// session mean nothing in a new one [MQTT-3.1.2-6].
type SessionLostPolicy byte

const (
	// Republish sends them as new messages: other ids, no DUP flag, in their
	// old order, before everything newer. A message that the broker had taken
	// is then there twice.
	Republish SessionLostPolicy = iota
	// FailLost completes them with [ErrFateUnknown] and [ErrSessionLost].
	FailLost
)

// Session is the part of [Config] that may change between two calls of Run.
type Session struct {
	ClientID     string
	CleanSession bool
	KeepAlive    time.Duration
	Will         *Message
}

const (
	defaultKeepAlive = 30 * time.Second
	maxKeepAlive     = math.MaxUint16 * time.Second
)

// withDefaults returns c with every zero replaced, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("mqttcore: "+format, args...)) }
	count := func(name string, v *int, def, max int) {
		switch {
		case *v == 0:
			*v = def
		case *v < 0 || *v > max:
			wrong("%s is %d, want 1 to %d, or 0 for %d", name, *v, max, def)
		}
	}
	period := func(name string, v *time.Duration, def time.Duration) {
		switch {
		case *v == 0:
			*v = def
		case *v < 0:
			wrong("%s is %v, want more than 0, or 0 for %v", name, *v, def)
		}
	}
	if c.Dial == nil {
		wrong("Dial is nil")
	}
	count("MaxInflight", &c.MaxInflight, 20, math.MaxUint16)
	count("MaxQueued", &c.MaxQueued, 1000, math.MaxInt)
	count("MaxQueuedBytes", &c.MaxQueuedBytes, 16<<20, math.MaxInt)
	count("MaxPacket", &c.MaxPacket, 1<<20, packet.MaxRemaining+5)
	count("MaxInbox", &c.MaxInbox, 100, math.MaxInt)
	count("MaxInboxBytes", &c.MaxInboxBytes, 1<<20, math.MaxInt)
	period("ConnectTimeout", &c.ConnectTimeout, 30*time.Second)
	period("WriteTimeout", &c.WriteTimeout, 10*time.Second)
	period("BackoffMin", &c.BackoffMin, 500*time.Millisecond)
	period("BackoffMax", &c.BackoffMax, max(time.Minute, c.BackoffMin))
	if c.BackoffMax < c.BackoffMin {
		wrong("BackoffMax is %v, less than BackoffMin, %v", c.BackoffMax, c.BackoffMin)
	}
	for i := range c.Subscriptions {
		if fault := c.Subscriptions[i].check(); fault != "" {
			wrong("Subscriptions[%d]: %s", i, fault)
		}
	}
	if c.SessionLost > FailLost {
		wrong("SessionLost is %d", c.SessionLost)
	}
	if fault := packet.CheckText([]byte(c.Username)); fault != "" {
		wrong("Username %s", fault)
	}
	if c.Password != nil && c.Username == "" {
		wrong("Password without Username") // [MQTT-3.1.2-22]
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	s, err := c.session().withDefaults()
	if err != nil {
		errs = append(errs, err)
	}
	c.setSession(s)
	if c.PingTimeout < 0 || s.KeepAlive > 0 && c.PingTimeout >= s.KeepAlive {
		wrong("PingTimeout is %v, want less than KeepAlive, %v", c.PingTimeout, s.KeepAlive)
	}
	return c, errors.Join(errs...)
}

// check says what is wrong with a subscription, or nothing.
func (s *Subscription) check() string {
	switch fault := packet.CheckFilter(s.Filter); {
	case fault != "":
		return "filter " + fault
	case s.QoS > 1:
		return fmt.Sprintf("QoS %d", s.QoS)
	}
	return ""
}

func (c *Config) session() Session {
	return Session{c.ClientID, c.CleanSession, c.KeepAlive, c.Will}
}

func (c *Config) setSession(s Session) {
	c.ClientID, c.CleanSession, c.KeepAlive, c.Will = s.ClientID, s.CleanSession, s.KeepAlive, s.Will
}

// withDefaults returns s with KeepAlive as it goes on the wire, in whole
// seconds and 0 for off, and with a will of its own.
func (s Session) withDefaults() (Session, error) {
	switch {
	case s.KeepAlive == 0:
		s.KeepAlive = defaultKeepAlive
	case s.KeepAlive < 0:
		s.KeepAlive = 0
	case s.KeepAlive > maxKeepAlive:
		return s, fmt.Errorf("mqttcore: KeepAlive is %v, want at most %v", s.KeepAlive, maxKeepAlive)
	}
	s.KeepAlive = (s.KeepAlive + time.Second - 1).Truncate(time.Second)
	if fault := packet.CheckText([]byte(s.ClientID)); fault != "" {
		return s, fmt.Errorf("mqttcore: ClientID %s", fault)
	}
	if s.ClientID == "" && !s.CleanSession {
		return s, errors.New("mqttcore: ClientID is empty without CleanSession") // [MQTT-3.1.3-7]
	}
	if s.Will != nil {
		if err := s.Will.check(); err != nil {
			return s, fmt.Errorf("mqttcore: Will: %w", err)
		}
		if len(s.Will.Payload) > math.MaxUint16 {
			return s, fmt.Errorf("mqttcore: Will: payload of %d bytes, want at most 65535", len(s.Will.Payload))
		}
		w := *s.Will
		w.Topic, w.Payload = bytes.Clone(w.Topic), bytes.Clone(w.Payload)
		s.Will = &w
	}
	return s, nil
}

// pingTimeout returns how long a PINGRESP may take. [Config.PingTimeout]
func (c *Config) pingTimeout() time.Duration {
	def := min(10*time.Second, c.KeepAlive/2)
	if c.PingTimeout == 0 || c.PingTimeout >= c.KeepAlive {
		return def
	}
	return c.PingTimeout
}
