package fakebroker_test

import (
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// scripted runs a test in a bubble with a client connected and welcomed.
func scripted(t *testing.T, config fakebroker.Config, test func(t *testing.T, c client, conn *fakebroker.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := fakebroker.New(t, config)
		c := connect(t, b, "x", true)
		conn := b.Welcome(false)
		c.want(connack(false, packet.Accepted))
		test(t, c, conn)
	})
}

func TestScript(t *testing.T) {
	scripted(t, fakebroker.Config{}, func(t *testing.T, c client, conn *fakebroker.Conn) {
		c.send(subscribe(1, "c/#", 1), publish(1, 2, false), publish(1, 3, false), packet.AppendPingreq(nil))
		conn.Want(`SUBSCRIBE id=1 c/#:1`)
		if p := conn.Want(`PUBLISH q1 id=* a "2"`); p.ID != 2 {
			t.Errorf("identifier %d, want 2", p.ID)
		}
		if m := conn.WantPublish(); m.ID != 3 {
			t.Errorf("identifier %d, want 3", m.ID)
		}
		conn.WantType(packet.PINGREQ)
		conn.WantIdle()

		conn.Pingresp()
		conn.Puback(3, 2)
		conn.Suback(1, packet.SubackFailure)
		down := packet.Publish{Topic: []byte("c/x"), Payload: []byte("on"), QoS: 1, ID: 1}
		conn.Publish(down, down)
		conn.SendRaw([]byte{0xff})
		c.want(packet.AppendPingresp(nil))
		c.want(puback(3, 2))
		c.want(packet.AppendSuback(nil, 1, packet.SubackFailure))
		c.want(down.Append(down.Append(nil)))
		c.want([]byte{0xff})

		c.send(packet.AppendDisconnect(nil))
		_ = c.Close()
		conn.Want(`DISCONNECT`)
		conn.WantClosed()
	})
}

func TestWantsThatFail(t *testing.T) {
	ping := packet.AppendPingreq(nil)
	tests := []struct {
		name   string
		client func(c client)
		script func(conn *fakebroker.Conn)
		want   []string
	}{
		{"another packet", func(c client) { c.send(ping) }, func(conn *fakebroker.Conn) { conn.Want(`DISCONNECT`) }, []string{"PINGREQ", "want DISCONNECT"}},
		{"another identifier", func(c client) { c.send(puback(2)) }, func(conn *fakebroker.Conn) { conn.Want(`PUBACK id=1`) }, []string{"id=2", "id=1"}},
		{"another type", func(c client) { c.send(ping) }, func(conn *fakebroker.Conn) { conn.WantPublish() }, []string{"PINGREQ", "want PUBLISH"}},
		{"nothing", func(client) {}, func(conn *fakebroker.Conn) { conn.Want(`PINGREQ`) }, []string{"timeout", "want PINGREQ"}},
		{"an end", func(c client) { _ = c.Close() }, func(conn *fakebroker.Conn) { conn.Want(`PINGREQ`) }, []string{"EOF", "want PINGREQ"}},
		{"not idle", func(c client) { c.send(ping) }, func(conn *fakebroker.Conn) { conn.WantIdle() }, []string{"PINGREQ", "want nothing"}},
		{"not idle, read before", func(c client) { c.send(append(ping, ping...)) },
			func(conn *fakebroker.Conn) { conn.Want(`PINGREQ`); conn.WantIdle() }, []string{"PINGREQ", "want nothing"}},
		{"closed, not idle", func(c client) { _ = c.Close() }, func(conn *fakebroker.Conn) { conn.WantIdle() }, []string{"closed", "want it idle"}},
		{"not closed", func(client) {}, func(conn *fakebroker.Conn) { conn.WantClosed() }, []string{"still open"}},
		{"not closed yet", func(c client) { c.send(ping) }, func(conn *fakebroker.Conn) { conn.WantClosed() }, []string{"PINGREQ", "want its end"}},
		{"broken at the end", func(c client) { c.send([]byte{0}) }, func(conn *fakebroker.Conn) { conn.WantClosed() }, []string{"broke MQTT"}},
		{"does not read", func(client) {}, func(conn *fakebroker.Conn) { conn.SendRaw(make([]byte, 11)) }, []string{"has not read"}},
		{"fewer bytes than cut", func(c client) { c.send(ping); _ = c.Close() }, func(conn *fakebroker.Conn) { conn.CutAfterRead(3) }, []string{"3 bytes"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantFailure(t, fakebroker.Config{SendBuffer: 10}, func(t *testing.T, b *fakebroker.Broker) {
				c := connect(t, b, "x", true)
				conn := b.Welcome(false)
				c.want(connack(false, packet.Accepted))
				test.client(c)
				test.script(conn)
			}, test.want...)
		})
	}
}

func TestWaitsThatFail(t *testing.T) {
	const patience = time.Minute
	for name, wait := range map[string]func(b *fakebroker.Broker){
		"a connection": func(b *fakebroker.Broker) { b.Accept() },
		"dials":        func(b *fakebroker.Broker) { b.WaitDials(1) },
		"PUBLISH":      func(b *fakebroker.Broker) { b.Wait(packet.PUBLISH, 1) },
	} {
		wantFailure(t, fakebroker.Config{Patience: patience}, func(t *testing.T, b *fakebroker.Broker) {
			began := time.Now()
			t.Cleanup(func() {
				if waited := time.Since(began); waited != patience {
					t.Errorf("%s: waited %v", name, waited)
				}
			})
			wait(b)
		}, "waited 1m0s for "+name)
	}
	wantFailure(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) { b.Addr() }, "no address")
}

func TestScriptAndBehaviorDoNotMix(t *testing.T) {
	wantFailure(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{} })
		dial(t, b)
		b.Accept().WantConnect()
	}, "served by a Behavior")
}

func TestScriptCuts(t *testing.T) {
	t.Run("after reading, inside a packet", func(t *testing.T) {
		scripted(t, fakebroker.Config{}, func(t *testing.T, c client, conn *fakebroker.Conn) {
			c.send(packet.AppendPingreq(nil), publish(1, 1, false), publish(1, 2, false))
			conn.Want(`PINGREQ`) // all is read by now, but one packet only is taken
			packets := conn.CutAfterRead(len(publish(1, 1, false)) + 3)
			if len(packets) != 1 || packets[0].String() != `PUBLISH q1 id=1 a "1"` {
				t.Errorf("complete by then: %v, want the first message", packets)
			}
			c.wantEnd(io.EOF)
		})
	})
	t.Run("after reading, at once", func(t *testing.T) {
		scripted(t, fakebroker.Config{}, func(t *testing.T, c client, conn *fakebroker.Conn) {
			if packets := conn.CutAfterRead(0); len(packets) != 0 {
				t.Errorf("complete by then: %v", packets)
			}
			c.wantEnd(io.EOF)
		})
	})
	t.Run("after writing", func(t *testing.T) {
		for n := range 4 {
			scripted(t, fakebroker.Config{}, func(t *testing.T, c client, conn *fakebroker.Conn) {
				conn.CutAfterWrite(n)
				if n == 0 {
					c.wantEnd(io.EOF) // at once
				}
				conn.Pingresp()
				conn.Pingresp()
				conn.Pingresp()
				c.want([]byte{0xd0, 0, 0xd0, 0}[:n])
				c.wantEnd(io.EOF)
			})
		}
	})
}

func TestResetLosesWhatIsUnderWay(t *testing.T) {
	scripted(t, fakebroker.Config{}, func(t *testing.T, c client, conn *fakebroker.Conn) {
		conn.Pingresp()
		conn.Reset()
		c.wantEnd(syscall.ECONNRESET)
	})
}

// A script that does not read is a broker that does not read.
func TestSmallReceiveBuffer(t *testing.T) {
	scripted(t, fakebroker.Config{ReceiveBuffer: 16}, func(t *testing.T, c client, conn *fakebroker.Conn) {
		one := publish(0, 0, false)
		done := background(c.Write, append(append(one, one...), one...))
		wantBlocked(t, done)
		for range 3 {
			conn.Want(`PUBLISH q0 a "0"`)
		}
		if r := <-done; r.err != nil {
			t.Error(r.err)
		}
	})
}
