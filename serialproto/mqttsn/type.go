package mqttsn

// Type is a message's MsgType (MQTT-SN 1.2 section 5.2.2).
type Type uint8

// The message types. 0x03, 0x11, 0x19, 0x1E to 0xFD and 0xFF are reserved.
const (
	Advertise     Type = 0x00 // section 5.4.1, gateway to all
	SearchGW      Type = 0x01 // section 5.4.2, client to all
	GWInfo        Type = 0x02 // section 5.4.3, gateway or client to client
	Connect       Type = 0x04 // section 5.4.4, client to gateway
	ConnAck       Type = 0x05 // section 5.4.5, gateway to client
	WillTopicReq  Type = 0x06 // section 5.4.6, gateway to client
	WillTopic     Type = 0x07 // section 5.4.7, client to gateway
	WillMsgReq    Type = 0x08 // section 5.4.8, gateway to client
	WillMsg       Type = 0x09 // section 5.4.9, client to gateway
	Register      Type = 0x0A // section 5.4.10, both ways
	RegAck        Type = 0x0B // section 5.4.11, both ways
	Publish       Type = 0x0C // section 5.4.12, both ways
	PubAck        Type = 0x0D // section 5.4.13, both ways
	PubComp       Type = 0x0E // section 5.4.14, QoS 2 only
	PubRec        Type = 0x0F // section 5.4.14, QoS 2 only
	PubRel        Type = 0x10 // section 5.4.14, QoS 2 only
	Subscribe     Type = 0x12 // section 5.4.15, client to gateway
	SubAck        Type = 0x13 // section 5.4.16, gateway to client
	Unsubscribe   Type = 0x14 // section 5.4.17, client to gateway
	UnsubAck      Type = 0x15 // section 5.4.18, gateway to client
	PingReq       Type = 0x16 // section 5.4.19, both ways
	PingResp      Type = 0x17 // section 5.4.20, both ways
	Disconnect    Type = 0x18 // section 5.4.21, both ways
	WillTopicUpd  Type = 0x1A // section 5.4.22, client to gateway
	WillTopicResp Type = 0x1B // section 5.4.24, gateway to client
	WillMsgUpd    Type = 0x1C // section 5.4.23, client to gateway
	WillMsgResp   Type = 0x1D // section 5.4.25, gateway to client
	Encapsulated  Type = 0xFE // section 5.5, both ways through a forwarder
)

// typeNames has the standard's spelling; a reserved type has none.
var typeNames = [...]string{
	Advertise: "ADVERTISE", SearchGW: "SEARCHGW", GWInfo: "GWINFO",
	Connect: "CONNECT", ConnAck: "CONNACK",
	WillTopicReq: "WILLTOPICREQ", WillTopic: "WILLTOPIC", WillMsgReq: "WILLMSGREQ", WillMsg: "WILLMSG",
	Register: "REGISTER", RegAck: "REGACK",
	Publish: "PUBLISH", PubAck: "PUBACK", PubComp: "PUBCOMP", PubRec: "PUBREC", PubRel: "PUBREL",
	Subscribe: "SUBSCRIBE", SubAck: "SUBACK", Unsubscribe: "UNSUBSCRIBE", UnsubAck: "UNSUBACK",
	PingReq: "PINGREQ", PingResp: "PINGRESP", Disconnect: "DISCONNECT",
	WillTopicUpd: "WILLTOPICUPD", WillTopicResp: "WILLTOPICRESP",
	WillMsgUpd: "WILLMSGUPD", WillMsgResp: "WILLMSGRESP",
}

// Known reports whether t is a message type of MQTT-SN 1.2.
func (t Type) Known() bool {
	return t == Encapsulated || int(t) < len(typeNames) && typeNames[t] != ""
}

// String returns the standard's name of t, or "type 0x03" for a reserved one.
func (t Type) String() string {
	switch {
	case t == Encapsulated:
		return "ENCAPSULATED"
	case t.Known():
		return typeNames[t]
	}
	return "type 0x" + string([]byte{hexDigits[t>>4], hexDigits[t&15]})
}

const hexDigits = "0123456789abcdef"
