package mqttsn

import (
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	secret := []byte("secret")
	for _, c := range []struct {
		p    Packet
		want string
	}{
		{Packet{Type: Advertise, GatewayID: 1, Duration: 900}, "ADVERTISE gateway=1 seconds=900"},
		{Packet{Type: SearchGW, Radius: 2}, "SEARCHGW radius=2"},
		{Packet{Type: GWInfo, GatewayID: 1}, "GWINFO gateway=1 bytes=0"},
		{Packet{Type: Connect, Flags: CleanSession | Will | WantSession, ClientID: []byte("m5\x1b"), Duration: 60}, `CONNECT session will clean client="m5\x1b" seconds=60`},
		{Packet{Type: ConnAck, ReturnCode: Congestion}, `CONNACK code="congestion"`},
		{Packet{Type: ConnAck, HasSession: true, SessionPresent: true}, `CONNACK code="accepted" session=true`},
		{Packet{Type: WillTopicReq}, "WILLTOPICREQ"},
		{Packet{Type: WillTopic, Flags: QoS1 | Retain, Topic: []byte("a/b")}, `WILLTOPIC qos=1 retain topic="a/b"`},
		{Packet{Type: WillTopic}, `WILLTOPIC topic=""`},
		{Packet{Type: WillMsg, Data: secret}, "WILLMSG bytes=6"},
		{Packet{Type: Register, TopicID: 5, MsgID: 7, Topic: []byte("a/b")}, `REGISTER name="a/b" topic=5 msgid=7`},
		{Packet{Type: RegAck, TopicID: 5, MsgID: 7}, `REGACK topic=5 msgid=7 code="accepted"`},
		{Packet{Type: Publish, Flags: DUP | QoS1 | Retain, TopicID: 5, MsgID: 7, Data: secret}, "PUBLISH qos=1 dup retain topic=5 msgid=7 bytes=6"},
		{Packet{Type: Publish, Flags: QoSMinus1 | Flags(PredefinedID), TopicID: 3, Data: secret}, "PUBLISH qos=-1 predefined=3 msgid=0 bytes=6"},
		{Packet{Type: Publish, Flags: Flags(ShortName), TopicID: ShortTopic('t', 0x1b)}, `PUBLISH qos=0 short="t\x1b" msgid=0 bytes=0`},
		{Packet{Type: PubAck, TopicID: 5, MsgID: 7, ReturnCode: InvalidTopicID}, `PUBACK topic=5 msgid=7 code="invalid topic ID"`},
		{Packet{Type: PubRec, MsgID: 7}, "PUBREC msgid=7"},
		{Packet{Type: Subscribe, Flags: QoS1, MsgID: 7, Topic: []byte("a/#")}, `SUBSCRIBE qos=1 name="a/#" msgid=7`},
		{Packet{Type: SubAck, Flags: QoS1, TopicID: 5, MsgID: 7}, `SUBACK qos=1 topic=5 msgid=7 code="accepted"`},
		{Packet{Type: Unsubscribe, Flags: Flags(PredefinedID), TopicID: 3, MsgID: 7}, "UNSUBSCRIBE predefined=3 msgid=7"},
		{Packet{Type: UnsubAck, MsgID: 7}, "UNSUBACK msgid=7"},
		{Packet{Type: PingReq}, "PINGREQ"},
		{Packet{Type: PingReq, ClientID: []byte("m5")}, `PINGREQ client="m5"`},
		{Packet{Type: Disconnect}, "DISCONNECT"},
		{Packet{Type: Disconnect, HasDuration: true, Duration: 600}, "DISCONNECT seconds=600"},
		{Packet{Type: WillMsgResp, ReturnCode: NotSupported}, `WILLMSGRESP code="not supported"`},
		{Packet{Type: Encapsulated, NodeID: []byte{0x24, 0x6F}, Data: []byte{2, 22}}, "ENCAPSULATED node=246f: PINGREQ"},
		{Packet{Type: Encapsulated, NodeID: []byte{1}}, "ENCAPSULATED node=01 mqttsn: message has no MsgType"},
	} {
		if got := c.p.String(); got != c.want {
			t.Errorf("%v reads\n%s, want\n%s", c.p.Type, got, c.want)
		}
	}
}

func TestEveryMessageReads(t *testing.T) {
	for _, m := range messages(t) {
		if got := m.packet.String(); !strings.HasPrefix(got, m.packet.Type.String()) {
			t.Errorf("%s: %v reads %q", m.id, m.packet.Type, got)
		}
	}
}
