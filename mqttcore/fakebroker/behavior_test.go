package fakebroker_test

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// behaving runs a test in a bubble with a broker that behaves so on every connection.
func behaving(t *testing.T, config fakebroker.Config, behavior fakebroker.Behavior, test func(t *testing.T, b *fakebroker.Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, config)
		b.Serve(func(int) fakebroker.Behavior { return behavior })
		test(t, b)
	})
}

func TestGoodBroker(t *testing.T) {
	behaving(t, fakebroker.Config{}, fakebroker.Behavior{}, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		c.want(connack(false, packet.Accepted))
		c.send(publish(0, 0, false), publish(1, 1, false), publish(1, 2, false), subscribe(3, "c", 1), packet.AppendPingreq(nil))
		c.want(puback(1, 2))
		c.want(packet.AppendSuback(nil, 3, 1))
		c.want(packet.AppendPingresp(nil))
		c.send(packet.AppendUnsubscribe(nil, 4, []byte("c")))
		c.want(packet.AppendUnsuback(nil, 4))

		// Downlink is the test's to send, while the broker answers by itself.
		down := packet.Publish{Topic: []byte("c"), QoS: 1, ID: 9}
		b.Accept().Publish(down)
		c.want(down.Append(nil))
		c.send(puback(9), packet.AppendDisconnect(nil))
		b.Wait(packet.DISCONNECT, 1)
		_ = c.Close()
	})
}

func TestServeIsAskedForEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, fakebroker.Config{})
		b.Serve(func(n int) fakebroker.Behavior { return fakebroker.Behavior{Refuse: packet.ReturnCode(n)} })
		connect(t, b, "x", true).want(connack(false, packet.Accepted))
		second := connect(t, b, "x", true)
		second.want(connack(false, packet.RefusedVersion))
		second.wantEnd(io.EOF)
		b.Serve(nil)
		connect(t, b, "x", true)
		b.Accept()
		b.Accept()
		b.Accept().WantConnect()
	})
}

func TestSessionPresent(t *testing.T) {
	tests := []struct {
		name    string
		session fakebroker.Session
		clean   []bool // of the CONNECTs, one after the other
		want    []bool // session present
	}{
		{"true", fakebroker.TrueSession, []bool{false, false, true, true, false, false}, []bool{false, true, false, false, false, true}},
		{"lost", fakebroker.LostSession, []bool{false, false}, []bool{false, false}},
		{"false", fakebroker.FalseSession, []bool{false, true}, []bool{true, false}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			behaving(t, fakebroker.Config{}, fakebroker.Behavior{Session: test.session}, func(t *testing.T, b *fakebroker.Broker) {
				for i := range test.clean {
					connect(t, b, "x", test.clean[i]).want(connack(test.want[i], packet.Accepted))
				}
				if test.session == fakebroker.TrueSession {
					connect(t, b, "another", false).want(connack(false, packet.Accepted))
				}
			})
		})
	}
}

func TestRefusalTouchesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, fakebroker.Config{})
		b.Serve(func(n int) fakebroker.Behavior {
			if n == 1 {
				return fakebroker.Behavior{Refuse: packet.RefusedUnavailable, Session: fakebroker.FalseSession}
			}
			return fakebroker.Behavior{}
		})
		connect(t, b, "x", false).want(connack(false, packet.Accepted))
		connect(t, b, "x", true).want(connack(false, packet.RefusedUnavailable))
		connect(t, b, "x", false).want(connack(true, packet.Accepted))
	})
}

func TestKickAfterConnack(t *testing.T) {
	behaving(t, fakebroker.Config{}, fakebroker.Behavior{KickAfterConnack: true}, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		c.want(connack(false, packet.Accepted))
		c.wantEnd(io.EOF)
	})
}

func TestRawAfterConnack(t *testing.T) {
	behaving(t, fakebroker.Config{}, fakebroker.Behavior{Raw: []byte{0x40, 2, 0, 0}}, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		c.want(connack(false, packet.Accepted))
		c.want([]byte{0x40, 2, 0, 0})
		c.send(packet.AppendPingreq(nil))
		c.want(packet.AppendPingresp(nil))
	})
}

// The broker that can lock up a client which writes before it reads.
func TestBeforeReading(t *testing.T) {
	flood := make([]packet.Publish, 10)
	var raw []byte
	for i := range flood {
		flood[i] = packet.Publish{Topic: []byte("down"), Payload: make([]byte, 100)}
		raw = flood[i].Append(raw)
	}
	config := fakebroker.Config{SendBuffer: 64, ReceiveBuffer: 64}
	behaving(t, config, fakebroker.Behavior{BeforeReading: flood}, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		writing := background(c.Write, slices.Repeat(publish(0, 0, false), 100))
		wantBlocked(t, writing)
		if n := len(b.ReceivedType(packet.PUBLISH)); n != 0 {
			t.Errorf("%d messages received before the broker was read from", n)
		}
		c.want(connack(false, packet.Accepted))
		c.want(raw[:len(raw)-65])
		wantBlocked(t, writing)
		c.want(raw[len(raw)-65:])
		wantResult(t, writing, 100*len(publish(0, 0, false)), nil)
		b.Wait(packet.PUBLISH, 100)
	})
}

func TestBehaviorCutsAfterRead(t *testing.T) {
	hello := len((&packet.Connect{ClientID: []byte("x"), CleanSession: true}).Append(nil))
	one := len(publish(1, 1, false))
	for cut, want := range map[int]int{hello: 0, hello + 1: 0, hello + one - 1: 0, hello + one: 1, hello + 2*one - 1: 1, hello + 2*one: 2} {
		behaving(t, fakebroker.Config{}, fakebroker.Behavior{CutAfterRead: cut}, func(t *testing.T, b *fakebroker.Broker) {
			c := connect(t, b, "x", true)
			c.want(connack(false, packet.Accepted))
			_, _ = c.Write(slices.Concat(publish(1, 1, false), publish(1, 2, false), publish(1, 3, false)))
			// What was complete is acknowledged, and the client can read it.
			c.want(puback([]uint16{1, 2}[:want]...))
			c.wantEnd(io.EOF)
			if got := len(b.ReceivedType(packet.PUBLISH)); got != want {
				t.Errorf("cut after %d bytes: %d messages received, want %d", cut, got, want)
			}
		})
	}
}

func TestBehaviorCutsAfterWrite(t *testing.T) {
	all := append(connack(false, packet.Accepted), puback(1)...)
	for cut := 1; cut <= len(all); cut++ {
		behaving(t, fakebroker.Config{}, fakebroker.Behavior{CutAfterWrite: cut}, func(t *testing.T, b *fakebroker.Broker) {
			c := connect(t, b, "x", true)
			_, _ = c.Write(publish(1, 1, false))
			c.want(all[:cut])
			c.wantEnd(io.EOF)
		})
	}
}

func TestHoldPubacks(t *testing.T) {
	behaving(t, fakebroker.Config{}, fakebroker.Behavior{HoldPubacks: true}, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		c.want(connack(false, packet.Accepted))
		c.send(publish(1, 1, false), publish(1, 2, false), packet.AppendPingreq(nil))
		c.want(packet.AppendPingresp(nil))
		conn := b.Accept()
		if held := conn.Held(2); !slices.Equal(held, []uint16{1, 2}) {
			t.Errorf("held %v, want 1 and 2", held)
		}
		conn.Release()
		c.want(puback(1, 2))
		c.send(publish(1, 1, false)) // free again
		conn.Held(1)
		conn.Release()
		c.want(puback(1))
	})
}

func TestReversePubacks(t *testing.T) {
	behaving(t, fakebroker.Config{}, fakebroker.Behavior{ReversePubacks: 3}, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		c.want(connack(false, packet.Accepted))
		c.send(publish(1, 1, false), publish(1, 2, false), publish(1, 3, false))
		c.want(puback(3, 2, 1))
		c.send(publish(1, 4, false), publish(1, 5, false), packet.AppendPingreq(nil))
		c.want(puback(5, 4))
		c.want(packet.AppendPingresp(nil))
	})
}

func TestGrantAndIgnorePings(t *testing.T) {
	behavior := fakebroker.Behavior{
		IgnorePings: true,
		Grant: func(filter string, qos byte) byte {
			if filter == "secret" {
				return packet.SubackFailure
			}
			return qos - 1
		},
	}
	behaving(t, fakebroker.Config{}, behavior, func(t *testing.T, b *fakebroker.Broker) {
		c := connect(t, b, "x", true)
		c.want(connack(false, packet.Accepted))
		c.send(packet.AppendPingreq(nil), subscribe(1, "secret", 1), subscribe(2, "c", 1))
		c.want(packet.AppendSuback(nil, 1, packet.SubackFailure))
		c.want(packet.AppendSuback(nil, 2, 0))
	})
}
