package mqttcore

import (
	"errors"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
)

func (s *script) withdraw(token uint64, want bool) {
	s.t.Helper()
	if got := s.e.withdraw(token); got != want {
		s.t.Fatalf("withdraw %d: %v, want %v", token, got, want)
	}
}

// What waits behind the window can be withdrawn; what is on the wire cannot.
func TestWithdrawTakesWhatWasNotSent(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2})
	s.connect(false)
	s.events()
	s.publish(1, 5)
	s.want("PUBLISH q1 id=1 1", "PUBLISH q1 id=2 2")
	s.withdraw(1, false)
	s.withdraw(3, true) // the very next
	s.withdraw(3, false)
	s.withdraw(5, true) // the last
	s.withdraw(9, false)
	s.publish(1, 1)
	s.puback(1, 2)
	s.want("PUBLISH q1 id=3 4", "PUBLISH q1 id=4 6")
	s.puback(3, 4)
	s.withdraw(4, false)
	s.wantEvents("1 done", "2 done", "4 done", "6 done")
	if o := &s.e.out; o.inflight != 0 || o.queue.n != 0 || o.bytes != 0 {
		t.Errorf("left over: %+v", o)
	}
}

// Taken by the writer is sent: nobody knows how far it gets.
func TestWithdrawLeavesWhatTheWriterHas(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.events()
	s.publish(1, 1)
	s.e.take(nil)
	s.withdraw(1, false)
	s.lost()
	s.withdraw(1, true) // that connection is over
	s.connect(true)
	s.want()
	s.wantEvents("connected present=true")
}

// Without a connection everything can be withdrawn, also what was sent before,
// and nothing is sent again that was.
func TestWithdrawAcrossConnections(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 2})
	s.connect(false)
	s.publish(1, 4)
	s.takeAll()
	s.lost()
	s.withdraw(1, true)
	s.withdraw(3, true)
	s.connect(true)
	s.want("PUBLISH q1 dup id=2 2", "PUBLISH q1 id=3 4")
	s.events()
	s.puback(1) // late, of what is not ours any more
	s.wantEvents()
	s.withdraw(2, false)
	s.puback(2, 3)
	s.wantEvents("2 done", "4 done")
}

// An orderly end lets nothing more out: what it leaves can be withdrawn.
func TestWithdrawDuringAnOrderlyEnd(t *testing.T) {
	s := newScript(t, Config{MaxInflight: 1})
	s.connect(false)
	s.publish(1, 1)
	s.takeAll()
	s.e.disconnect()
	s.publish(1, 1)
	s.withdraw(1, false)
	s.withdraw(2, true)
	s.want("DISCONNECT")
}

// QoS 0 ends with its connection, and a blocking Publish with its context:
// neither is the hook's to withdraw.
func TestWithdrawIsForMessagesWithAToken(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.publish(0, 1)
	s.withdraw(1, false)
	m := Message{Topic: []byte("t"), QoS: 1}
	if err := s.e.publish(s.now, &m, 7, newWaiter()); err != nil {
		t.Fatal(err)
	}
	s.withdraw(7, false)
}

// A withdrawn message gives its packet identifier back.
func TestWithdrawFreesAnIdentifier(t *testing.T) {
	s := newScript(t, Config{MaxInflight: idCount, MaxQueued: idCount + 1})
	s.connect(false)
	s.publish(1, idCount)
	s.takeAll()
	s.lost()
	s.publish(1, 1)
	s.subscribe("c", 1)
	s.connect(true) // all identifiers belong to messages that are to be sent again
	s.events()
	if out := s.e.take(nil); len(out) != 0 {
		t.Fatalf("there was an identifier left for % x", out)
	}
	s.withdraw(1, true)
	if out := s.e.take(nil); len(out) == 0 || show(t, out) != "SUBSCRIBE id=1 c q1" {
		t.Errorf("sends % x", out)
	}
}

func TestClientWithdraw(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{MaxInflight: 1})
		conn := b.Welcome(false)
		r.publish(1, 3)
		conn.Want(`PUBLISH q1 id=1 t "\x01"`)
		if r.Withdraw(1) || !r.Withdraw(2) || r.Withdraw(2) {
			t.Error("message 1 is on its way, message 2 is not")
		}
		conn.Puback(1)
		conn.Want(`PUBLISH q1 id=2 t "\x03"`)
		conn.Puback(2)
		_, completions, _ := r.told()
		if len(completions) != 2 || completions[0].Token != 1 || completions[1].Token != 3 {
			t.Errorf("completions: %+v", completions)
		}
		r.Close()
		if r.Withdraw(1) {
			t.Error("withdrawn from a closed client")
		}
	})
}

// DISCONNECT waits for what is to be sent before it. If that is withdrawn, it
// is due at once.
func TestWithdrawWakesTheWriter(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(false)
	s.publish(1, 1)
	s.e.disconnect()
	s.withdraw(1, true)
	s.want("DISCONNECT")
	if err := s.e.publish(s.now, &Message{Topic: []byte("t")}, 2, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("QoS 0 behind DISCONNECT: %v", err)
	}
}
