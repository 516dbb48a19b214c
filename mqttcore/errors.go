package mqttcore

import (
	"errors"
	"fmt"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Refusals: nothing was accepted, nothing will be sent, no completion follows.
var (
	// ErrClosed refuses a call on a closed client.
	ErrClosed = errors.New("mqttcore: client is closed")
	// ErrNotConnected refuses a QoS 0 publish while no connection stands: it
	// would be lost in silence.
	ErrNotConnected = errors.New("mqttcore: not connected")
	// ErrQueueFull refuses a publish or a subscription beyond the limits of
	// [Config]. It is back-pressure: completions make room.
	ErrQueueFull = errors.New("mqttcore: queue is full")
	// ErrInvalid refuses a message or a filter that MQTT does not allow. It is
	// wrapped with what is wrong.
	ErrInvalid = errors.New("mqttcore: invalid")
	// ErrRunning refuses what must not happen during Run.
	ErrRunning = errors.New("mqttcore: client is running")
	// ErrStopping refuses a blocking call while Run is about to return, since
	// nobody would be left to end the wait.
	ErrStopping = errors.New("mqttcore: client is stopping")
)

// Outcomes of what was accepted. A completion's error is nil, or wraps one of
// the first two; the error of a blocking call may wrap the third.
var (
	// ErrNotSent: the message never reached a socket. Publishing it again
	// makes no duplicate.
	ErrNotSent = errors.New("mqttcore: not sent")
	// ErrFateUnknown: the message was written, or partly, and no
	// acknowledgement came. The broker may have it.
	ErrFateUnknown = errors.New("mqttcore: sent, fate unknown")
	// ErrPending: a blocking call gave up waiting. The client keeps the
	// request and goes on with it, and reports it to nobody.
	ErrPending = errors.New("mqttcore: gave up waiting, request goes on")
)

// Causes, wrapped beside an outcome or reported in a [State].
var (
	// ErrConnectionLost: the connection ended under a QoS 0 message.
	ErrConnectionLost = errors.New("mqttcore: connection lost")
	// ErrSessionLost: the broker came back without the session, and the policy
	// is [FailLost].
	ErrSessionLost = errors.New("mqttcore: broker lost the session")
	// ErrSessionReplaced: Reconfigure began another session.
	ErrSessionReplaced = errors.New("mqttcore: session was replaced")
	// ErrPingTimeout: the broker did not answer a PINGREQ in time.
	ErrPingTimeout = errors.New("mqttcore: no PINGRESP in time")
	// ErrConnackTimeout: the broker did not answer CONNECT in time.
	ErrConnackTimeout = errors.New("mqttcore: no CONNACK in time")
	// ErrInboxFull: a blocking call waited for an acknowledgement that the
	// client could not read, because messages nobody takes stand before it.
	ErrInboxFull = errors.New("mqttcore: inbox is full")
	// ErrSubscriptionRefused: the broker answered a filter with 0x80.
	ErrSubscriptionRefused = errors.New("mqttcore: subscription refused by broker")
	// ErrProtocol: the broker sent what MQTT 3.1.1 forbids. It is wrapped with
	// what it was.
	ErrProtocol = errors.New("mqttcore: protocol violation by broker")
)

// RefusedError is a CONNACK with a return code other than accepted.
type RefusedError struct {
	Code packet.ReturnCode
}

// Error returns e.g. "mqttcore: connection refused: not authorized".
func (e *RefusedError) Error() string { return "mqttcore: connection refused: " + e.Code.String() }

// Outcomes that are common enough not to be made anew.
var (
	errNotSentLost    = fmt.Errorf("%w: %w", ErrNotSent, ErrConnectionLost)
	errFateLost       = fmt.Errorf("%w: %w", ErrFateUnknown, ErrConnectionLost)
	errFateSession    = fmt.Errorf("%w: %w", ErrFateUnknown, ErrSessionLost)
	errNotSentClosed  = fmt.Errorf("%w: %w", ErrNotSent, ErrClosed)
	errFateClosed     = fmt.Errorf("%w: %w", ErrFateUnknown, ErrClosed)
	errNotSentReplace = fmt.Errorf("%w: %w", ErrNotSent, ErrSessionReplaced)
	errFateReplace    = fmt.Errorf("%w: %w", ErrFateUnknown, ErrSessionReplaced)
)

// violation returns an ErrProtocol that says what was wrong.
func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrProtocol, fmt.Errorf(format, args...))
}
