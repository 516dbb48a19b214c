package metrics

// The types below are the closed sets of label values. Each constant's comment says when the series counts.

// FrameError is why received bytes were discarded before they became a message: the label reason of umqttd_frame_errors_total.
type FrameError uint8

// The reasons of umqttd_frame_errors_total.
const (
	FrameCRC         FrameError = iota // the checksum does not fit
	FrameCOBS                          // the run between two delimiters is neither COBS nor text
	FrameOversize                      // the run is longer than max_frame
	FrameNoise                         // bytes that are neither frame nor text
	FrameLength                        // the MQTT-SN Length field and the body disagree
	FrameMalformed                     // a field of the message is missing or out of range
	FrameUnknownType                   // MQTT-SN 1.2 has no such message type
	FrameUnexpected                    // a good message that a client may not send, or not now
	frameErrors
)

var frameErrorNames = [frameErrors]string{"crc", "cobs", "oversize", "noise", "length", "malformed", "unknown_type", "unexpected"}

// LineError is what the kernel's driver counted on the line: the label kind of umqttd_line_errors_total.
type LineError uint8

// The kinds of umqttd_line_errors_total, named as TIOCGICOUNT names them.
const (
	LineFrame      LineError = iota // framing: usually a wrong baud rate
	LineOverrun                     // the UART's own buffer was not emptied in time
	LineParity                      // wrong parity bit
	LineBreak                       // the line was held low; a board in reset does this
	LineBufOverrun                  // the kernel's buffer was not emptied in time
	lineErrors
)

var lineErrorNames = [lineErrors]string{"frame", "overrun", "parity", "break", "buf_overrun"}

// PortError is why a port that is there cannot be used: the label reason of umqttd_port_errors_total. A port that is missing is a state
// (umqttd_device_up 0), not an error.
type PortError uint8

// The reasons of umqttd_port_errors_total.
const (
	PortAmbiguous  PortError = iota // the identity fits more than one port
	PortBusy                        // another program holds it
	PortPermission                  // the file's mode or the unit's device policy forbids it
	PortBaud                        // the driver cannot do the baud rate
	PortOther                       // any other error; the log has it
	portErrors
)

var portErrorNames = [portErrors]string{"ambiguous", "busy", "permission", "baud", "other"}

// DropReason is why a message was not passed on: the label reason of umqttd_dropped_total.
type DropReason uint8

// The reasons of umqttd_dropped_total.
const (
	DropMalformed      DropReason = iota // uplink: a QoS 1 PUBLISH with message id 0, or flags that contradict each other
	DropInvalidTopic                     // uplink: a topic that is empty, too long, no UTF-8, or has a wildcard in it
	DropInvalidTopicID                   // uplink: a topic id nobody registered
	DropForbidden                        // uplink: allow or the reserved topics say no
	DropTooLarge                         // either way: larger than limits.max_payload or than a frame can be
	DropRateLimit                        // uplink: above limits.messages_per_second
	DropCongestion                       // uplink: max_inflight or the outbox is full; the board was told
	DropUnsupported                      // uplink: QoS 2, or QoS -1 with a normal topic id
	DropNotConnected                     // uplink: from a client that has no session; it was told to connect
	DropBrokerOffline                    // uplink: QoS 0 or -1 while the broker is away
	DropSessionLost                      // uplink: the broker lost the session and the policy is to fail
	DropOutboxOldest                     // uplink: the oldest stored message made room (outbox.when_full: drop_oldest)
	DropBoardOffline                     // downlink: QoS 0 for a board that is gone
	DropDownlinkFull                     // downlink: QoS 0 while the board's queue is full
	DropBoardRefused                     // downlink: the board acknowledged it with an error that a resend does not cure
	dropReasons
)

var dropReasonNames = [dropReasons]string{
	"malformed", "invalid_topic", "invalid_topic_id", "forbidden", "too_large", "rate_limit", "congestion", "unsupported", "not_connected",
	"broker_offline", "session_lost", "outbox_oldest", "board_offline", "downlink_full", "board_refused",
}

// OutboxRefusal is why the outbox did not take a message: the label reason of umqttd_outbox_refused_total.
type OutboxRefusal uint8

// The reasons of umqttd_outbox_refused_total.
const (
	OutboxFull   OutboxRefusal = iota // outbox.max_bytes are used, or the disk is full
	OutboxFailed                      // the disk returned an error
	outboxRefusals
)

var outboxRefusalNames = [outboxRefusals]string{"full", "failed"}

// Request is what a board asked for and did not get: the label request of umqttd_refused_total.
type Request uint8

// The requests of umqttd_refused_total.
const (
	RequestConnect   Request = iota // CONNECT: client id taken or not welcome, max_nodes reached, broker away or refusing
	RequestRegister                 // REGISTER: a topic that may not be published to, or too many of them
	RequestSubscribe                // SUBSCRIBE: outside allow, refused by the broker, or broker away
	RequestWill                     // WILLTOPIC, WILLTOPICUPD: a will topic outside allow
	requests
)

var requestNames = [requests]string{"connect", "register", "subscribe", "will"}

// Side is who came back: the label side of umqttd_reconnects_total.
type Side uint8

// The sides of umqttd_reconnects_total.
const (
	SideBoard  Side = iota // a board sent CONNECT again
	SideBroker             // an MQTT session was connected again
	SidePort               // the port was opened again
	sides
)

var sideNames = [sides]string{"board", "broker", "port"}

// CertificateKind says which file of a device's broker connection: the label kind of umqttd_certificate_expiry_timestamp_seconds.
type CertificateKind uint8

// The kinds of umqttd_certificate_expiry_timestamp_seconds.
const (
	CertificateClient CertificateKind = iota // tls.cert_file
	CertificateCA                            // tls.ca_file
	certificateKinds
)

var certificateKindNames = [certificateKinds]string{"cert", "ca"}

// String returns the label value.
func (e FrameError) String() string { return frameErrorNames[e] }

// String returns the label value.
func (e LineError) String() string { return lineErrorNames[e] }

// String returns the label value.
func (e PortError) String() string { return portErrorNames[e] }

// String returns the label value.
func (r DropReason) String() string { return dropReasonNames[r] }

// String returns the label value.
func (r OutboxRefusal) String() string { return outboxRefusalNames[r] }

// String returns the label value.
func (r Request) String() string { return requestNames[r] }

// String returns the label value.
func (s Side) String() string { return sideNames[s] }

// String returns the label value.
func (k CertificateKind) String() string { return certificateKindNames[k] }
