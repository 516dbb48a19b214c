package gateway

import (
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestNoWaitingPubackCrossesConnect: acknowledgements that wait for credit are
// of the old session too.
func TestNoWaitingPubackCrossesConnect(t *testing.T) {
	const flags = mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID)
	for _, first := range []mqttsn.Packet{connectPacket(0, "b1", 10), {Type: mqttsn.Disconnect}} {
		s := newScript(t, Config{RxBuffer: 100, MaxInflight: 50, Predefined: map[uint16]string{1: "a"}})
		s.connect(0)
		for i := range uint16(20) {
			s.board(publish(flags, 1, i+1, "x"))
			s.published(s.wantCommand("published", PublishMessage))
		}
		s.frames = nil
		s.board(first)
		s.advance(initialRTO)
		for _, p := range s.frames {
			if p.Type == mqttsn.PubAck {
				t.Fatalf("a PUBACK crossed %s", first.Type)
			}
		}
		if len(s.frames) == 0 {
			t.Fatalf("%s was not answered", first.Type)
		}
	}
}
