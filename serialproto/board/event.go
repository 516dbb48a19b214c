package board

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// EventKind says what happened.
type EventKind uint8

const (
	// Connected: the gateway accepted CONNECT. HasSession, SessionPresent.
	Connected EventKind = iota
	// Refused: the gateway rejected CONNECT with ReturnCode. The board tries
	// again.
	Refused
	// Disconnected: the session is over for Reason. Unless the board ended it
	// the board connects again by itself.
	Disconnected
	// Registered: the gateway gave TopicID to Topic.
	Registered
	// Published: the gateway acknowledged the QoS 1 message Token after Tries
	// transmissions, RTT after the last one left, 0 if it was leaving; or the QoS 0 or -1 message
	// Token was handed to the line. Topic, Data.
	Published
	// Dropped: the gateway rejected the message Token, or a topic that it
	// needs, with ReturnCode; it will not be sent again. Topic, Data.
	Dropped
	// Congested: the gateway is busy; the board sends again in a second.
	Congested
	// Subscribed: the gateway answered SUBSCRIBE for Topic with ReturnCode and,
	// if accepted, QoS.
	Subscribed
	// Unsubscribed: the gateway answered UNSUBSCRIBE for Topic.
	Unsubscribed
	// Received: a message arrived. Topic, Data, QoS, Retain.
	Received
	// Duplicate: a message arrived that was reported before. It has been
	// acknowledged again. Topic.
	Duplicate
	// TimeReceived: the gateway said what Time it is.
	TimeReceived
	// Malformed: a frame arrived that holds no message. Err.
	Malformed
	// Asleep: the gateway keeps what comes, and the board hears nothing before
	// the next Wake or Start. Sleep is how long it may be silent. Reason is
	// Unanswered if the gateway said nothing to the last Wake, else zero.
	Asleep
	// Awake: Wake was called; messages may follow, and then Asleep.
	Awake
	// WillTopicUpdated, WillMessageUpdated: the gateway answered the update with
	// ReturnCode. WillTopicUpdated: Topic, empty if the will was deleted.
	WillTopicUpdated
	WillMessageUpdated
)

// Event is something that the program on the board wants to know. Fields not
// named at its Kind are zero.
type Event struct {
	Kind EventKind

	Topic  string
	Data   []byte // valid until the next call of Receive or Publish
	QoS    int
	Retain bool

	Token uint64
	Tries int
	RTT   time.Duration

	TopicID        uint16
	ReturnCode     mqttsn.ReturnCode
	HasSession     bool
	SessionPresent bool
	Reason         Reason
	Sleep          time.Duration
	Time           time.Time
	Err            error
}

// Reason says why a session ended.
type Reason uint8

const (
	// ByBoard: Disconnect was called.
	ByBoard Reason = iota + 1
	// ByGateway: the gateway sent DISCONNECT.
	ByGateway
	// Unanswered: the gateway answered nothing, not even PINGREQ.
	Unanswered
)

// String returns the words for logs.
func (r Reason) String() string {
	switch r {
	case ByBoard:
		return "board disconnected"
	case ByGateway:
		return "gateway disconnected"
	case Unanswered:
		return "gateway does not answer"
	}
	return "unknown"
}
