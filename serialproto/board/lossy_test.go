package board

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// perfect is a gateway that does everything right, for one board. It is as
// small as it can be: every answer is given at once.
type perfect struct {
	active bool
	ids    map[string]uint16
	seen   map[string]bool // MsgId and data, acknowledged
	got    []string        // payloads, in the order of publishing

	down  []mqttsn.Packet // messages for the board, QoS 1, sent one at a time
	msgID uint16
	known bool
}

// receive handles one message of the board and returns the answers.
func (g *perfect) receive(p mqttsn.Packet) []mqttsn.Packet {
	switch {
	case p.Type == mqttsn.Connect:
		g.active, g.known = true, false
		return []mqttsn.Packet{connack(mqttsn.Accepted)}
	case !g.active:
		return []mqttsn.Packet{{Type: mqttsn.Disconnect}}
	}
	switch p.Type {
	case mqttsn.Register:
		id, ok := g.ids[string(p.Topic)]
		if !ok {
			id = uint16(len(g.ids) + 1)
			g.ids[string(p.Topic)] = id
		}
		return []mqttsn.Packet{regack(id, p.MsgID, mqttsn.Accepted)}
	case mqttsn.Publish:
		return g.publish(p)
	case mqttsn.PingReq:
		return []mqttsn.Packet{{Type: mqttsn.PingResp}}
	case mqttsn.RegAck:
		g.known = true
	case mqttsn.PubAck:
		if len(g.down) > 0 && p.MsgID == g.msgID && p.ReturnCode == mqttsn.Accepted {
			g.down = g.down[1:]
			g.msgID++
		}
	}
	return nil
}

func (g *perfect) publish(p mqttsn.Packet) []mqttsn.Packet {
	print := fmt.Sprint(p.MsgID, p.TopicID, p.Data)
	if !p.Flags.Has(mqttsn.DUP) || !g.seen[print] {
		g.got = append(g.got, string(p.Data))
	}
	if p.Flags.QoS() == 0 {
		return nil
	}
	g.seen[print] = true
	return []mqttsn.Packet{puback(p.TopicID, p.MsgID, mqttsn.Accepted)}
}

// retry returns what the gateway sends (again) of its own.
func (g *perfect) retry() []mqttsn.Packet {
	if !g.active || len(g.down) == 0 {
		return nil
	}
	if !g.known {
		return []mqttsn.Packet{{Type: mqttsn.Register, TopicID: 77, MsgID: 7700, Topic: []byte("m5/cmd")}}
	}
	p := g.down[0]
	p.MsgID = g.msgID
	g.down[0].Flags |= mqttsn.DUP
	return []mqttsn.Packet{p}
}

// Whatever the line loses, every QoS 1 message is acknowledged and published
// once, in order if the window is 1; and the other way round.
func TestEverythingArrivesOverALossyLine(t *testing.T) {
	const messages = 200
	for _, window := range []int{1, 4} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("window=%d/seed=%d", window, seed), func(t *testing.T) {
				l := newLossy(t, seed, Config{ClientID: "b1", Window: window, KeepAlive: 2 * time.Second}, messages)
				for step := 0; len(l.acked) < messages || len(l.received) < messages; step++ {
					if step > 200_000 {
						t.Fatalf("after %d steps: %d of %d acknowledged, %d received", step, len(l.acked), messages, len(l.received))
					}
					l.step(step)
				}
				if !slices.Equal(l.received, l.want) {
					t.Errorf("the program received %v", l.received)
				}
				if window > 1 { // order holds between losses only
					slices.Sort(l.gateway.got)
				}
				if !slices.Equal(l.gateway.got, l.want) {
					t.Errorf("the gateway published %v", l.gateway.got)
				}
			})
		}
	}
}

// lossy is a board and a gateway with a line between them that loses one
// message in five, and a gateway that now and then forgets the board.
type lossy struct {
	t         *testing.T
	rng       *rand.Rand
	now       time.Time
	board     *Board
	gateway   perfect
	want      []string // payloads, both ways
	published int
	acked     []uint64
	received  []string
}

func newLossy(t *testing.T, seed uint64, cfg Config, messages int) *lossy {
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{t: t, rng: rand.New(rand.NewPCG(seed, uint64(cfg.Window))), now: time.Unix(1_700_000_000, 0), board: b}
	l.gateway = perfect{ids: make(map[string]uint16), seen: make(map[string]bool), msgID: 1}
	for i := range messages {
		data := fmt.Sprintf("%03d", i)
		l.want = append(l.want, data)
		l.gateway.down = append(l.gateway.down, publish(mqttsn.QoS1, 77, 0, data))
	}
	b.Start(l.now)
	return l
}

// step is one millisecond.
func (l *lossy) step(n int) {
	l.now = l.now.Add(time.Millisecond)
	if l.rng.IntN(2000) == 0 {
		l.gateway.active = false
	}
	for l.published < len(l.want) && l.board.Publish(Message{
		Topic: "m5/t", Data: []byte(l.want[l.published]), QoS: 1, Token: uint64(l.published),
	}) == nil {
		l.published++
	}
	l.board.Advance(l.now)
	for body, ok := l.board.Next(l.now); ok; body, ok = l.board.Next(l.now) {
		l.events()
		var p mqttsn.Packet
		if err := mqttsn.Parse(bytes.Clone(body), &p); err != nil {
			l.t.Fatal(err)
		}
		if !l.lost() {
			l.toBoard(l.gateway.receive(p))
		}
	}
	if n%25 == 0 {
		l.toBoard(l.gateway.retry())
	}
}

func (l *lossy) lost() bool { return l.rng.IntN(5) == 0 }

func (l *lossy) toBoard(ps []mqttsn.Packet) {
	for _, p := range ps {
		if !l.lost() {
			l.board.Receive(l.now, p.Append(nil))
			l.events()
		}
	}
}

func (l *lossy) events() {
	for _, e := range l.board.Events() {
		switch e.Kind {
		case Published:
			l.acked = append(l.acked, e.Token)
		case Received:
			l.received = append(l.received, string(e.Data))
		case Dropped, Malformed, Refused, Congested:
			l.t.Fatalf("unexpected event %+v", e)
		}
	}
}
