package devices

import (
	"context"
	"io"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func published1(msgID uint16, data string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: msgID, Data: []byte(data)}
}

func puback1(msgID uint16) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.PubAck, TopicID: ab, MsgID: msgID}
}

// TestBrokerOutageIsInvisible: the board's session stays, and what it publishes
// meanwhile is held and arrives in order when the broker is back.
func TestBrokerOutageIsInvisible(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: 1})
	conn.Want(`SUBSCRIBE id=1 ab:1`)
	conn.Suback(1, 1)
	b.want("subscribed", mqttsn.Packet{Type: mqttsn.SubAck, Flags: mqttsn.QoS1, MsgID: 1})

	conn.Close()
	again := b.broker.Accept()
	again.Want(`CONNECT "b1" clean keepalive=30`)
	b.send(published1(2, "one"), published1(3, "two")) // while there is no CONNACK
	b.send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: short, TopicID: ab, MsgID: 4})
	b.want("only the broker could answer", mqttsn.Packet{Type: mqttsn.SubAck, MsgID: 4, ReturnCode: mqttsn.Congestion})
	again.Connack(false, 0)
	again.Want(`SUBSCRIBE id=2 ab:1`)
	again.Want(`PUBLISH q1 id=3 ab "one"`)
	again.Suback(2, 1)
	again.Puback(3) // the first one goes alone after the broker closed
	again.Want(`PUBLISH q1 id=4 ab "two"`)
	again.Puback(4)
	b.want("held and now safe", puback1(2))
	b.want("in order", puback1(3))
}

// TestUnplugged: a short absence of the port ends nothing.
func TestUnplugged(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.unplug()
	b.plug()
	b.want("whoever is there is asked to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(published1(1, "still here"))
	conn.Want(`PUBLISH q1 id=1 ab "still here"`)
	conn.Puback(1)
	b.want("the session lives", puback1(1))
}

// TestStopTellsTheBoard: an orderly stop asks the board to connect anew, and
// cuts the MQTT session without DISCONNECT.
func TestStopTellsTheBoard(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.stop()
	b.want("connect again", mqttsn.Packet{Type: mqttsn.Disconnect})
	conn.WantClosed()
}

// TestSlowPort: a board that does not read holds up nobody but itself, and gets
// everything when it reads again.
func TestSlowPort(t *testing.T) {
	b := newBench(t, func(c *Config) { c.RxBuffer = 0 })
	conn := b.connect()
	b.send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: short, TopicID: ab, MsgID: 1})
	conn.Want(`SUBSCRIBE id=1 ab:0`)
	conn.Suback(1, 0)
	b.want("subscribed", mqttsn.Packet{Type: mqttsn.SubAck, MsgID: 1})
	const n = 400 // of 100 bytes each: more than a pty holds
	body := make([]byte, 100)
	for range n {
		conn.SendRaw(append([]byte{0x30, 104, 0, 2, 'a', 'b'}, body...))
	}
	// The loop still answers, although the port takes nothing. What does not fit
	// stays where it is bounded.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s, ok := b.device.Status(ctx)
		if !ok {
			t.Fatal("the loop does not answer")
		}
		if len(s.Boards) == 1 && s.Boards[0].Queued == inboundSlots {
			break
		}
	}
	for range n {
		if p := b.next(); p.Type != mqttsn.Publish || len(p.Data) != len(body) {
			t.Fatalf("the board read %s", p.Type)
		}
	}
}

// TestConsoleAndNoise: text between frames is shown, and neither it nor noise
// harms the next frame.
func TestConsoleAndNoise(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w := b.device.Watch(ctx)
	defer w.Close()
	if _, err := io.WriteString(b.master, "boot: ok\n\x00\xff\xfe\x00"); err != nil {
		t.Fatal(err)
	}
	b.send(published1(1, "after"))
	conn.Want(`PUBLISH q1 id=1 ab "after"`)
	for _, want := range []WatchEvent{{Kind: Console, Body: []byte("boot: ok\n")}, {Kind: Noise, Body: []byte("\xff\xfe")}, {Kind: FrameIn}} {
		select {
		case ev := <-w.C:
			if ev.Kind != want.Kind || (want.Body != nil && string(ev.Body) != string(want.Body)) {
				t.Fatalf("saw %d %q, want %d %q", ev.Kind, ev.Body, want.Kind, want.Body)
			}
		case <-ctx.Done():
			t.Fatal("nothing to see")
		}
	}
}

// TestAMissingPortIsAState: a device without its port is ready and says why.
func TestAMissingPortIsAState(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Port.Path += "-missing" })
	<-b.device.Ready()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s, ok := b.device.Status(ctx)
		if !ok {
			t.Fatal("the loop does not answer")
		}
		if s.Problem != "" && !s.Open {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the problem is not said")
		}
	}
}
