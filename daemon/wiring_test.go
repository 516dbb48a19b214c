package daemon

import (
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestWhatABoardMay: the keys of a device and of the gateway reach those who act on
// them: allow, limits, predefined topics, and client ids that belong to others.
func TestWhatABoardMay(t *testing.T) {
	addr := freeUDP(t)
	r := start(t, base+fmt.Sprintf(`
devices:
  - name: d
    port: "udp://%s"
    topics: {7: allowed/seven}
    allow: {publish: ["allowed/#"], subscribe: []}
    limits: {max_payload: 3}
  - {name: other, port: /none, client_id: others}
`, addr), nil)
	b := dialBoard(t, addr)
	for _, id := range []string{"gw", "others"} {
		connect := mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte(id)}
		if a := b.exchange(connect); a.Type != mqttsn.ConnAck || a.ReturnCode != mqttsn.NotSupported {
			t.Errorf("CONNECT of %s was answered %s", id, a.String())
		}
	}
	b.connect("b1")
	publish := func(kind mqttsn.TopicIDType, id uint16, payload string) mqttsn.Packet {
		return mqttsn.Packet{
			Type: mqttsn.Publish, Flags: mqttsn.QoS1 | mqttsn.Flags(kind), TopicID: id, MsgID: 1 + uint16(len(payload)), Data: []byte(payload),
		}
	}
	for _, c := range []struct {
		what string
		send mqttsn.Packet
		want mqttsn.ReturnCode
	}{
		{"a predefined topic", publish(mqttsn.PredefinedID, 7, "yes"), mqttsn.Accepted},
		{"a topic that is not allowed", publish(mqttsn.ShortName, mqttsn.ShortTopic('a', 'b'), "no"), mqttsn.NotSupported},
		{"a payload that is too long", publish(mqttsn.PredefinedID, 7, "much too long"), mqttsn.NotSupported},
		{"a subscription", mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 9, Topic: []byte("allowed/#")}, mqttsn.NotSupported},
	} {
		if a := b.exchange(c.send); a.ReturnCode != c.want {
			t.Errorf("%s was answered %s", c.what, a.String())
		}
	}
	r.wantPage("/metrics", `umqttd_dropped_total{device="d",reason="forbidden"} 1`, `umqttd_dropped_total{device="d",reason="too_large"} 1`)
}

// TestFilters keeps a list that was left out, which allows everything, apart from an
// empty one.
func TestFilters(t *testing.T) {
	if filters(nil) != nil {
		t.Error("nil became a list")
	}
	if list := filters([]string{}); list == nil || len(list) != 0 {
		t.Errorf("nothing became %q", list)
	}
}
