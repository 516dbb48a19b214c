package mqttcore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Traps 8 to 19, 22 and 23: what is sent again, in which order, how marked, and
// within which window.

func TestTrap08_QoS0IsNeverASuccessWithoutAWrite(t *testing.T) {
	s := newScript(t, Config{})
	m := Message{Topic: []byte("t")}
	if err := s.e.publish(s.now, &m, 1, nil); !errors.Is(err, ErrNotConnected) {
		t.Fatalf("offline: %v, want ErrNotConnected", err)
	}
	s.connect(false)
	s.wantEvents("connected present=false")
	s.publish(0, 3)
	s.e.take(make([]byte, 0, 64)) // the writer has all three, and nobody knows how far it got
	s.publish(0, 1)
	s.lost()
	s.wantEvents(
		"1 "+errFateLost.Error(), "2 "+errFateLost.Error(), "3 "+errFateLost.Error(),
		"4 "+errNotSentLost.Error())
	s.connect(true)
	s.want() // MQTT-4.3.1-1: sent once or not at all
}

func TestTrap09_EveryWindowSlotComesBack(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2})
	s.connect(false)
	for round := range uint16(100) {
		s.publish(1, 3)
		id := 3*round + 1
		s.want(
			fmt.Sprintf("PUBLISH q1 id=%d %d", id, id),
			fmt.Sprintf("PUBLISH q1 id=%d %d", id+1, id+1))
		if round%10 == 9 { // a slot must not leak over a lost connection either
			s.lost()
			s.connect(true)
			s.want(
				fmt.Sprintf("PUBLISH q1 dup id=%d %d", id, id),
				fmt.Sprintf("PUBLISH q1 dup id=%d %d", id+1, id+1))
		}
		s.puback(id, id, id) // twice too often: no slot for that
		s.want(fmt.Sprintf("PUBLISH q1 id=%d %d", id+2, id+2))
		s.puback(id+2, id+1)
		s.want()
	}
	if s.e.out.inflight != 0 || s.e.out.queue.n != 0 || s.e.out.bytes != 0 {
		t.Errorf("left over: %+v", s.e.out)
	}
}

func TestTrap10_TheWindowDoesNotUnderflowOnResend(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 5})
	s.connect(false)
	s.publish(1, 5)
	s.takeAll()
	s.lost()
	s.cfg.MaxInflight = 2 // as if the broker now allowed less than is outstanding
	s.connect(true)
	s.publish(1, 100)
	s.want("PUBLISH q1 dup id=1 1", "PUBLISH q1 dup id=2 2")
	s.puback(1, 2, 1, 2)
	s.want("PUBLISH q1 dup id=3 3", "PUBLISH q1 dup id=4 4")
	s.puback(4)
	s.want("PUBLISH q1 dup id=5 5")
	s.puback(3)
	s.want("PUBLISH q1 id=6 6")
}

func TestTrap11_SessionLossLeavesNothingStuck(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 1})
	s.connect(false)
	s.publish(1, 2)
	s.want("PUBLISH q1 id=1 1")
	for range 3 { // again and again, before anything is acknowledged
		s.lost()
		s.connect(false)
		got := s.takeAll()
		if len(got) != 1 || !strings.HasSuffix(got[0], " 1") || strings.Contains(got[0], "dup") {
			t.Fatalf("sends %q, want message 1 as a new one", got)
		}
	}
	s.puback(4)
	s.want("PUBLISH q1 id=5 2")
	s.puback(5)
	s.publish(0, 1)
	s.want("PUBLISH q0 3")
}

func TestTrap12_ReconnectSendsTheFirstMessageAtOnce(t *testing.T) {
	s := newScript(t, Config{})
	s.subscribe("c", 1)
	s.publish(1, 1)
	s.connect(false)
	s.want("SUBSCRIBE id=1 c q1", "PUBLISH q1 id=2 2") // nobody waits for SUBACK
}

func TestTrap13_RedeliveryKeepsTheOrder(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 12})
	s.connect(false)
	s.publish(1, 12)
	s.takeAll()
	s.puback(5, 2)
	s.lost()
	s.connect(true)
	var got []string
	for _, line := range s.takeAll() {
		got = append(got, line[strings.LastIndexByte(line, ' ')+1:])
	}
	if want := "1 3 4 6 7 8 9 10 11 12"; strings.Join(got, " ") != want {
		t.Errorf("redelivered %q, want %q", strings.Join(got, " "), want)
	}
}

func TestTrap14_NewMessagesDoNotOvertakeTheBacklog(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2})
	s.connect(false)
	s.publish(1, 3)
	s.want("PUBLISH q1 id=1 1", "PUBLISH q1 id=2 2")
	s.lost()
	s.publish(1, 1)
	s.connect(true)
	s.publish(1, 1)
	s.publish(0, 1) // QoS 0 keeps its place too
	s.want("PUBLISH q1 dup id=1 1", "PUBLISH q1 dup id=2 2")
	s.puback(1, 2)
	s.want("PUBLISH q1 id=3 3", "PUBLISH q1 id=4 4")
	s.puback(3, 4)
	s.want("PUBLISH q1 id=5 5", "PUBLISH q0 6")
}

func TestTrap15_ResendStaysWithinTheWindow(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 3})
	s.publish(1, 10)
	s.connect(false)
	for range 4 {
		if got := s.takeAll(); len(got) != 3 {
			t.Fatalf("%d messages in flight, want 3: %q", len(got), got)
		}
		s.lost()
		s.connect(true)
	}
}

func TestTrap16_DupMarksResendsAndNothingElse(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 1})
	s.connect(false)
	s.publish(1, 2)
	s.want("PUBLISH q1 id=1 1")
	s.lost()
	s.connect(true)
	s.want("PUBLISH q1 dup id=1 1") // [MQTT-3.3.1-1]
	s.puback(1)
	s.want("PUBLISH q1 id=2 2") // was queued when the connection was lost, never sent
}

func TestTrap17_ResendKeepsThePacketIdentifier(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.publish(1, 2)
	s.want("PUBLISH q1 id=1 1", "PUBLISH q1 id=2 2")
	s.puback(1)
	for range 3 {
		s.lost()
		s.connect(true)
		s.want("PUBLISH q1 dup id=2 2") // [MQTT-2.3.1-3]
	}
	s.publish(1, 1)
	s.want("PUBLISH q1 id=3 3")
}

func TestTrap18_LostSessionRepublishes(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2})
	s.connect(false)
	s.publish(1, 3)
	s.subscribe("c", 1)
	s.want("SUBSCRIBE id=1 c q1", "PUBLISH q1 id=2 1", "PUBLISH q1 id=3 2")
	s.lost()
	s.connect(false)
	s.want("SUBSCRIBE id=4 c q1", "PUBLISH q1 id=5 1", "PUBLISH q1 id=6 2")
	s.events()
	s.puback(2, 3) // the old session's, late
	s.receive(packet.AppendSuback(nil, 1, 1))
	s.wantEvents()
	s.want()
	if s.e.count.UnknownAcks != 3 || s.e.count.Republished != 2 || s.e.count.Redelivered != 0 {
		t.Errorf("counted %+v", s.e.count)
	}
	s.puback(5)
	s.receive(packet.AppendSuback(nil, 4, 0))
	s.wantEvents("1 done", "4 granted 0")
	s.want("PUBLISH q1 id=7 3")
}

func TestTrap18_LostSessionFailsWhatWasSent(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2, SessionLost: FailLost})
	s.connect(false)
	s.publish(1, 3)
	s.takeAll()
	s.lost()
	s.events()
	s.connect(false)
	s.wantEvents("1 "+errFateSession.Error(), "2 "+errFateSession.Error(), "connected present=false")
	s.want("PUBLISH q1 id=3 3") // never sent: no doubt about it
	if !errors.Is(errFateSession, ErrFateUnknown) || !errors.Is(errFateSession, ErrSessionLost) {
		t.Error("error does not say what happened")
	}
}

func TestTrap18_CleanSessionHasNoOldState(t *testing.T) {
	s := newScript(t, Config{CleanSession: true})
	s.connect(false)
	s.publish(1, 1)
	s.want("PUBLISH q1 id=1 1")
	s.lost()
	s.connect(false)
	s.want("PUBLISH q1 id=2 1") // [MQTT-3.1.2-6]: another identifier, no DUP
	s.lost()
	s.e.open([]byte{0})
	s.e.take(nil)
	s.refuse("session present", packet.Connack{SessionPresent: true}.Append(nil)) // [MQTT-3.2.2-1]
}

func TestTrap19_MessagesBetweenDeathAndDetection(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.events()
	s.publish(1, 2)
	s.takeAll()     // into a dead socket
	s.publish(1, 1) // before anybody knows
	s.lost()
	s.publish(1, 1) // after
	s.connect(true)
	s.want("PUBLISH q1 dup id=1 1", "PUBLISH q1 dup id=2 2", "PUBLISH q1 id=3 3", "PUBLISH q1 id=4 4")
	s.puback(1, 2, 3, 4)
	s.wantEvents("connected present=true", "1 done", "2 done", "3 done", "4 done")
}

func TestTrap22_PubacksOutOfOrder(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 3})
	s.connect(false)
	s.events()
	s.publish(1, 5)
	s.want("PUBLISH q1 id=1 1", "PUBLISH q1 id=2 2", "PUBLISH q1 id=3 3")
	s.puback(3)
	s.want("PUBLISH q1 id=4 4") // its slot is free at once
	s.puback(2)
	s.want("PUBLISH q1 id=5 5")
	s.wantEvents("3 done", "2 done")
	s.lost()
	s.connect(true)
	s.want("PUBLISH q1 dup id=1 1", "PUBLISH q1 dup id=4 4", "PUBLISH q1 dup id=5 5")
}

func TestTrap23_AcknowledgementsOfNothingFreeNothing(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 1})
	s.connect(false)
	s.events()
	s.subscribe("c", 1)
	s.publish(1, 2)
	s.want("SUBSCRIBE id=1 c q1", "PUBLISH q1 id=2 2")
	s.puback(1, 7)                            // a SUBSCRIBE's identifier, and nobody's
	s.receive(packet.AppendSuback(nil, 2, 1)) // a PUBLISH's identifier
	s.receive(packet.AppendUnsuback(nil, 1))  // the wrong kind of answer
	s.receive(packet.AppendUnsuback(nil, 2))
	s.want()
	s.wantEvents()
	if s.e.count.UnknownAcks != 5 {
		t.Errorf("%d acknowledgements ignored, want 5", s.e.count.UnknownAcks)
	}
	s.lost()
	s.connect(true)
	s.puback(2) // not sent on this connection yet
	s.want("SUBSCRIBE id=3 c q1", "PUBLISH q1 dup id=2 2")
	s.puback(2)
	s.want("PUBLISH q1 id=4 3")
}

func TestPubackBeforeTheWriteReturns(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 3})
	s.connect(false)
	s.events()
	s.publish(1, 2)
	s.publish(0, 1)
	s.e.take(make([]byte, 0, 64))
	s.now = s.now.Add(time.Second)
	s.puback(1)
	s.e.wrote(s.now.Add(time.Second))
	s.wantEvents("1 done", "3 done")
	s.puback(2)
	s.wantEvents("2 done")
	if s.e.out.inflight != 0 || s.e.out.unwritten != nil {
		t.Errorf("left over: %+v", s.e.out)
	}
}

func TestDisconnectComesLast(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 8})
	s.connect(false)
	s.subscribe("c", 0)
	s.e.release(s.inject(1, 7, false))
	s.publish(1, 9) // more than fit into one write, and one more than the window
	if !s.e.disconnect() {
		t.Fatal("no connection to end")
	}
	s.publish(1, 1) // too late for this connection
	got := s.takeAll()
	if len(got) != 11 || got[9] != "PUBLISH q1 id=9 9" || got[10] != "DISCONNECT" {
		t.Errorf("sends %q", got)
	}
	s.puback(2)
	s.want() // [MQTT-3.14.4-2]
	if late := s.e.out.queue.tail; late.stage != queued || !late.wired.IsZero() {
		t.Errorf("a message that was never sent is %+v", late)
	}
}

// Whatever happens, and whenever: the broker sees the messages of each
// connection in the order in which they were accepted, without a gap, and at
// the end has every one of them.
func TestRedeliveryOrderProperty(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newScript(t, Config{MaxInflight: 1 + r.IntN(8), MaxQueued: 1 << 20})
		b := &orderBroker{t: t, s: s, r: r, seed: seed, unacked: map[uint16]int{}}
		for range 60 {
			b.step()
		}
		b.finish()
	}
}

// orderBroker is a broker that loses connections and sessions.
type orderBroker struct {
	t    *testing.T
	s    *script
	r    *rand.Rand
	seed uint64

	online  bool
	unacked map[uint16]int // message by identifier, received on this connection
	last    int            // message last received on this connection
	first   map[int]bool   // messages received so far, on any connection
	acked   map[int]bool   // messages acknowledged by a PUBACK that was delivered
}

func (b *orderBroker) step() {
	switch b.r.IntN(8) {
	case 0, 1, 2:
		b.s.publish(1, 1+b.r.IntN(4))
	case 3:
		if !b.online {
			b.connect(b.r.IntN(3) > 0)
		}
	case 4, 5:
		if b.online {
			b.read(1 + b.r.IntN(6))
		}
	case 6:
		b.acknowledge(1 + b.r.IntN(3))
	case 7:
		if b.online && b.r.IntN(2) == 0 {
			b.s.e.take(make([]byte, 0, 64)) // lost on the way
			b.lose()
		}
	}
}

func (b *orderBroker) connect(present bool) {
	b.s.connect(present)
	b.online, b.last = true, 0
}

func (b *orderBroker) lose() {
	b.s.lost()
	b.online = false
	clear(b.unacked)
}

// read takes up to n packets and loses the rest of that write: the cut may be
// anywhere.
func (b *orderBroker) read(n int) {
	out := b.s.e.take(make([]byte, 0, 64))
	for ; n > 0 && len(out) > 0; n-- {
		size, err := packet.Size(out, 0)
		if err != nil {
			b.t.Fatal(err)
		}
		b.message(out[:size])
		out = out[size:]
	}
	if len(out) > 0 {
		b.lose()
		return
	}
	b.s.e.wrote(b.s.now)
}

func (b *orderBroker) message(p []byte) {
	m, err := packet.ParsePublish(p)
	if err != nil {
		b.t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(string(m.Payload), &n); err != nil {
		b.t.Fatal(err)
	}
	if b.first == nil {
		b.first, b.acked = map[int]bool{}, map[int]bool{}
	}
	if n <= b.last {
		b.t.Fatalf("seed %d: message %d after %d", b.seed, n, b.last)
	}
	for between := b.last + 1; between < n; between++ {
		if !b.acked[between] {
			b.t.Fatalf("seed %d: message %d, but %d is not acknowledged and was not sent before it", b.seed, n, between)
		}
	}
	if b.acked[n] {
		b.t.Fatalf("seed %d: message %d sent again after its acknowledgement", b.seed, n)
	}
	if _, used := b.unacked[m.ID]; used {
		b.t.Fatalf("seed %d: identifier %d is in use", b.seed, m.ID)
	}
	if m.Dup && !b.first[n] && b.last > 0 && !b.first[b.last] {
		b.t.Fatalf("seed %d: DUP on message %d behind one never seen", b.seed, n)
	}
	if len(b.unacked) >= b.s.cfg.MaxInflight {
		b.t.Fatalf("seed %d: more than %d in flight", b.seed, b.s.cfg.MaxInflight)
	}
	b.last, b.first[n], b.unacked[m.ID] = n, true, n
}

// acknowledge sends up to n PUBACKs, in any order.
func (b *orderBroker) acknowledge(n int) {
	ids := make([]uint16, 0, len(b.unacked))
	for id := range b.unacked {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	b.r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:min(n, len(ids))] {
		b.s.puback(id)
		b.acked[b.unacked[id]] = true
		delete(b.unacked, id)
	}
}

// finish lets everything through and checks that nothing is missing or told
// twice.
func (b *orderBroker) finish() {
	if !b.online {
		b.connect(true)
	}
	for b.s.e.due() || len(b.unacked) > 0 {
		if !b.online {
			b.connect(true)
		}
		b.read(100)
		b.acknowledge(100)
	}
	told := map[string]int{}
	for _, line := range b.s.events() {
		told[line]++
	}
	for n := 1; n <= int(b.s.tokens); n++ {
		if told[fmt.Sprintf("%d done", n)] != 1 || !b.acked[n] {
			b.t.Fatalf("seed %d: message %d told %d times", b.seed, n, told[fmt.Sprintf("%d done", n)])
		}
	}
}
