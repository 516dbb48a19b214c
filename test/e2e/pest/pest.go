// Package pest has boards that do their worst, as fast as their line lets them, until the test is over: Flood, Mute and Garbage.
package pest

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
)

// MuteTopic is what Mute subscribes to.
const MuteTopic = "down/mute"

// Pest is a board that does its worst. Methods may be called from any goroutine.
type Pest struct {
	line   *cable.Cable
	frames serialproto.Decoder
	done   chan struct{}
	quiet  atomic.Bool

	mu    sync.Mutex
	heard map[mqttsn.ReturnCode]int
}

// start runs a board that sends what next returns, whenever there is something, until the test ends.
func start(t testing.TB, line *cable.Cable, next func() []byte) *Pest {
	t.Helper()
	p := &Pest{line: line, done: make(chan struct{}), heard: make(map[mqttsn.ReturnCode]int)}
	ended := make(chan struct{}, 2)
	go func() { defer func() { ended <- struct{}{} }(); p.listen() }()
	go func() { defer func() { ended <- struct{}{} }(); p.send(next) }()
	t.Cleanup(func() { close(p.done); <-ended; <-ended })
	return p
}

// listen hears what the gateway says, and answers nothing.
func (p *Pest) listen() {
	for {
		select {
		case <-p.done:
			return
		case chunk := <-p.line.In():
			p.frames.Feed(chunk, time.Time{})
		}
		for ev, ok := p.frames.Next(); ok; ev, ok = p.frames.Next() {
			var m mqttsn.Packet
			if ev.Kind == serialproto.Frame && mqttsn.Parse(ev.Body, &m) == nil && m.Type == mqttsn.PubAck {
				p.mu.Lock()
				p.heard[m.ReturnCode]++
				p.mu.Unlock()
			}
		}
	}
}

func (p *Pest) send(next func() []byte) {
	tick := time.NewTicker(time.Millisecond) // as a line of some megabits would
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		if p.quiet.Load() {
			continue
		}
		if chunk := next(); len(chunk) > 0 {
			p.line.Write(chunk)
		}
	}
}

// Pause makes the board stop sending for a while, or go on.
func (p *Pest) Pause(quiet bool) { p.quiet.Store(quiet) }

// Heard returns how many PUBACKs with a return code came.
func (p *Pest) Heard(code mqttsn.ReturnCode) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[code]
}

func frame(dst []byte, m *mqttsn.Packet) []byte { return serialproto.AppendFrame(dst, m.Append(nil)) }

// burst is how many bytes a pest sends in a millisecond: a line of about 4 Mbit/s.
const burst = 400

// Flood returns a board that publishes without a pause, QoS 0 and 1 in turn, whatever it is told.
func Flood(t testing.TB, line *cable.Cable) *Pest {
	t.Helper()
	topic, data, id := mqttsn.ShortTopic('f', 'f'), make([]byte, 32), uint16(0)
	connected := 0
	return start(t, line, func() (out []byte) {
		if connected++; connected%1000 == 1 { // also if the gateway has begun anew
			return frame(nil, &mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte("flood")})
		}
		for len(out) < burst {
			m := mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.Flags(0).WithTopicIDType(mqttsn.ShortName), TopicID: topic, Data: data}
			if id++; id%2 == 1 {
				m.Flags, m.MsgID = m.Flags.WithQoS(1), id
			}
			out = frame(out, &m)
		}
		return out
	})
}

// Mute returns a board that subscribes to MuteTopic and acknowledges nothing that comes.
func Mute(t testing.TB, line *cable.Cable) *Pest {
	t.Helper()
	said := 0
	return start(t, line, func() []byte {
		switch said++; said {
		case 1:
			return frame(nil, &mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("mute")})
		case 100:
			return frame(nil, &mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 1, Topic: []byte(MuteTopic)})
		}
		return nil
	})
}

// Garbage returns a board that sends bytes at random: runs that are no frames, text, and frames that are no messages.
func Garbage(t testing.TB, line *cable.Cable) *Pest {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	return start(t, line, func() (out []byte) {
		for len(out) < burst {
			noise := make([]byte, 1+random.IntN(60))
			for i := range noise {
				noise[i] = byte(random.Uint32())
			}
			switch random.IntN(3) {
			case 0:
				out = append(append(out, noise...), 0)
			case 1:
				out = append(out, "Guru Meditation Error: Core 1 panic'ed\r\n\x00"...)
			case 2:
				noise[0] = byte(len(noise)) // a Length that is true
				out = serialproto.AppendFrame(out, noise)
			}
		}
		return out
	})
}
