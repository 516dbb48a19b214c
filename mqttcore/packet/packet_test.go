package packet

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// unhex reads hex digits with spaces between; text in quotes stands for itself.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("bad hex %q in test: %v", part, err)
		}
		out = append(out, b...)
	}
	return out
}

// wire is one packet in all its forms: the bytes, the value, and the two
// functions that lead from one to the other.
type wire struct {
	name  string
	hex   string
	value any
}

var packets = []wire{
	{"CONNECT, least", "10 0c 00 04'MQTT'04 02 00 00 00 00", Connect{ClientID: []byte{}, CleanSession: true}},
	{"CONNECT, all", "10 26 00 04'MQTT'04 ee 00 1e 00 02'id' 00 03'w/t' 00 04'gone' 00 04'user' 00 05 'pw' 00 'rd'",
		Connect{
			ClientID: []byte("id"), KeepAlive: 30, CleanSession: true,
			HasWill: true, WillQoS: 1, WillRetain: true, WillTopic: []byte("w/t"), Will: []byte("gone"),
			HasUsername: true, Username: []byte("user"), HasPassword: true, Password: []byte("pw\x00rd"),
		}},
	{"CONNACK", "20 02 00 00", Connack{}},
	{"CONNACK, session present", "20 02 01 00", Connack{SessionPresent: true}},
	{"CONNACK, not authorized", "20 02 00 05", Connack{Code: RefusedUnauthorized}},
	{"PUBLISH QoS 0", "30 06 00 03'a/b' ff", Publish{Topic: []byte("a/b"), Payload: []byte{0xff}}},
	{"PUBLISH QoS 1, all flags", "3b 05 00 01 'a' 12 34", Publish{Topic: []byte("a"), Payload: []byte{}, ID: 0x1234, QoS: 1, Dup: true, Retain: true}},
	{"PUBLISH QoS 2", "34 06 00 01'a' ff ff 00", Publish{Topic: []byte("a"), Payload: []byte{0}, ID: 0xffff, QoS: 2}},
	{"PUBLISH, BOM kept", "30 05 00 03 ef bb bf", Publish{Topic: []byte("\ufeff"), Payload: []byte{}}},
	{"PUBACK", "40 02 00 01", puback(1)},
	{"SUBSCRIBE", "82 0e 00 0a 00 03'a/b'01 00 03'+/#'02", subscribe{10, []Subscription{{[]byte("a/b"), 1}, {[]byte("+/#"), 2}}}},
	{"SUBACK", "90 06 00 0a 00 01 02 80", suback{10, []byte{0, 1, 2, 0x80}}},
	{"UNSUBSCRIBE", "a2 07 00 0a 00 03'a/b'", unsubscribe{10, [][]byte{[]byte("a/b")}}},
	{"UNSUBACK", "b0 02 ff ff", unsuback(65535)},
	{"PINGREQ", "c0 00", PINGREQ},
	{"PINGRESP", "d0 00", PINGRESP},
	{"DISCONNECT", "e0 00", DISCONNECT},
}

type (
	puback    uint16
	unsuback  uint16
	subscribe struct {
		id      uint16
		filters []Subscription
	}
	suback struct {
		id    uint16
		codes []byte
	}
	unsubscribe struct {
		id      uint16
		filters [][]byte
	}
)

// encode appends any packet value of the table.
func encode(v any) []byte {
	switch v := v.(type) {
	case Connect:
		return v.Append(nil)
	case Connack:
		return v.Append(nil)
	case Publish:
		return v.Append(nil)
	case puback:
		return AppendPuback(nil, uint16(v))
	case subscribe:
		return AppendSubscribe(nil, v.id, v.filters...)
	case suback:
		return AppendSuback(nil, v.id, v.codes...)
	case unsubscribe:
		return AppendUnsubscribe(nil, v.id, v.filters...)
	case unsuback:
		return AppendUnsuback(nil, uint16(v))
	case Type:
		switch v {
		case PINGREQ:
			return AppendPingreq(nil)
		case PINGRESP:
			return AppendPingresp(nil)
		default:
			return AppendDisconnect(nil)
		}
	}
	panic(fmt.Sprintf("no such packet: %T", v))
}

// decode parses any packet that the codec knows.
func decode(p []byte) (any, error) {
	switch t := TypeOf(p[0]); t {
	case CONNECT:
		return ParseConnect(p)
	case CONNACK:
		return ParseConnack(p)
	case PUBLISH:
		return ParsePublish(p)
	case PUBACK:
		id, err := ParsePuback(p)
		return puback(id), err
	case SUBSCRIBE:
		id, f, err := ParseSubscribe(p)
		return subscribe{id, f}, err
	case SUBACK:
		id, c, err := ParseSuback(p)
		return suback{id, c}, err
	case UNSUBSCRIBE:
		id, f, err := ParseUnsubscribe(p)
		return unsubscribe{id, f}, err
	case UNSUBACK:
		id, err := ParseUnsuback(p)
		return unsuback(id), err
	case PINGREQ, PINGRESP, DISCONNECT:
		return t, ParseEmpty(p, t)
	default:
		return nil, &Error{t, "packet type", 0, "is of QoS 2"}
	}
}

func TestPacketsBothWays(t *testing.T) {
	for _, tt := range packets {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			if got := encode(tt.value); !bytes.Equal(got, want) {
				t.Errorf("encoded\n% x, want\n% x", got, want)
			}
			if n, err := Size(want, 0); n != len(want) || err != nil {
				t.Errorf("Size = %d, %v, want %d", n, err, len(want))
			}
			got, err := decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.value) {
				t.Errorf("decoded %+v, want %+v", got, tt.value)
			}
			if p, ok := tt.value.(Publish); ok && p.Size() != len(want) {
				t.Errorf("Publish.Size = %d, want %d", p.Size(), len(want))
			}
		})
	}
}

func TestEveryTruncationFails(t *testing.T) {
	for _, tt := range packets {
		whole := unhex(t, tt.hex)
		for n := 1; n < len(whole); n++ {
			if v, err := decode(whole[:n]); err == nil {
				t.Errorf("%s: first %d bytes decode to %+v", tt.name, n, v)
			}
			size, err := Size(whole[:n], 0)
			if err != nil || size != 0 && size != len(whole) {
				t.Errorf("%s: Size of first %d bytes = %d, %v", tt.name, n, size, err)
			}
		}
		if v, err := decode(append(bytes.Clone(whole), 0)); err == nil {
			t.Errorf("%s: with a byte behind it decodes to %+v", tt.name, v)
		}
	}
}

// A body shortened together with its length must fail too, except where the
// standard lets a packet end there.
func TestEveryShortenedBodyFails(t *testing.T) {
	for _, tt := range packets {
		whole := unhex(t, tt.hex)
		for n := len(whole) - 1; n >= 2; n-- {
			short := bytes.Clone(whole[:n])
			short[1] = byte(n - 2)
			v, err := decode(short)
			switch v := v.(type) {
			case Publish:
				if err == nil && len(v.Payload) == 0 && n < len(whole)-1 {
					t.Errorf("%s cut to %d bytes decodes to %+v", tt.name, n, v)
				}
			case suback:
				if err == nil && len(v.codes) == 0 {
					t.Errorf("%s cut to %d bytes decodes to %+v", tt.name, n, v)
				}
			case subscribe:
				if err == nil && len(v.filters) != 1 {
					t.Errorf("%s cut to %d bytes decodes to %+v", tt.name, n, v)
				}
			default:
				if err == nil {
					t.Errorf("%s cut to %d bytes decodes to %+v", tt.name, n, v)
				}
			}
		}
	}
}

// The frames that other clients let through, and more of their kind. Each row
// says what the error must name.
func TestMalformed(t *testing.T) {
	tests := []struct {
		name   string
		hex    string
		packet Type
		field  string
		offset int
	}{
		{"CONNACK header flags 0x21", "21 02 00 00", CONNACK, "header flags", 0},
		{"CONNACK ack flags 0x02", "20 02 02 00", CONNACK, "acknowledge flags", 2},
		{"CONNACK length 3", "20 03 00 00 00", CONNACK, "end", 4},
		{"CONNACK length 1", "20 01 00", CONNACK, "return code", 3},
		{"CONNACK code 6", "20 02 00 06", CONNACK, "return code", 3},
		{"CONNACK code 5 with session present", "20 02 01 05", CONNACK, "session present", 2},
		{"PUBACK length 3", "40 03 00 01 00", PUBACK, "end", 4},
		{"PUBACK length 1", "40 01 00", PUBACK, "packet identifier", 2},
		{"PUBACK flags 0x42", "42 02 00 01", PUBACK, "header flags", 0},
		{"PUBACK id 0", "40 02 00 00", PUBACK, "packet identifier", 2},
		{"SUBACK code 0x03", "90 04 00 01 00 03", SUBACK, "return code", 5},
		{"SUBACK no codes", "90 02 00 01", SUBACK, "return code", 4},
		{"SUBACK id 0", "90 03 00 00 00", SUBACK, "packet identifier", 2},
		{"UNSUBACK flags 0xb1", "b1 02 00 01", UNSUBACK, "header flags", 0},
		{"UNSUBACK id 0", "b0 02 00 00", UNSUBACK, "packet identifier", 2},
		{"PINGRESP length 1", "d0 01 00", PINGRESP, "end", 2},
		{"PUBLISH QoS 3", "36 06 00 01'a' 00 01 00", PUBLISH, "QoS", 0},
		{"PUBLISH QoS 1 id 0", "32 05 00 01'a' 00 00", PUBLISH, "packet identifier", 5},
		{"PUBLISH QoS 1 without id", "32 03 00 01'a'", PUBLISH, "packet identifier", 5},
		{"PUBLISH QoS 0 DUP", "38 03 00 01'a'", PUBLISH, "DUP flag", 0},
		{"PUBLISH empty topic", "30 02 00 00", PUBLISH, "topic name", 2},
		{"PUBLISH topic #", "30 05 00 03'a/#'", PUBLISH, "topic name", 2},
		{"PUBLISH topic +", "30 05 00 03'+/a'", PUBLISH, "topic name", 2},
		{"PUBLISH topic with NUL", "30 05 00 03'a'00'b'", PUBLISH, "topic name", 2},
		{"PUBLISH bad UTF-8", "30 04 00 02 c3 28", PUBLISH, "topic name", 2},
		{"PUBLISH overlong UTF-8", "30 04 00 02 c0 80", PUBLISH, "topic name", 2},
		{"PUBLISH surrogate", "30 05 00 03 ed a0 80", PUBLISH, "topic name", 2},
		{"PUBLISH topic length > body", "30 03 00 05'a'", PUBLISH, "topic name", 2},
		{"PUBLISH without topic", "30 01 00", PUBLISH, "topic name", 2},
		{"5-byte remaining length", "30 80 80 80 80 01", PUBLISH, "remaining length", 1},
		{"type 0", "00 00", 0, "packet type", 0},
		{"type 15", "f0 00", 15, "packet type", 0},

		{"CONNECT to MQIsdp", "10 0e 00 06'MQIsdp'03 02 00 00 00 00", CONNECT, "protocol name", 2},
		{"CONNECT level 5", "10 0c 00 04'MQTT'05 02 00 00 00 00", CONNECT, "protocol level", 8},
		{"CONNECT reserved flag", "10 0c 00 04'MQTT'04 03 00 00 00 00", CONNECT, "connect flags", 9},
		{"CONNECT will QoS without will", "10 0c 00 04'MQTT'04 0a 00 00 00 00", CONNECT, "connect flags", 9},
		{"CONNECT will QoS 3", "10 12 00 04'MQTT'04 1e 00 00 00 00 00 01'a'00 01'b'", CONNECT, "connect flags", 9},
		{"CONNECT password without user", "10 0e 00 04'MQTT'04 42 00 00 00 00 00 00", CONNECT, "connect flags", 9},
		{"CONNECT will topic #", "10 12 00 04'MQTT'04 06 00 00 00 00 00 01'#'00 01'b'", CONNECT, "will topic", 14},
		{"SUBSCRIBE flags 0x80", "80 06 00 01 00 01'a'00", SUBSCRIBE, "header flags", 0},
		{"SUBSCRIBE without filter", "82 02 00 01", SUBSCRIBE, "topic filter", 4},
		{"SUBSCRIBE QoS 3", "82 06 00 01 00 01'a'03", SUBSCRIBE, "requested QoS", 7},
		{"SUBSCRIBE filter a#", "82 07 00 01 00 02'a#'00", SUBSCRIBE, "topic filter", 4},
		{"UNSUBSCRIBE without filter", "a2 02 00 01", UNSUBSCRIBE, "topic filter", 4},
		{"DISCONNECT flags", "e1 00", DISCONNECT, "header flags", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := unhex(t, tt.hex)
			_, err := Size(p, 0)
			if err == nil {
				_, err = decode(p)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("accepted, or a foreign error: %v", err)
			}
			if e.Packet != tt.packet || e.Field != tt.field || e.Offset != tt.offset {
				t.Errorf("error names %v, %q, %d, want %v, %q, %d: %v", e.Packet, e.Field, e.Offset, tt.packet, tt.field, tt.offset, err)
			}
			if msg := err.Error(); !strings.Contains(msg, tt.packet.String()) || !strings.Contains(msg, tt.field) {
				t.Errorf("text %q lacks packet or field", msg)
			}
			if _, err := decode(p); err == nil && tt.name != "5-byte remaining length" {
				t.Error("the Parse function alone accepts it")
			}
		})
	}
}

func TestNonMinimalRemainingLengthIsAllowed(t *testing.T) {
	p := unhex(t, "40 82 00 00 07")
	if n, err := Size(p, 0); n != 5 || err != nil {
		t.Fatalf("Size = %d, %v", n, err)
	}
	if id, err := ParsePuback(p); id != 7 || err != nil {
		t.Fatalf("id %d, %v", id, err)
	}
}

func TestSizeRefusesBeforeTheBodyArrives(t *testing.T) {
	p := unhex(t, "30 ff ff ff 7f") // 256 MiB to come
	if n, err := Size(p, 1<<20); n != 0 || err == nil {
		t.Errorf("Size = %d, %v, want an error", n, err)
	}
	if n, err := Size(p, 0); n != MaxRemaining+5 || err != nil {
		t.Errorf("Size without limit = %d, %v", n, err)
	}
	if n, err := Size(unhex(t, "30 02"), 4); n != 4 || err != nil {
		t.Errorf("Size at the limit = %d, %v", n, err)
	}
	if _, err := Size(unhex(t, "30 03"), 4); err == nil {
		t.Error("one byte over the limit is accepted")
	}
}

func TestRemainingLengthAtEachWidth(t *testing.T) {
	for _, body := range []int{0, 127, 128, 16383, 16384, 2097151, 2097152, MaxRemaining} {
		h := appendHeader(nil, 0x30, body)
		if got, n, err := remaining(h); got != body || n != len(h) || err != nil {
			t.Errorf("% x decodes to %d in %d bytes, %v, want %d", h, got, n, err, body)
		}
		if headerLen(body) != len(h) {
			t.Errorf("headerLen(%d) = %d, want %d", body, headerLen(body), len(h))
		}
	}
}

func TestCheckFilter(t *testing.T) {
	for _, s := range []string{"#", "+", "/", "a", "a/#", "+/+", "a/+/b/#", "/+", "//", "$SYS/#", " "} {
		if fault := CheckFilter([]byte(s)); fault != "" {
			t.Errorf("%q %s", s, fault)
		}
	}
	for _, s := range []string{"", "a#", "#/a", "a/#/b", "a+", "+a", "a/+b/c", "##", "++", "a\x00", "\xff", strings.Repeat("a", 65536)} {
		if CheckFilter([]byte(s)) == "" {
			t.Errorf("%.20q is accepted", s)
		}
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 256)
	m := Publish{Topic: []byte("sensors/greenhouse/temperature"), Payload: []byte("21.5"), ID: 9, QoS: 1}
	if n := testing.AllocsPerRun(100, func() {
		buf = m.Append(buf[:0])
		if n, err := Size(buf, 1024); n != len(buf) || err != nil {
			t.Fatal(n, err)
		}
		if _, err := ParsePublish(buf); err != nil {
			t.Fatal(err)
		}
		buf = AppendPuback(buf[:0], 9)
		if _, err := ParsePuback(buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
