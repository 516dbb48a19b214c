package devices

import (
	"context"
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestSleepingBoard: its USB port vanishes, messages wait, more of them than the
// gateway keeps, and all come in order when the board looks for them. PINGRESP
// comes after the last.
func TestSleepingBoard(t *testing.T) {
	b := newBench(t, nil)
	conn := b.connect()
	b.send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: 1})
	conn.Want(`SUBSCRIBE id=1 ab:1`)
	conn.Suback(1, 1)
	b.want("subscribed", mqttsn.Packet{Type: mqttsn.SubAck, Flags: mqttsn.QoS1, MsgID: 1})
	b.send(mqttsn.Packet{Type: mqttsn.Disconnect, HasDuration: true, Duration: 60})
	b.want("it may sleep", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.unplug()

	const n = inboundSlots + 36
	for i := range byte(n) {
		conn.SendRaw([]byte{0x32, 7, 0, 2, 'a', 'b', 0, i + 1, i})
	}
	b.queued(inboundSlots)
	b.plug()
	b.want("whoever is there is asked to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	b.send(mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte("b1")})
	for i := range byte(n) {
		msgID := uint16(i) + 1
		b.want("in order", mqttsn.Packet{Type: mqttsn.Publish, Flags: short | mqttsn.QoS1, TopicID: ab, MsgID: msgID, Data: []byte{i}})
		b.send(puback1(msgID))
		conn.Want(fmt.Sprintf(`PUBACK id=%d`, i+1))
	}
	b.want("and then to sleep", mqttsn.Packet{Type: mqttsn.PingResp})
}

// queued waits until so many messages wait for a board that is asleep.
func (b *bench) queued(want int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s, ok := b.device.Status(ctx)
		if !ok {
			b.t.Fatal("the loop does not answer")
		}
		if len(s.Boards) == 1 && s.Boards[0].Asleep && s.Boards[0].Queued == want {
			return
		}
	}
}
