package gateway

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// restartWith is restart with another configuration of what boards may do.
func (s *script) restartWith(access Access, state string) *script {
	s.t.Helper()
	s.g.cfg.Access = access
	return s.restart("b1", []byte(state), 0)
}

// TestNarrowerAccessAfterRestart: what a board with CleanSession=0 has subscribed and may
// not any more is taken back at the broker, and its will is dropped. Until the broker has
// answered, the next restart knows of it.
func TestNarrowerAccessAfterRestart(t *testing.T) {
	const state = `{"filters":{"b1/cmd/#":1,"other/#":1,"#":0},"will":{"topic":"other/will","payload":"eA=="}}`
	s, _ := newStoring(t, 0)
	s = s.restartWith(Access{Publish: [][]byte{[]byte("b1/#")}, Subscribe: [][]byte{[]byte("b1/#")}}, state)
	s.board(connectPacket(0, "b1", 10))
	c := s.wantCommand("its session", OpenSession)
	if len(c.Filters) != 1 || c.Filters["b1/cmd/#"] != 1 || c.Will != nil {
		t.Fatalf("opened %+v", c)
	}
	s.up(c.Node, true)
	first := s.wantCommand("taken back", UnsubscribeFilter)
	second := s.wantCommand("taken back", UnsubscribeFilter)
	if string(first.Topic) != "#" || string(second.Topic) != "other/#" {
		t.Fatalf("unsubscribed %s and %s", first.Topic, second.Topic)
	}
	s.want("connected, and the board did not ask", connack(mqttsn.Accepted))
	s.g.Subscribed(s.now, c.Node, first.Token, Granted, 0)
	s.g.Subscribed(s.now, c.Node, second.Token, Unanswered, 0)
	s.collect()
	again := s.wantCommand("asked again", UnsubscribeFilter)
	if string(again.Topic) != "other/#" {
		t.Fatalf("unsubscribed %s", again.Topic)
	}
	var kept saved
	if err := json.Unmarshal(s.lastSaved("b1"), &kept); err != nil {
		t.Fatal(err)
	}
	if len(kept.Filters) != 2 || kept.Filters["other/#"] != 1 || kept.Will != nil {
		t.Errorf("kept %+v", kept)
	}
	s.g.Subscribed(s.now, c.Node, again.Token, Granted, 0)
	s.collect()
	s.wantIdle("the board hears nothing of it")
	kept = saved{}
	if err := json.Unmarshal(s.lastSaved("b1"), &kept); err != nil {
		t.Fatal(err)
	}
	if len(kept.Filters) != 1 {
		t.Errorf("kept %+v", kept)
	}
}

// TestManyFiltersAreRevoked in the end, and none if the broker has lost the session.
func TestManyFiltersAreRevoked(t *testing.T) {
	filters := make(map[string]byte)
	for i := range 3 * maxPending {
		filters[fmt.Sprint("f/", i)] = 1
	}
	state, err := json.Marshal(saved{Filters: filters})
	if err != nil {
		t.Fatal(err)
	}
	for _, present := range []bool{true, false} {
		s, _ := newStoring(t, 0)
		s = s.restartWith(Access{Subscribe: [][]byte{}}, string(state))
		s.board(connectPacket(0, "b1", 10))
		c := s.wantCommand("its session", OpenSession)
		s.up(c.Node, present)
		s.want("connected", connack(mqttsn.Accepted))
		n := 0
		for ; len(s.commands) > 0; n++ {
			u := s.wantCommand("taken back", UnsubscribeFilter)
			s.g.Subscribed(s.now, c.Node, u.Token, Granted, 0)
			s.collect()
		}
		if want := map[bool]int{true: 3 * maxPending}[present]; n != want {
			t.Errorf("present %v: %d taken back, want %d", present, n, want)
		}
	}
}
