package mqttsn

// Flags is the Flags field (MQTT-SN 1.2 section 5.3.4):
//
//	bit     7     6   5     4       3          2           1   0
//	       DUP     QoS    Retain   Will   CleanSession   TopicIdType
//
// No message uses all of them; Parse refuses a bit that its message does not
// use.
type Flags uint8

// The bits of Flags. QoS0 and TopicName are zero and stand here for the
// reader's sake.
const (
	DUP          Flags = 0x80
	QoS0         Flags = 0x00
	QoS1         Flags = 0x20
	QoS2         Flags = 0x40
	QoSMinus1    Flags = 0x60 // PUBLISH only, without a connection (section 6.8)
	Retain       Flags = 0x10
	Will         Flags = 0x08
	CleanSession Flags = 0x04

	// WantSession is umqttd's extension: in CONNECT, whose QoS bits the
	// standard leaves unused, it asks for a CONNACK that says whether the
	// session was present.
	WantSession Flags = 0x20

	qosMask         Flags = 0x60
	topicIDTypeMask Flags = 0x03
)

// TopicIDType says what a TopicId field holds (MQTT-SN 1.2 section 5.3.4).
type TopicIDType uint8

const (
	// NormalID is an id that REGISTER or SUBACK has assigned. In SUBSCRIBE and
	// UNSUBSCRIBE it means that a topic name is there instead of an id.
	NormalID TopicIDType = 0
	// PredefinedID is an id known to both ends beforehand (section 6.7).
	PredefinedID TopicIDType = 1
	// ShortName is a topic name of exactly two bytes (section 6.7).
	ShortName TopicIDType = 2

	reservedID TopicIDType = 3
)

// String returns the standard's words for t.
func (t TopicIDType) String() string {
	switch t {
	case NormalID:
		return "normal"
	case PredefinedID:
		return "predefined"
	case ShortName:
		return "short"
	}
	return "reserved"
}

// Has reports whether all bits of f are set in g.
func (g Flags) Has(f Flags) bool { return g&f == f }

// QoS returns the quality of service: -1, 0, 1 or 2.
func (g Flags) QoS() int {
	if g&qosMask == qosMask {
		return -1
	}
	return int(g & qosMask >> 5)
}

// TopicIDType returns the TopicIdType bits.
func (g Flags) TopicIDType() TopicIDType { return TopicIDType(g & topicIDTypeMask) }

// WithQoS returns g with the QoS bits set to qos: -1, 0, 1 or 2.
func (g Flags) WithQoS(qos int) Flags { return g&^qosMask | Flags(qos&3)<<5 }

// WithTopicIDType returns g with the TopicIdType bits set to t.
func (g Flags) WithTopicIDType(t TopicIDType) Flags {
	return g&^topicIDTypeMask | Flags(t)&topicIDTypeMask
}
