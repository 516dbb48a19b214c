package mqttsn

// ReturnCode is the answer in CONNACK, REGACK, PUBACK, SUBACK, WILLTOPICRESP
// and WILLMSGRESP (MQTT-SN 1.2 section 5.3.10).
type ReturnCode uint8

// The return codes; 0x04 to 0xFF are reserved. Parse lets a reserved code
// pass: it is a refusal whatever it means.
const (
	Accepted       ReturnCode = 0x00
	Congestion     ReturnCode = 0x01 // "Rejected: congestion"
	InvalidTopicID ReturnCode = 0x02 // "Rejected: invalid topic ID"
	NotSupported   ReturnCode = 0x03 // "Rejected: not supported"
)

// String returns the standard's words for c.
func (c ReturnCode) String() string {
	switch c {
	case Accepted:
		return "accepted"
	case Congestion:
		return "congestion"
	case InvalidTopicID:
		return "invalid topic ID"
	case NotSupported:
		return "not supported"
	}
	return "reserved"
}
