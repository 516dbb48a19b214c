package gateway

import (
	"net/netip"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Peer is where a node is reached behind its device's port. The zero value is
// the board straight on a UART.
type Peer struct {
	Addr netip.AddrPort // UDP only
	Node string         // wireless node id of a forwarder's node, as bytes
}

// NodeID names a node of one Gateway for as long as the Gateway lives.
type NodeID uint32

// Datagram is one bare message to send to Addr over UDP.
type Datagram struct {
	Addr netip.AddrPort
	Data []byte

	start, end int // of Data in the output, while it still grows
}

// CommandKind says what a Command asks of a node's MQTT session.
type CommandKind uint8

const (
	// OpenSession starts the node's MQTT session with ClientID, Clean and Will,
	// after ending orderly the one that runs. Answered by SessionUp, SessionRefused.
	OpenSession CommandKind = iota + 1
	// CloseSession ends the MQTT session orderly, with DISCONNECT: no will.
	CloseSession
	// AbortSession cuts the connection without DISCONNECT: the will goes out.
	AbortSession
	// PublishMessage publishes Topic, Payload, QoS, Retain as Token. Answered by Published.
	PublishMessage
	// PublishOwn publishes a QoS -1 message through the gateway's own session. Not answered.
	PublishOwn
	// SubscribeFilter subscribes to the filter in Topic with QoS as Token. Answered by Subscribed.
	SubscribeFilter
	// UnsubscribeFilter unsubscribes the filter in Topic as Token. Answered by Unsubscribed.
	UnsubscribeFilter
	// ReleaseInbound returns the message that was handed to Deliver with ID
	// Delivery: acknowledge it to the broker if Accepted, and free its place.
	ReleaseInbound
	// WithdrawMessage takes the QoS 1 message Token back from the MQTT session,
	// unless that has sent it on its present connection. Answered by Withdrawn.
	WithdrawMessage
	// StoreMessage writes Topic, Payload, QoS, Retain as Token to the outbox of
	// ClientID. What it refers to is valid until it is answered, by Stored.
	StoreMessage
	// LoadMessages asks for up to Max messages of ClientID after Seq from the
	// outbox. Answered by Loaded.
	LoadMessages
	// SettleStored says that the stored messages of ClientID up to Seq are done with.
	SettleStored
	// QuarantineStored moves the stored message Seq of ClientID to the quarantine.
	QuarantineStored
	// SaveNode keeps State, for a restart, as what is to be known of ClientID;
	// nil means nothing. Not answered.
	SaveNode
	// ForgetSession says that the node is gone: nothing more will be asked for it.
	ForgetSession
)

// Command is a request to a node's MQTT session. Topic and Payload are valid
// until the next call of a Gateway method that takes input.
type Command struct {
	Kind     CommandKind
	Node     NodeID
	ClientID string // OpenSession
	Clean    bool   // OpenSession
	Will     *Will  // OpenSession; nil means none
	Token    uint64
	Topic    []byte
	Payload  []byte
	QoS      int8
	Retain   bool
	Received time.Time       // PublishOwn: last byte of the frame read
	Filters  map[string]byte // OpenSession: what the broker's session is known to have subscribed to, with QoS; read-only, valid like Topic
	Seq      uint64          // of stored messages
	Max      int             // LoadMessages
	State    []byte          // SaveNode
	Delivery uint64          // ReleaseInbound
	Accepted bool            // ReleaseInbound
}

// NoticeKind says what a Notice tells.
type NoticeKind uint8

// What the operator may want to count, show or log.
const (
	BoardConnected    NoticeKind = iota + 1 // a board session began; Resumed if the broker knew it, Again if the gateway did
	BoardDisconnected                       // it ended; Reason tells why
	BoardAsleep                             // it goes on, and the board hears nothing until BoardAwake
	BoardAwake                              // the board asked for its messages, and BoardAsleep follows; or it connects
	BoardRefused                            // CONNECT was refused; Reason tells why, Type in what: CONNECT, WILLTOPIC or WILLMSG
	RequestRefused                          // REGISTER, SUBSCRIBE, UNSUBSCRIBE or the update of a will, by Type, was refused; Reason tells why
	MessageReceived                         // a board's message was taken on; Topic, Size
	MessageUp                               // a board's message is safe; Latency since its last byte
	MessageDown                             // the board has a broker's message; Latency since it was read from the broker
	Quarantined                             // a stored message was put aside, as the broker does not take it
	StoreRefused                            // the outbox did not take a message; Result tells why
	MessageDropped                          // a message ended here; Reason tells why
	DuplicateSwallowed
	Retransmitted // to the board
	Retried       // by the board (DUP=1)
	RoundTrip     // Latency is one unambiguous serial round trip
	Malformed     // a frame that was no MQTT-SN message, of an unknown type, or one that a client may not send
)

// Notice is something that happened. Topic and Payload are valid until the next
// call that takes input.
type Notice struct {
	Kind    NoticeKind
	Node    NodeID
	Reason  Reason
	QoS     int8
	Resumed bool
	Again   bool
	Stored  bool        // MessageUp: the outbox has it, the broker not yet
	Result  StoreResult // StoreRefused
	Size    int         // payload bytes
	Latency time.Duration
	SRTT    time.Duration // RoundTrip
	RTO     time.Duration // RoundTrip
	Topic   []byte
	Payload []byte
	Type    mqttsn.Type // ...Refused; Malformed: the message type, as far as known

	ClientID string // Board...: who; empty if not known
}

// Reason says why a message was dropped, refused, or a session ended.
type Reason uint8

// Reasons; String gives the metric label.
const (
	NoReason Reason = iota
	ReasonMalformed
	ReasonLength // the MQTT-SN Length field is not the length of the body
	ReasonUnknownType
	ReasonUnexpected // a message that a client may not send, or not now
	ReasonUnsupported
	ReasonInvalidTopic
	ReasonInvalidTopicID
	ReasonForbidden
	ReasonTooLarge
	ReasonRateLimit
	ReasonCongestion
	ReasonOffline
	ReasonUnknownClient
	ReasonBoardGone
	ReasonRejected // by the broker or by the board
	ReasonClientIDInUse
	ReasonTooManyNodes
	ReasonByBoard   // DISCONNECT from the board
	ReasonKeepalive // nothing heard for 1.5 times Duration
	ReasonPortLost
	ReasonReplaced // another board on the same wire
	ReasonConnect  // CONNECT from the board itself
	ReasonShutdown
)

var reasonNames = [...]string{
	"", "malformed", "length", "unknown_type", "unexpected", "unsupported", "invalid_topic", "invalid_topic_id", "forbidden", "too_large",
	"rate_limit", "congestion", "offline", "unknown_client", "board_gone", "rejected", "client_id_in_use", "too_many_nodes",
	"by_board", "keepalive", "port_lost", "replaced", "connect", "shutdown",
}

func (r Reason) String() string { return reasonNames[r] }
