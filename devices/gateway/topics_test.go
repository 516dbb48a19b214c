package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// fill makes the board register so many names that every topic it does not
// need is given up.
func (s *script) fill(names int) {
	s.t.Helper()
	for i := range names {
		s.board(register(uint16(i+1), fmt.Sprintf("fill/%d", i)))
	}
}

// TestTopicInFlightIsNotGivenUp: however many names the board registers, the
// id of the message on its way to it keeps its meaning.
func TestTopicInFlightIsNotGivenUp(t *testing.T) {
	s := newScript(t, Config{})
	id := s.connect(mqttsn.CleanSession)
	s.deliver(id, "cmd/a", "1", 1)
	reg := mqttsn.Packet{Type: mqttsn.Register, TopicID: 1, MsgID: 1, Topic: []byte("cmd/a")}
	s.want("the topic is announced", reg)
	s.fill(maxTopics + 10)
	s.frames = nil
	s.advance(initialRTO)
	s.want("and announced again", reg)
	s.board(regack(1, 1, mqttsn.Accepted))
	s.want("the message", publish(mqttsn.QoS1, 1, 2, "1"))
	s.fill(maxTopics + 10)
	s.frames = nil
	s.advance(2 * initialRTO)
	s.want("again under the same id", publish(mqttsn.QoS1|mqttsn.DUP, 1, 2, "1"))
}

// TestFullTopicTable: a board that fills its table hears "congestion", and has
// all of it again after a reboot.
func TestFullTopicTable(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(0)
	s.fill(maxTopics)
	s.frames = nil
	s.board(register(1, "one/more"))
	s.want("full", regack(0, 1, mqttsn.Congestion))
	s.board(register(2, "fill/7"))
	s.want("what is there is found", regack(8, 2, mqttsn.Accepted))

	s.board(connectPacket(0, "b1", 10))
	s.want("rebooted", connack(mqttsn.Accepted))
	s.board(register(1, "one/more"))
	s.want("a name of the old days is given up", regack(maxTopics+1, 1, mqttsn.Accepted))
}

// TestTopicNamesAreBounded: it is bytes that cost, not names.
func TestTopicNamesAreBounded(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 65535})
	s.connect(0)
	long := strings.Repeat("x", 60_000)
	for i := range uint16(3) {
		s.board(register(i+1, fmt.Sprintf("%s%d", long, i)))
	}
	s.want("there is room for one such name", regack(1, 1, mqttsn.Accepted), regack(0, 2, mqttsn.Congestion))
}

// TestTopicIDs: ids are given upwards, never 0x0000 or 0xFFFF, and one that is
// given up comes back only after all others.
func TestTopicIDs(t *testing.T) {
	var table topicTable
	seen := make(map[uint16]bool)
	for i := range 0xFFFE + 10 {
		e := table.add(fmt.Appendf(nil, "t%d", i), true, nil)
		switch {
		case e == nil:
			t.Fatalf("name %d finds no place", i)
		case e.id == 0 || e.id == 0xFFFF:
			t.Fatalf("reserved id %#x", e.id)
		case seen[e.id] && i < 0xFFFE:
			t.Fatalf("id %d is used again after %d names", e.id, i)
		}
		seen[e.id] = true
	}
	if len(table.byID) != maxTopics || len(table.byName) != maxTopics || len(table.order) != maxTopics {
		t.Fatalf("%d ids, %d names, %d in order", len(table.byID), len(table.byName), len(table.order))
	}
}
