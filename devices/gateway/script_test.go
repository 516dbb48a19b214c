package gateway

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// script plays the board, the MQTT session and the clock of one Gateway, so
// that a test reads as the exchange it is about.
type script struct {
	t        *testing.T
	g        *Gateway
	now      time.Time
	dec      serialproto.Decoder
	frames   []mqttsn.Packet
	sizes    []int // of the frames on the wire, delimiters included
	commands []Command
	notices  []Notice
	handed   uint64 // deliveries handed over

	forgotten int       // ForgetSession commands
	saved     []Command // SaveNode commands
}

func newScript(t *testing.T, cfg Config) *script {
	s := &script{t: t, g: New(cfg), now: time.Unix(1_700_000_000, 0)}
	s.g.PortOpened(s.now)
	s.collect()
	if !cfg.Datagram {
		s.want("the gateway asks whoever is there to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
	}
	return s
}

// collect takes what the gateway put out, as a driver would.
func (s *script) collect() {
	for _, n := range s.g.Notices() {
		n.Topic = append([]byte(nil), n.Topic...)
		s.notices = append(s.notices, n)
	}
	for _, c := range s.g.Commands() {
		if c.Kind == ForgetSession {
			s.forgotten++
			continue
		}
		if c.Kind == SaveNode {
			s.saved = append(s.saved, c)
			continue
		}
		c.Topic, c.Payload = append([]byte(nil), c.Topic...), append([]byte(nil), c.Payload...)
		s.commands = append(s.commands, c)
	}
	if s.g.cfg.Datagram {
		for _, d := range s.g.Datagrams() {
			s.take(d.Data)
		}
		return
	}
	stream, _ := s.g.Stream()
	s.dec.Feed(stream, s.now)
	for ev, ok := s.dec.Next(); ok; ev, ok = s.dec.Next() {
		if ev.Kind != serialproto.Frame {
			s.t.Fatalf("the gateway wrote something that is no frame: %v %q", ev.Kind, ev.Body)
		}
		s.sizes = append(s.sizes, len(serialproto.AppendFrame(nil, ev.Body)))
		s.take(ev.Body)
	}
}

func (s *script) take(body []byte) {
	var p mqttsn.Packet
	if err := mqttsn.Parse(append([]byte(nil), body...), &p); err != nil {
		s.t.Fatalf("the gateway wrote % x: %v", body, err)
	}
	s.frames = append(s.frames, p)
}

// board sends messages to the gateway.
func (s *script) board(ps ...mqttsn.Packet) {
	s.t.Helper()
	for _, p := range ps {
		s.raw(p.Append(nil))
	}
}

// boardFrom sends a datagram from addr.
func (s *script) boardFrom(addr netip.AddrPort, p mqttsn.Packet) {
	s.g.Receive(s.now, addr, p.Append(nil))
	s.collect()
}

func (s *script) raw(body []byte) {
	s.g.Receive(s.now, netip.AddrPort{}, body)
	s.collect()
}

// want consumes the next messages to the board, which must be these.
func (s *script) want(what string, ps ...mqttsn.Packet) {
	s.t.Helper()
	for _, p := range ps {
		if len(s.frames) == 0 {
			s.t.Fatalf("%s: want %s, got nothing", what, describe(p))
		}
		if !reflect.DeepEqual(s.frames[0], p) {
			s.t.Fatalf("%s:\n got %s\nwant %s", what, describe(s.frames[0]), describe(p))
		}
		s.frames = s.frames[1:]
	}
}

func describe(p mqttsn.Packet) string { return fmt.Sprintf("%s %.40q", &p, p.Data) }

// wantCommand consumes the next command, which must be of that kind.
func (s *script) wantCommand(what string, kind CommandKind) Command {
	s.t.Helper()
	if len(s.commands) == 0 {
		s.t.Fatalf("%s: no command", what)
	}
	c := s.commands[0]
	s.commands = s.commands[1:]
	if c.Kind != kind {
		s.t.Fatalf("%s: got command %d %+v, want kind %d", what, c.Kind, c, kind)
	}
	return c
}

// wantIdle fails if a message or a command is left.
func (s *script) wantIdle(what string) {
	s.t.Helper()
	s.wantIdleFrames(what)
	if len(s.commands) > 0 {
		s.t.Fatalf("%s: unexpected command %+v", what, s.commands[0])
	}
}

// wantIdleFrames fails if a message is left.
func (s *script) wantIdleFrames(what string) {
	s.t.Helper()
	if len(s.frames) > 0 {
		s.t.Fatalf("%s: unexpected %s", what, describe(s.frames[0]))
	}
}

// wantNotice returns the notice of that kind that came since the last call.
func (s *script) wantNotice(what string, kind NoticeKind, why Reason) Notice {
	s.t.Helper()
	all := s.notices
	s.notices = nil
	for _, n := range all {
		if n.Kind == kind && n.Reason == why {
			return n
		}
	}
	s.t.Fatalf("%s: no notice %d %q among %+v", what, kind, why, all)
	return Notice{}
}

// advance lets time pass, waking the gateway whenever it asked for it.
func (s *script) advance(d time.Duration) {
	end := s.now.Add(d)
	for {
		next := s.g.Deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(s.now) {
			s.now = next
		}
		s.g.Advance(s.now)
		s.collect()
	}
	s.now = end
}

// reopen loses the port and opens it again at once.
func (s *script) reopen() {
	s.t.Helper()
	s.g.PortLost(s.now)
	s.g.PortOpened(s.now)
	s.commands = nil
	s.collect()
	s.want("whoever is there is asked to connect", mqttsn.Packet{Type: mqttsn.Disconnect})
}

// connect brings a board up and returns its node.
func (s *script) connect(flags mqttsn.Flags) NodeID {
	s.t.Helper()
	s.board(mqttsn.Packet{Type: mqttsn.Connect, Flags: flags, ClientID: []byte("b1"), Duration: 10})
	id := s.wantCommand("CONNECT opens a session", OpenSession).Node
	s.up(id, false)
	s.want("CONNACK follows the broker's", mqttsn.Packet{Type: mqttsn.ConnAck})
	return id
}

func (s *script) up(id NodeID, present bool) { s.g.SessionUp(s.now, id, present); s.collect() }

func (s *script) published(c Command) {
	s.g.Published(s.now, c.Node, c.Token, c.QoS, Safe)
	s.collect()
}

// deliver hands a broker's message to the node.
func (s *script) deliver(id NodeID, topic, payload string, qos byte) {
	m := s.g.NewInbound()
	m.Set([]byte(topic), []byte(payload))
	s.handed++
	m.QoS, m.Received, m.Delivery = qos, s.now, s.handed
	s.g.Deliver(s.now, id, m)
	s.collect()
}

func register(msgID uint16, topic string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Register, MsgID: msgID, Topic: []byte(topic)}
}

func publish(flags mqttsn.Flags, topicID, msgID uint16, data string) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.Publish, Flags: flags, TopicID: topicID, MsgID: msgID, Data: []byte(data)}
}

func puback(topicID, msgID uint16, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.PubAck, TopicID: topicID, MsgID: msgID, ReturnCode: code}
}

func regack(topicID, msgID uint16, code mqttsn.ReturnCode) mqttsn.Packet {
	return mqttsn.Packet{Type: mqttsn.RegAck, TopicID: topicID, MsgID: msgID, ReturnCode: code}
}

var addrNone netip.AddrPort

// publishBody returns the bytes of a QoS 1 PUBLISH to the predefined topic 1.
func publishBody(msgID uint16, data []byte) []byte {
	p := publish(mqttsn.QoS1|mqttsn.Flags(mqttsn.PredefinedID), 1, msgID, string(data))
	return p.Append(nil)
}
