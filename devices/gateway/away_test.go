package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// visit connects a board with CleanSession=0, lets it do something, and
// disconnects it.
func (s *script) visit(clientID string, do func()) NodeID {
	s.t.Helper()
	s.board(connectPacket(0, clientID, 10))
	c := s.commands[len(s.commands)-1]
	if c.Kind != OpenSession {
		s.t.Fatalf("got %+v", c)
	}
	s.up(c.Node, false)
	do()
	s.board(mqttsn.Packet{Type: mqttsn.Disconnect})
	s.frames, s.sizes, s.commands, s.notices = nil, nil, nil, nil
	return c.Node
}

// TestBoardsAwayAreBounded: a board that calls itself something else each time.
func TestBoardsAwayAreBounded(t *testing.T) {
	s := newScript(t, Config{})
	first := s.visit("first", func() {})
	for i := range maxAway + 100 {
		s.visit(fmt.Sprint("b", i), func() {})
	}
	g := s.g
	if len(g.clients) > maxAway || len(g.byID) > maxAway || len(g.nodes) > maxAway || s.forgotten < 100 {
		t.Errorf("%d clients, %d ids, %d peers, %d forgotten", len(g.clients), len(g.byID), len(g.nodes), s.forgotten)
	}
	if s.visit("first", func() {}) == first {
		t.Error("the one that was away longest is still known")
	}
	last := fmt.Sprint("b", maxAway+99)
	id := g.clients[last].id
	if s.visit(last, func() {}) != id {
		t.Error("the last one is a stranger")
	}
}

// TestMemoryOfBoardsAwayIsBounded: it is bytes that cost, not boards.
func TestMemoryOfBoardsAwayIsBounded(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 65535})
	name := strings.Repeat("x", 60_000)
	for i := range 2 * maxAwayBytes / len(name) {
		s.visit(fmt.Sprint("b", i), func() { s.board(register(1, name)) })
	}
	kept := 0
	for _, n := range s.g.clients {
		kept += n.memory()
	}
	if kept > maxAwayBytes || kept < maxAwayBytes/2 || kept != s.g.awayBytes {
		t.Errorf("%d bytes are remembered, and %d are said to be", kept, s.g.awayBytes)
	}
	for id := range s.g.clients {
		s.visit(id, func() {})
	}
	if s.g.awayBytes > maxAwayBytes || s.g.awayBytes < maxAwayBytes/2 {
		t.Errorf("%d bytes are said to be remembered", s.g.awayBytes)
	}
}

// TestMessagesOfBoardsAwayCount: what the broker has not acknowledged is memory
// that the board has filled.
func TestMessagesOfBoardsAwayCount(t *testing.T) {
	s := newScript(t, Config{MaxFrame: 65535, Predefined: map[uint16]string{1: "a"}})
	const flags = mqttsn.QoS1 | mqttsn.Flags(mqttsn.PredefinedID)
	var sent Command
	id := s.visit("b", func() {
		s.board(publish(flags, 1, 1, strings.Repeat("x", 50_000)))
		sent = s.commands[len(s.commands)-1]
	})
	if s.g.awayBytes < 50_000 {
		t.Errorf("%d bytes", s.g.awayBytes)
	}
	s.published(sent) // while the board is away
	if n := s.g.byID[id]; s.g.awayBytes != n.memory() {
		t.Errorf("%d bytes are said to be remembered, and %d are", s.g.awayBytes, n.memory())
	}
}
