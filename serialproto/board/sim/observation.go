package sim

import (
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// ObservationKind says what was observed.
type ObservationKind uint8

const (
	// Sent: the board began to send the message Body.
	Sent ObservationKind = iota
	// Received: the message Body arrived.
	Received
	// Printed: the board began to print Body, one or more lines.
	Printed
	// Happened: the board reported Event.
	Happened
	// Lost: a frame that the board sent never arrives. Body is its message.
	Lost
	// Missed: a frame that arrived was thrown away. Body is its message.
	Missed
	// Noise: bytes arrived that are no frame.
	Noise
	// Overrun: the receive ring was full and Bytes were lost.
	Overrun
)

// Observation is something that happened to a simulated board.
type Observation struct {
	Kind  ObservationKind
	At    time.Time
	Body  []byte // valid during the call
	Event board.Event
	Bytes int
}
