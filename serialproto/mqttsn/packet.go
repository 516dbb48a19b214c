package mqttsn

// Packet is one MQTT-SN message of any type. Which fields count depends on
// Type; the others are ignored by Append and zero after Parse.
type Packet struct {
	Type Type

	// Flags: CONNECT, WILLTOPIC, WILLTOPICUPD, PUBLISH, SUBSCRIBE, SUBACK,
	// UNSUBSCRIBE.
	Flags Flags

	// ReturnCode: CONNACK, REGACK, PUBACK, SUBACK, WILLTOPICRESP, WILLMSGRESP.
	ReturnCode ReturnCode

	// TopicID: REGISTER, REGACK, PUBLISH, PUBACK, SUBACK; SUBSCRIBE and
	// UNSUBSCRIBE unless the topic id type is NormalID. A short topic name is
	// held as its two bytes, the first one in the high half.
	TopicID uint16

	// MsgID: REGISTER, REGACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP,
	// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.
	MsgID uint16

	// Duration is in seconds. CONNECT: the keepalive, 0 for none. ADVERTISE:
	// until the next one. DISCONNECT with HasDuration: the sleep.
	Duration uint16

	// HasDuration: DISCONNECT. The message carries a Duration.
	HasDuration bool

	// HasSession: CONNACK. The message carries umqttd's extension byte, and
	// SessionPresent is what it says.
	HasSession, SessionPresent bool

	// GatewayID: ADVERTISE, GWINFO.
	GatewayID uint8

	// Radius is a number of hops, 0 for all. SEARCHGW; Encapsulated: 0 to 3.
	Radius uint8

	// ClientID: CONNECT; PINGREQ of a sleeping client, else empty.
	ClientID []byte

	// Topic is a topic name. REGISTER, WILLTOPIC, WILLTOPICUPD; SUBSCRIBE and
	// UNSUBSCRIBE if the topic id type is NormalID. Empty in WILLTOPIC or
	// WILLTOPICUPD, it makes the message without Flags that deletes the will.
	Topic []byte

	// Data: the payload of PUBLISH, the will message of WILLMSG and WILLMSGUPD,
	// the gateway's address in GWINFO, the message in Encapsulated.
	Data []byte

	// NodeID: Encapsulated.
	NodeID []byte
}

// ShortTopic returns the TopicID that stands for the two-byte topic name ab.
func ShortTopic(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }
