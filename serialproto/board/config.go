package board

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Config says what a board is. The zero value of every field but ClientID is
// its default.
type Config struct {
	// ClientID names the client, 1 byte or more. The standard allows 23 bytes;
	// brokers and gateways take more.
	ClientID string

	// CleanSession asks gateway and broker to forget everything at every
	// CONNECT. Zero: the session goes on.
	CleanSession bool

	// AskSession asks for CONNACK's extension byte, which says whether a
	// session was present. Zero: a CONNECT that any gateway understands.
	AskSession bool

	// KeepAlive is the longest silence, rounded up to whole seconds; at most
	// 65535 s. Zero: none is promised, and a dead gateway is noticed only when
	// something needs its answer.
	KeepAlive time.Duration

	// Will is published by the broker when the board is gone without a
	// DISCONNECT. Nil: no will, or with a kept session the one it has. A Will
	// without a topic deletes that one.
	Will *Will

	// Predefined has the topic names of predefined topic ids, 1 to 65534.
	Predefined map[uint16]string

	// Window is how many QoS 1 messages may be unacknowledged. Zero: 1, as the
	// standard says (MQTT-SN 1.2 section 6.6). At most 64.
	Window int

	// MaxQueue is how many messages Publish keeps until they are acknowledged.
	// Zero: 64.
	MaxQueue int

	// MaxTopics is how many topic names are known at a time. Zero: 64.
	MaxTopics int

	// MaxFrame is the longest message sent, in bytes. Zero: 2048. At most
	// 65535.
	MaxFrame int

	// Baud is the speed of the line in bit/s, so that timers start when the
	// last byte of a message has left. Zero: messages take no time.
	Baud int
}

const (
	maxWindow   = 64
	maxClientID = 65535 // what a string of MQTT can hold
)

// check returns what is wrong with c, or nil.
func (c *Config) check() error {
	switch {
	case c.ClientID == "" || len(c.ClientID) > maxClientID:
		return fmt.Errorf("board: client id of %d bytes", len(c.ClientID))
	case c.KeepAlive < 0 || c.KeepAlive > math.MaxUint16*time.Second:
		return fmt.Errorf("board: keepalive %v is not between 0 and 65535 s", c.KeepAlive)
	case c.Window < 0 || c.Window > maxWindow:
		return fmt.Errorf("board: window %d is not between 1 and %d", c.Window, maxWindow)
	case c.MaxQueue < 0 || c.MaxTopics < 0 || c.Baud < 0:
		return errors.New("board: negative limit or speed")
	case c.MaxFrame < 0 || c.MaxFrame > serialproto.MaxFrame:
		return fmt.Errorf("board: longest frame %d is not between 1 and %d", c.MaxFrame, serialproto.MaxFrame)
	}
	if c.Will != nil {
		if err := c.Will.check(); err != nil {
			return fmt.Errorf("board: will of %q, QoS %d: %w", c.Will.Topic, c.Will.QoS, err)
		}
	}
	for id, name := range c.Predefined {
		if !assignable(id) || !validTopic(name) {
			return fmt.Errorf("board: predefined topic id %d for %q", id, name)
		}
	}
	return nil
}

// setDefaults replaces zeros.
func (c *Config) setDefaults() {
	setDefault(&c.Window, 1)
	setDefault(&c.MaxQueue, 64)
	setDefault(&c.MaxTopics, 64)
	setDefault(&c.MaxFrame, serialproto.DefaultMaxFrame)
}

func setDefault(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

// duration is the Duration field of CONNECT.
func (c *Config) duration() uint16 {
	return uint16((c.KeepAlive + time.Second - 1) / time.Second)
}

// wireTime is how long a message of n bytes occupies the line: a start bit,
// eight data bits and a stop bit a byte.
func (c *Config) wireTime(n int) time.Duration {
	if c.Baud == 0 {
		return 0
	}
	return time.Duration(serialproto.FrameLen(n)) * 10 * time.Second / time.Duration(c.Baud)
}

// connectFlags are the Flags of CONNECT.
func (c *Config) connectFlags() mqttsn.Flags {
	var f mqttsn.Flags
	if c.CleanSession {
		f |= mqttsn.CleanSession
	}
	if c.AskSession {
		f |= mqttsn.WantSession
	}
	if c.Will != nil {
		f |= mqttsn.Will
	}
	return f
}
