package mqttcore

import (
	"fmt"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Message is an application message to publish, or a will.
type Message struct {
	Topic   []byte // 1 to 65,535 bytes of UTF-8 without U+0000 and wildcards
	Payload []byte // any bytes; empty with Retain deletes the retained message
	QoS     byte   // 0 or 1
	Retain  bool
}

// maxPayloadRoom is what a topic, a packet identifier and their lengths leave
// of the longest packet, rounded down.
const maxPayloadRoom = packet.MaxRemaining - 65_535 - 4

func (m *Message) check() error {
	if fault := packet.CheckTopic(m.Topic); fault != "" {
		return fmt.Errorf("%w: topic %s", ErrInvalid, fault)
	}
	if m.QoS > 1 {
		return fmt.Errorf("%w: QoS %d", ErrInvalid, m.QoS)
	}
	if len(m.Payload) > maxPayloadRoom {
		return fmt.Errorf("%w: payload of %d bytes", ErrInvalid, len(m.Payload))
	}
	return nil
}

// Delivery is a message from the broker.
type Delivery struct {
	// ID names the delivery to [Client.Ack]. It is 0 with QoS 0, which needs no
	// acknowledgement, and is never used again, on no connection.
	ID       uint64
	Topic    []byte // valid until the handler returns
	Payload  []byte // valid until the handler returns
	QoS      byte   // 0 or 1
	Retain   bool
	Dup      bool // the broker may have delivered it before
	Received time.Time
}

// Completion reports what became of a publish that was accepted.
type Completion struct {
	Token uint64 // as given to PublishAsync
	QoS   byte
	// Err is nil when the broker has acknowledged the message or, with QoS 0,
	// when it was written to the socket. Otherwise it wraps [ErrNotSent] or
	// [ErrFateUnknown].
	Err error
	// Redelivered counts the times the message was sent after the first.
	// Latencies of redelivered messages tell of the outage, not of the link.
	Redelivered int
	// Republished: one of the redeliveries was a new message to the broker,
	// because it had lost the session.
	Republished bool

	Queued time.Duration // from acceptance to the (last) write to the socket; 0 if never written
	Acked  time.Duration // from that write to the acknowledgement; 0 without one
	Total  time.Duration // from acceptance to completion
}

// SubCompletion reports the broker's answer to SUBSCRIBE or UNSUBSCRIBE.
type SubCompletion struct {
	Token   uint64 // as given to SubscribeAsync or UnsubscribeAsync
	Granted byte   // QoS 0 or 1, lower than asked for if the broker likes; 0 for UNSUBSCRIBE
	// Err is nil, or wraps [ErrSubscriptionRefused], [ErrNotSent] or
	// [ErrFateUnknown].
	Err error
	// Again: the subscription had been granted before, was made again because
	// the broker lost the session, and was refused this time. It is gone. Only
	// failures are reported so.
	Again bool
}

// StateKind tells what a [State] reports.
type StateKind byte

// The kinds of [State].
const (
	// Disconnected: a connection ended, or an attempt to make one failed.
	Disconnected StateKind = iota
	// Connected: the broker accepted the connection.
	Connected
	// Refused: the broker answered with a CONNACK that refuses.
	Refused
)

// String returns the kind in lower case.
func (k StateKind) String() string {
	switch k {
	case Connected:
		return "connected"
	case Refused:
		return "refused"
	default:
		return "disconnected"
	}
}

// State is a change of the connection.
type State struct {
	Kind StateKind
	// SessionPresent: the broker had the session. Only with Connected.
	SessionPresent bool
	// Code is the broker's answer. Only with Refused.
	Code packet.ReturnCode
	// ByPeer: a connection had stood, and its other end closed or reset it. Only
	// with Disconnected. A broker that keeps doing so, with the same message
	// first in the queue, does not want that message.
	ByPeer bool
	// Err is why, with Disconnected and Refused. It is nil after Disconnect.
	Err error
	// Attempt counts the attempts that failed in a row, this one included. It
	// is 0 with Connected, and with Disconnected if a connection had stood.
	Attempt int
	// Retry is the time until the next attempt. 0 with Connected, and when
	// there will be none.
	Retry time.Duration
}
