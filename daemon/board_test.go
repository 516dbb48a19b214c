package daemon

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// board is a board on a datagram device.
type board struct {
	t    *testing.T
	conn net.Conn
}

func dialBoard(t *testing.T, addr string) *board {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &board{t, conn}
}

// exchange sends a message and returns the answer. A datagram may be lost
// before the listener is bound, so it asks again.
func (b *board) exchange(p mqttsn.Packet) mqttsn.Packet {
	b.t.Helper()
	buf := make([]byte, 2048)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := b.conn.Write(p.Append(nil)); err != nil {
			continue // refused: not bound yet
		}
		_ = b.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := b.conn.Read(buf)
		if err != nil {
			continue
		}
		var answer mqttsn.Packet
		if err := mqttsn.Parse(buf[:n], &answer); err != nil {
			b.t.Fatal(err)
		}
		return answer
	}
	b.t.Fatalf("no answer to %s", p.Type)
	return mqttsn.Packet{}
}

// connect wants a session for a client id.
func (b *board) connect(id string) {
	b.t.Helper()
	a := b.exchange(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte(id), Duration: 60})
	if a.Type != mqttsn.ConnAck || a.ReturnCode != mqttsn.Accepted {
		b.t.Fatalf("CONNECT was answered %s", a.String())
	}
}

// publish wants a QoS 1 message on the topic "ab" acknowledged.
func (b *board) publish(msgID uint16, payload string) {
	b.t.Helper()
	a := b.exchange(mqttsn.Packet{
		Type: mqttsn.Publish, Flags: mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName),
		TopicID: mqttsn.ShortTopic('a', 'b'), MsgID: msgID, Data: []byte(payload),
	})
	if a.Type != mqttsn.PubAck || a.ReturnCode != mqttsn.Accepted || a.MsgID != msgID {
		b.t.Fatalf("PUBLISH was answered %s", a.String())
	}
}

// freeUDP returns an address that is free now. Other programs look for a free port
// too, but not on a loopback address that was drawn by lot.
func freeUDP(t *testing.T) string {
	t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 1+rand.N(254))
	c, err := net.ListenPacket("udp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().String()
}
