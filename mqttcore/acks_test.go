package mqttcore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// inject gives a message to the engine and returns the delivery's ID.
func (s *script) inject(qos byte, id uint16, dup bool) uint64 {
	s.t.Helper()
	m := packet.Publish{Topic: []byte("t"), Payload: []byte("x"), QoS: qos, ID: id, Dup: dup}
	in := s.receive(m.Append(nil))
	if !in.ok || in.Dup != dup {
		s.t.Fatalf("message with identifier %d became %+v", id, in)
	}
	return in.id
}

func TestTrap24_NoPubackBeforeTheApplicationOwnsTheMessage(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	if id := s.inject(0, 0, false); id != 0 {
		t.Fatalf("QoS 0 has ID %d", id)
	}
	id := s.inject(1, 7, false)
	s.want()
	s.e.release(id)
	s.want("PUBACK id=7")
	s.e.release(id)
	s.want()
}

func TestTrap24_NoPubackCrossesConnections(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	old := s.inject(1, 7, false)
	released := s.inject(1, 8, false)
	s.e.release(released) // waits behind 7
	s.lost()
	s.e.release(old)
	s.connect(true)
	s.e.release(old)
	s.want()
	again := s.inject(1, 7, true) // the broker delivers it again
	s.e.release(old)
	s.want()
	if again == old {
		t.Error("a delivery's ID is used twice")
	}
	s.e.release(again)
	s.want("PUBACK id=7")
	if s.e.count.StaleAcks != 3 {
		t.Errorf("%d stale acknowledgements, want 3", s.e.count.StaleAcks)
	}
}

func TestTrap27_PubacksLeaveInOrderOfArrival(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	var ids []uint64
	for id := range uint16(5) {
		ids = append(ids, s.inject(1, 10+id, false))
	}
	s.e.release(ids[3])
	s.e.release(ids[1])
	s.want()
	s.e.release(ids[0])
	s.want("PUBACK id=10", "PUBACK id=11") // [MQTT-4.6.0-2]
	s.e.release(ids[4])
	s.want()
	s.e.release(ids[2])
	s.want("PUBACK id=12", "PUBACK id=13", "PUBACK id=14")
}

func TestTrap28_RepeatedWhileTheFirstCopyIsHeld(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	first := s.inject(1, 7, false)
	second := s.inject(1, 7, true) // some brokers do this within a connection
	if first == second {
		t.Fatal("one ID for two deliveries")
	}
	s.e.release(second)
	s.want()
	s.e.release(first)
	s.want("PUBACK id=7", "PUBACK id=7")
	third := s.inject(1, 7, true) // after the PUBACK a new message, whatever DUP says [MQTT-4.3.2-2]
	s.e.release(third)
	s.want("PUBACK id=7")
}

func TestAcksProperty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a acks
	var owed []uint64 // IDs in order of arrival; the broker's identifier is the low half
	released := map[uint64]bool{}
	var seen uint64
	for range 200_000 {
		switch r.IntN(5) {
		case 0, 1:
			id := a.add(uint16(seen))
			if id <= seen {
				t.Fatalf("ID %d after %d", id, seen)
			}
			for seen++; seen < id; seen++ { // IDs lost with a connection
				t.Fatalf("ID %d skipped", seen)
			}
			owed = append(owed, id)
		case 2, 3:
			if len(owed) > 0 {
				id := owed[r.IntN(len(owed))]
				if got := a.release(id); got == released[id] {
					t.Fatalf("release of %d: %v", id, got)
				}
				released[id] = true
			}
			for a.due() {
				if got := a.next(); got != uint16(owed[0]-1) || !released[owed[0]] {
					t.Fatalf("acknowledges %d, want %d, released %v", got, uint16(owed[0]-1), released[owed[0]])
				}
				owed = owed[1:]
			}
		case 4:
			if len(owed) > 20 {
				a.clear()
				for _, id := range owed {
					if a.release(id) {
						t.Fatalf("%d was released after the connection ended", id)
					}
				}
				owed = nil
			}
			a.trim()
		}
		if a.owed() != len(owed) {
			t.Fatalf("owes %d, want %d", a.owed(), len(owed))
		}
	}
}

func TestMoreInFlightThanIdentifiers(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	for i := range idCount {
		s.inject(1, uint16(i+1), false)
	}
	m := packet.Publish{Topic: []byte("t"), QoS: 1, ID: 1, Dup: true}
	s.refuse("packet identifiers", m.Append(nil))
	if s.e.acks.owed() != idCount {
		t.Error(fmt.Sprint("owes ", s.e.acks.owed()))
	}
}
