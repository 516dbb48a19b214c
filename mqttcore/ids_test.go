package mqttcore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

func TestTrap29_IdentifiersWrapAndSkipThoseInUse(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 4, MaxQueued: 100})
	s.connect(false)
	s.publish(1, 1)
	s.want("PUBLISH q1 id=1 1") // stays unacknowledged for the whole test
	s.subscribe("c", 1)
	s.want("SUBSCRIBE id=2 c q1") // and so does this
	id := uint16(2)
	for range 3 * idCount / 2 {
		if id++; id == 0 {
			id = 3 // not 0, and not 1 and 2 either
		}
		s.publish(1, 1)
		s.want(fmt.Sprintf("PUBLISH q1 id=%d %d", id, s.tokens))
		s.puback(id)
		s.events()
	}
	s.receive(packet.AppendSuback(nil, 2, 1))
	s.unsubscribe("c")
	s.want(fmt.Sprintf("UNSUBSCRIBE id=%d c", id+1))
}

// An identifier stays in use while its SUBSCRIBE has no answer, however long
// ago the application gave up on it.
func TestTrap29_AnAbandonedSubscribeKeepsItsIdentifier(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 1})
	s.connect(false)
	w := newWaiter()
	if err := s.e.request(s.now, itemSubscribe, []byte("c"), 1, 0, w); err != nil {
		t.Fatal(err)
	}
	s.want("SUBSCRIBE id=1 c q1")
	if err := s.e.abandon(w); !errors.Is(err, ErrPending) {
		t.Fatalf("abandon: %v, want ErrPending", err)
	}
	s.e.ids = ids{last: idCount} // once around
	s.publish(1, 1)
	s.want("PUBLISH q1 id=2 1")
}

func TestTrap30_ExhaustionHoldsBackAndRecovers(t *testing.T) {
	s := newScript(t, Config{MaxInflight: idCount, MaxQueued: idCount + 10, MaxQueuedBytes: 1 << 30})
	s.connect(false)
	s.events()
	s.subscribe("c", 0)
	s.want("SUBSCRIBE id=1 c q0")
	s.publish(1, idCount+1)
	out := s.e.take(make([]byte, 0, 20*idCount))
	s.e.wrote(s.now)
	if s.e.out.inflight != idCount-1 {
		t.Fatalf("%d in flight, want %d", s.e.out.inflight, idCount-1)
	}
	for len(out) > 0 {
		n, _ := packet.Size(out, 0)
		if m, err := packet.ParsePublish(out[:n]); err != nil { // refuses identifier 0
			t.Fatalf("%+v: %v", m, err)
		}
		out = out[n:]
	}
	s.want() // and no busy loop: nothing is due
	s.puback(40000)
	s.want(fmt.Sprintf("PUBLISH q1 id=40000 %d", idCount+1))
	s.want()
	s.receive(packet.AppendSuback(nil, 1, 0))
	s.want(fmt.Sprintf("PUBLISH q1 id=1 %d", idCount+2))
}

func TestIDsSearchAroundDenseRuns(t *testing.T) {
	var publishes, requests list
	used := map[uint16]bool{}
	use := func(l *list, id uint16) {
		it := newItem(itemPublish)
		it.id = id
		l.pushBack(it)
		used[id] = true
	}
	for id := 60000; id <= idCount; id++ {
		use(&publishes, uint16(id))
	}
	for id := 1; id <= 1000; id++ {
		use(&requests, uint16(id))
	}
	for id := 1500; id < 3000; id += 3 {
		use(&publishes, uint16(id))
	}
	s := ids{last: 59990}
	for left := idCount - len(used); left > 0; left-- {
		id := s.take(&publishes, &requests)
		if id == 0 || used[id] {
			t.Fatalf("took %d with %d identifiers left", id, left)
		}
		use(&publishes, id)
	}
	if id := s.take(&publishes, &requests); id != 0 {
		t.Errorf("took %d with none left", id)
	}
}
