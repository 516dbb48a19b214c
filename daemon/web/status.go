package web

import "time"

// Gateway is what the pages ask of the running daemon. Both methods are called by several goroutines and must not wait for a board or the broker.
type Gateway interface {
	// Status returns what the status page shows.
	Status() Status
	// NotReady returns why the gateway is not ready, one line a reason; none means that every configured task is ready. The state of the
	// gateway's own MQTT session is no reason.
	NotReady() []string
}

// Status is one moment of the gateway. Every string in it may hold anything a board or a broker sent: the page escapes it.
type Status struct {
	Name    string    // the gateway's name; empty if it has none
	Version string    // umqttd's version
	Started time.Time // when the daemon started
	Taken   time.Time // when this status was taken; ages on the page count from here
	Broker  string    // the default broker's URL, without a password
	Devices []Device  // in the order of the configuration
}

// Device is one configured port.
type Device struct {
	Name    string
	Port    string // the path or URL it uses, or looks for
	Broker  string // the URL of its own broker, without a password; empty if it is the default one
	Up      bool   // the port is open, or the listener bound
	Problem string // why it is not up, or what else a person should know; empty if all is well

	FramesRx, FramesTx uint64
	Errors             uint64 // frames and runs of bytes discarded
	Retransmits        uint64 // both directions
	Dropped            uint64 // messages
	Stored             uint64 // messages in the outbox
	StoredBytes        int64  // of these
	Quarantined        int    // messages that the broker does not take

	Boards []Board // the page shows the first 100

	SerialTrips, BrokerTrips, UplinkTimes []time.Duration // the last latencies of each hop, oldest first
	Console                               []string        // the last lines that the board printed, oldest first
	Settings                              []Setting       // what the configuration says of it, without secrets
}

// Setting is one key of the configuration.
type Setting struct{ Key, Value string }

// Session is the state of a board's MQTT-SN session (MQTT-SN 1.2 section 6.14).
type Session uint8

// The states of a session. The standard's fifth, awake, is a moment of Asleep here.
const (
	Disconnected Session = iota // it said DISCONNECT, or has not connected yet
	Active
	Asleep
	Lost     // its keepalive ran out, or its port is gone
	Awaiting // it has asked for its session, which the broker has not given yet
)

// String returns the state as the page shows it.
func (s Session) String() string {
	return [...]string{"disconnected", "connected", "asleep", "lost", "awaiting broker"}[s]
}

// Board is one node behind a device, and its MQTT session.
type Board struct {
	ClientID     string
	Session      Session
	Since        time.Time // when the session got into this state
	BrokerOnline bool      // its MQTT session is connected
	SRTT         time.Duration
	Uplink       uint64   // messages from the board
	Downlink     uint64   // messages to the board
	Stored       int      // messages from the board in the outbox
	PerMinute    int      // messages in the last minute, both ways
	Topics       []Topic  // the last ones, newest first; the page shows the first 5
	Filters      []string // what it has subscribed to
}

// Topic is the last message on one topic.
type Topic struct {
	Name     string
	Downlink bool // to the board
	Size     int  // of the payload, in bytes
	At       time.Time
	// Payload is shown, up to 64 bytes of it, only if http.show_payloads is set; otherwise it need not be kept.
	Payload []byte
}
