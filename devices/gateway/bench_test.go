package gateway

import (
	"net/netip"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// track is a connected board with everything that a message needs, set up so
// that one call is one message.
type track struct {
	g        *Gateway
	now      time.Time
	id       NodeID
	dec      serialproto.Decoder
	rx, body []byte
	node     []byte // of a forwarder's node
}

func newTrack(tb testing.TB, node []byte) *track {
	tr := &track{g: New(Config{RxBuffer: 240}), now: time.Unix(1_700_000_000, 0), node: node}
	tr.g.PortOpened(tr.now)
	tr.frame(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("b"), Duration: 60})
	for _, c := range tr.g.Commands() {
		tr.id = c.Node
	}
	tr.g.SessionUp(tr.now, tr.id, false)
	tr.frame(mqttsn.Packet{Type: mqttsn.Register, MsgID: 1, Topic: []byte("sensors/temperature")})
	tr.turn()
	if tr.g.Connected() != 1 {
		tb.Fatal("not connected")
	}
	return tr
}

func (tr *track) frame(p mqttsn.Packet) {
	tr.body = tr.body[:0]
	if tr.node != nil {
		header := mqttsn.Packet{Type: mqttsn.Encapsulated, NodeID: tr.node}
		tr.body = header.Append(tr.body)
	}
	tr.body = p.Append(tr.body)
	tr.rx = serialproto.AppendFrame(tr.rx[:0], tr.body)
	tr.dec.Feed(tr.rx, tr.now)
	for ev, ok := tr.dec.Next(); ok; ev, ok = tr.dec.Next() {
		tr.g.Receive(tr.now, netip.AddrPort{}, ev.Body)
	}
}

// turn takes what the gateway put out, and answers it as broker and board would.
func (tr *track) turn() (frames int) {
	for {
		tr.g.Notices()
		commands := tr.g.Commands()
		for i := range commands {
			if c := &commands[i]; c.Kind == PublishMessage {
				tr.g.Published(tr.now, c.Node, c.Token, c.QoS, Safe)
			}
		}
		if len(commands) == 0 {
			break
		}
	}
	_, n := tr.g.Stream()
	return n
}

func (tr *track) uplink(i int) {
	tr.now = tr.now.Add(time.Millisecond)
	tr.frame(mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: 1, MsgID: uint16(i | 1), Data: []byte("21.5 degrees")})
	tr.turn()
	tr.frame(mqttsn.Packet{Type: mqttsn.PingResp}) // if the gateway asked for credit
	tr.turn()
}

func (tr *track) downlink(i int) {
	tr.now = tr.now.Add(time.Millisecond)
	m := tr.g.NewInbound()
	m.Set(benchTopic, benchPayload)
	m.QoS, m.Delivery, m.Received = 1, uint64(i), tr.now
	tr.g.Deliver(tr.now, tr.id, m)
	tr.turn()
	tr.frame(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: 1, MsgID: tr.g.byID[tr.id].msgID})
	tr.turn()
}

var benchTopic, benchPayload = []byte("sensors/temperature"), []byte("21.5 degrees")

// TestHotPathDoesNotAllocate: a message costs no memory, either way.
func TestHotPathDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector allocates; what is left to check is that nothing breaks")
	}
	for name, do := range map[string]func(*track, int){"uplink": (*track).uplink, "downlink": (*track).downlink} {
		for _, node := range [][]byte{nil, {0x24, 0x6f, 0x28, 1, 2, 3}} {
			tr := newTrack(t, node)
			i := 0
			for range 100 {
				i++
				do(tr, i)
			}
			if n := testing.AllocsPerRun(1000, func() { i++; do(tr, i) }); n > 0 && !raceEnabled {
				t.Errorf("%s of node %x: %v allocations a message", name, node, n)
			}
		}
	}
}

func BenchmarkUplinkQoS1(b *testing.B) { benchmark(b, nil, (*track).uplink) }

func BenchmarkDownlinkQoS1(b *testing.B) { benchmark(b, nil, (*track).downlink) }

func BenchmarkForwardedUplinkQoS1(b *testing.B) { benchmark(b, []byte("node 1"), (*track).uplink) }

func benchmark(b *testing.B, node []byte, do func(*track, int)) {
	tr := newTrack(b, node)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		do(tr, i)
	}
}
