package cable

import (
	"bytes"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/patience"
)

// Script is a board that does what a test says, message by message.
type Script struct {
	t      testing.TB
	cable  *Cable
	frames serialproto.Decoder
	bytes  int // of the frames that Next has returned
}

// NewScript returns a board that has sent nothing.
func NewScript(t testing.TB, c *Cable) *Script { return &Script{t: t, cable: c} }

// Raw sends bytes as they are.
func (s *Script) Raw(p []byte) { s.cable.Write(p) }

// Body sends a frame around a body, be it a message or not.
func (s *Script) Body(body ...byte) { s.cable.Write(serialproto.AppendFrame(nil, body)) }

// Send sends messages.
func (s *Script) Send(packets ...mqttsn.Packet) {
	for i := range packets {
		s.Body(packets[i].Append(nil)...)
	}
}

// Bytes returns how many bytes the frames that Next has returned took on the wire.
func (s *Script) Bytes() int { return s.bytes }

// Next returns the next message of the gateway.
func (s *Script) Next() mqttsn.Packet {
	s.t.Helper()
	p, ok := s.NextWithin(patience.Limit)
	if !ok {
		s.t.Fatalf("cable: nothing came within %v", patience.Limit)
	}
	return p
}

// NextWithin returns the next message of the gateway, if one comes within limit.
func (s *Script) NextWithin(limit time.Duration) (mqttsn.Packet, bool) {
	s.t.Helper()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		ev, ok := s.frames.Next()
		switch {
		case ok && ev.Kind != serialproto.Frame:
			s.t.Fatalf("cable: the gateway wrote %v: % x", ev.Kind, ev.Body)
		case ok:
			s.bytes += len(serialproto.AppendFrame(nil, ev.Body))
			var p mqttsn.Packet
			if err := mqttsn.Parse(bytes.Clone(ev.Body), &p); err != nil {
				s.t.Fatalf("cable: the gateway wrote % x: %v", ev.Body, err)
			}
			return p, true
		}
		select {
		case chunk := <-s.cable.In():
			s.frames.Feed(chunk, time.Now())
		case <-timeout.C:
			return mqttsn.Packet{}, false
		}
	}
}

// Want receives the next message, which must be of a type.
func (s *Script) Want(typ mqttsn.Type) mqttsn.Packet {
	s.t.Helper()
	p := s.Next()
	if p.Type != typ {
		s.t.Fatalf("cable: the gateway sent %+v, want %v", p, typ)
	}
	return p
}

// WantAnswer is Want of a board that answers PINGREQ, as it must, whenever it comes.
func (s *Script) WantAnswer(typ mqttsn.Type) mqttsn.Packet {
	s.t.Helper()
	p := s.Next()
	for ; p.Type == mqttsn.PingReq; p = s.Next() {
		s.Send(mqttsn.Packet{Type: mqttsn.PingResp})
	}
	if p.Type != typ {
		s.t.Fatalf("cable: the gateway sent %+v, want %v", p, typ)
	}
	return p
}

// Connect opens a session and waits for its CONNACK, whatever comes before it of an earlier one.
func (s *Script) Connect(clientID string, flags mqttsn.Flags) {
	s.t.Helper()
	s.Send(mqttsn.Packet{Type: mqttsn.Connect, Flags: flags, ClientID: []byte(clientID)})
	for {
		switch p := s.Next(); p.Type {
		case mqttsn.Disconnect: // of the port's opening
		case mqttsn.ConnAck:
			if p.ReturnCode != mqttsn.Accepted {
				s.t.Fatalf("cable: the gateway refused CONNECT: %v", p.ReturnCode)
			}
			return
		default:
			s.t.Fatalf("cable: the gateway answered CONNECT with %+v", p)
		}
	}
}

// Register registers a topic and returns its id.
func (s *Script) Register(topic string, msgID uint16) uint16 {
	s.t.Helper()
	s.Send(mqttsn.Packet{Type: mqttsn.Register, MsgID: msgID, Topic: []byte(topic)})
	p := s.Want(mqttsn.RegAck)
	if p.MsgID != msgID || p.ReturnCode != mqttsn.Accepted {
		s.t.Fatalf("cable: the gateway answered REGISTER %d with %+v", msgID, p)
	}
	return p.TopicID
}
