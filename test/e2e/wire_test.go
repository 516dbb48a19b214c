package e2e

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// goodbye is the constant frame of docs/protocol.md section 6.1.
const goodbye = "\x00\x07\x02\x18\x2b\xe8\x83\x60\x00"

// readBytes reads n bytes or more off a line.
func readBytes(t *testing.T, line *cable.Cable, n int) []byte {
	t.Helper()
	var got []byte
	timeout := time.After(patience.Limit)
	for len(got) < n {
		select {
		case chunk := <-line.In():
			got = append(got, chunk...)
		case <-timeout:
			t.Fatalf("read % x, want %d bytes", got, n)
		}
	}
	return got
}

// TestNothingUninvited reads every byte that umqttd writes before a board's first frame: one DISCONNECT, whatever the board prints, stammers or damages.
func TestNothingUninvited(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	s := cable.NewScript(t, r.line)
	damaged := serialproto.AppendFrame(nil, []byte{2, byte(mqttsn.PingReq)})
	damaged[4] ^= 1
	for _, p := range []string{
		"MicroPython v1.22 on 2024-01-05\r\n>>> ", "\x00\x00\x00", "\xff\xfe\x80\x00garbage\x00", string(damaged), strings.Repeat("x", 5000) + "\r\n",
		goodbye, // a REPL echoes what it hears
	} {
		s.Raw([]byte(p))
	}
	r.gateway.WaitMetricAtLeast(metric("frame_errors_total", `reason="crc"`), 1)
	r.gateway.WaitMetricAtLeast(metric("console_lines_total"), 2)
	// What comes next is the answer to the first frame, and nothing was before it.
	s.Send(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("m5")})
	connack := mqttsn.Packet{Type: mqttsn.ConnAck}
	want := serialproto.AppendFrame([]byte(goodbye), connack.Append(nil))
	if got := readBytes(t, r.line, len(want)); !bytes.Equal(got, want) {
		t.Errorf("umqttd wrote\n% x, want\n% x", got, want)
	}
}

// TestUnknownClient is told to connect: a board that went on while the gateway was away.
func TestUnknownClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	s := cable.NewScript(t, r.line)
	s.Want(mqttsn.Disconnect)
	s.Send(mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: 1, MsgID: 9, Data: []byte("x")})
	s.Want(mqttsn.Disconnect)
	r.gateway.WaitMetric(metric("dropped_total", `reason="not_connected"`), 1)
}

// TestReceiveBuffer counts what is on the wire: what the board has not acknowledged is never more than rx_buffer, 240 bytes, though there is much to deliver.
func TestReceiveBuffer(t *testing.T) {
	for name, qos := range map[string]string{"QoS 0": "0", "QoS 1": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{device: []string{"topics: {1: cmd/m5}"}})
			s := cable.NewScript(t, r.line)
			s.Connect("m5", mqttsn.CleanSession)
			s.Send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1.WithTopicIDType(mqttsn.PredefinedID), MsgID: 1, TopicID: 1})
			s.Want(mqttsn.SubAck)
			buffer := slowBoard{t: t, script: s, free: s.Bytes()}
			publishWith(t, r.broker, "cmd/m5", numbered("down", 60), []string{"-q", qos})
			for buffer.messages < 60 {
				buffer.take(s.Next())
				for buffer.answers < 2 { // a board that takes its time; the time-out after which credit returns without an answer grows with it
					p, ok := s.NextWithin(300 * time.Millisecond)
					if !ok {
						break
					}
					buffer.take(p)
				}
				buffer.answer()
			}
			if buffer.most > rxBuffer {
				t.Errorf("%d bytes were on their way unacknowledged, want %d at most", buffer.most, rxBuffer)
			}
			if qos == "0" && buffer.most < rxBuffer/2 {
				t.Errorf("no more than %d bytes were on their way unacknowledged: the buffer is not used", buffer.most)
			}
		})
	}
}

const rxBuffer = 240 // as configured when nothing is

// slowBoard counts bytes that it has not acknowledged.
type slowBoard struct {
	t        *testing.T
	script   *cable.Script
	messages int
	answers  int
	free     int // bytes that arrived before what was acknowledged last
	most     int // bytes unacknowledged
	owed     []owed
}

// owed is an answer, and how many bytes had arrived with what it answers.
type owed struct {
	packet mqttsn.Packet
	bytes  int
}

// take takes one message.
func (b *slowBoard) take(p mqttsn.Packet) {
	b.t.Helper()
	b.most = max(b.most, b.script.Bytes()-b.free)
	switch {
	case p.Type == mqttsn.PingReq:
		b.owed = append(b.owed, owed{mqttsn.Packet{Type: mqttsn.PingResp}, b.script.Bytes()})
	case p.Type != mqttsn.Publish:
		b.t.Fatalf("the gateway sent %+v", p)
	case p.Flags.QoS() == 1:
		b.owed = append(b.owed, owed{mqttsn.Packet{Type: mqttsn.PubAck, TopicID: p.TopicID, MsgID: p.MsgID}, b.script.Bytes()})
		b.messages++
	default:
		b.messages++
	}
}

// answer answers all that wants an answer.
func (b *slowBoard) answer() {
	for _, o := range b.owed {
		b.script.Send(o.packet)
		b.free = o.bytes
		b.answers++
	}
	b.owed = b.owed[:0]
}

// TestLargeFrame is larger than rx_buffer and goes alone, both ways, up to max_frame.
func TestLargeFrame(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5"})
	b.Subscribe("cmd/m5", 1)
	large := strings.Repeat("x", 2000)
	send(b, "m5/t", []string{"before", large, "after"})
	r.publish("cmd/m5", "before", large, strings.Repeat("y", 3000), "after")
	judge.wait(3)
	b.Wait(board.Received, 3)
	wantOnce(t, payloads(judge.all()), []string{"before", large, "after"})
	wantOnce(t, received(b), []string{"before", large, "after"})
	r.gateway.WaitMetric(metric("dropped_total", `reason="too_large"`), 1)
}
