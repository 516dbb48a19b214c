package mqttsn

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/internal/vectors"
)

const spec = "../../docs/protocol.md"

// message is a row of the table of messages.
type message struct {
	id, note    string
	packet      Packet
	body, frame []byte
}

func messages(t testing.TB) []message {
	t.Helper()
	var all []message
	for _, row := range vectors.Rows(t, spec, "M") {
		p := Packet{Type: typeOf(t, row[1])}
		if row[2] != "-" {
			for field := range strings.SplitSeq(row[2], ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
				setField(t, &p, name, vectors.Bytes(t, value))
			}
		}
		all = append(all, message{row[0], row[5], p, vectors.Bytes(t, row[3]), vectors.Bytes(t, row[4])})
	}
	return all
}

func typeOf(t testing.TB, name string) Type {
	t.Helper()
	for typ := range 256 {
		if Type(typ).Known() && Type(typ).String() == name {
			return Type(typ)
		}
	}
	t.Fatalf("no message is called %q", name)
	return 0
}

// setField sets the field that the standard calls name.
func setField(t testing.TB, p *Packet, name string, value []byte) {
	t.Helper()
	var n uint16
	for _, b := range value {
		n = n<<8 | uint16(b)
	}
	switch name {
	case "Flags":
		p.Flags = Flags(n)
	case "ReturnCode":
		p.ReturnCode = ReturnCode(n)
	case "Session":
		p.HasSession, p.SessionPresent = true, n == 1
	case "TopicId":
		p.TopicID = n
	case "MsgId":
		p.MsgID = n
	case "Duration":
		p.Duration, p.HasDuration = n, p.Type == Disconnect
	case "GwId":
		p.GatewayID = uint8(n)
	case "Radius", "Ctrl":
		p.Radius = uint8(n)
	case "ProtocolId":
		if n != 1 {
			t.Fatalf("ProtocolId %d", n)
		}
	case "ClientId":
		p.ClientID = value
	case "TopicName", "WillTopic":
		p.Topic = value
	case "Data", "WillMsg", "GwAdd", "Message":
		p.Data = value
	case "WirelessNodeId":
		p.NodeID = value
	default:
		t.Fatalf("%v: no field is called %q", p.Type, name)
	}
}

func TestMessageVectors(t *testing.T) {
	seen := map[Type]bool{}
	for _, m := range messages(t) {
		seen[m.packet.Type] = true
		if m.packet.Len() != len(m.body) {
			t.Errorf("%s: Len is %d, want %d", m.id, m.packet.Len(), len(m.body))
		}
		if got := m.packet.Append([]byte("before")); string(got) != "before"+string(m.body) {
			t.Errorf("%s: %s\nAppend % x\nwant   % x", m.id, m.note, got[6:], m.body)
		}
		p := Packet{Data: []byte("left over from another packet"), Radius: 9, HasSession: true}
		if err := Parse(m.body, &p); err != nil {
			t.Errorf("%s: %s: %v", m.id, m.note, err)
		} else if !reflect.DeepEqual(p, m.packet) {
			t.Errorf("%s: %s\nParse %+v\nwant  %+v", m.id, m.note, p, m.packet)
		}
		if got := serialproto.AppendFrame(nil, m.body); !bytes.Equal(got, m.frame) {
			t.Errorf("%s: frame % x\nwant  % x", m.id, got, m.frame)
		}
	}
	for typ := range 256 {
		if Type(typ).Known() && !seen[Type(typ)] {
			t.Errorf("%s has no vector for %v", spec, Type(typ))
		}
	}
}

// A short message with a Length of three bytes is understood, and written with
// a Length of one byte.
func TestLongLengthVectors(t *testing.T) {
	for _, row := range vectors.Rows(t, spec, "L") {
		var p Packet
		if err := Parse(vectors.Bytes(t, row[1]), &p); err != nil {
			t.Errorf("%s: %s: %v", row[0], row[3], err)
		} else if got, want := p.Append(nil), vectors.Bytes(t, row[2]); !bytes.Equal(got, want) {
			t.Errorf("%s: %s: written as % x, want % x", row[0], row[3], got, want)
		}
	}
}

func TestMalformedVectors(t *testing.T) {
	for _, row := range vectors.Rows(t, spec, "X") {
		var p Packet
		err := Parse(vectors.Bytes(t, row[1]), &p)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %s: Parse gave %v and %+v", row[0], row[5], err, p)
			continue
		}
		field := e.Field
		if field == "" {
			field = "-"
		}
		got := []string{e.Reason.String(), field, strconv.Itoa(e.Offset)}
		if want := row[2:5]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s: %v: reason, field and offset are %q, want %q", row[0], row[5], err, got, want)
		}
	}
}

// No message that is cut off passes for another one: its Length tells.
func TestEveryTruncationFails(t *testing.T) {
	for _, m := range messages(t) {
		for n := range m.body {
			var p Packet
			if err := Parse(m.body[:n], &p); err == nil {
				t.Errorf("%s: the first %d of %d bytes pass for %+v", m.id, n, len(m.body), p)
			}
		}
	}
}

// If the Length is cut down too, what is left is refused or is a message with
// shorter text: the fixed fields are there, and it is written as it was read.
func TestShorterMessages(t *testing.T) {
	for _, m := range messages(t) {
		if m.packet.Type == Encapsulated || len(m.body) > 255 {
			continue
		}
		for n := 2; n < len(m.body); n++ {
			body := bytes.Clone(m.body[:n])
			body[0] = byte(n)
			var p Packet
			if err := Parse(body, &p); err != nil {
				continue
			}
			if got := p.Append(nil); !bytes.Equal(got, body) {
				t.Errorf("%s: % x is written as % x", m.id, body, got)
			}
		}
	}
}
