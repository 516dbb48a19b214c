package main

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// answer is what a gateway says to a message of a board, if it needs an answer.
func answer(p *mqttsn.Packet) (mqttsn.Packet, bool) {
	a := mqttsn.Packet{TopicID: 1, MsgID: p.MsgID}
	switch p.Type {
	case mqttsn.Connect:
		a.Type = mqttsn.ConnAck
	case mqttsn.Register:
		a.Type = mqttsn.RegAck
	case mqttsn.Subscribe:
		a.Type = mqttsn.SubAck
	case mqttsn.Publish:
		a.Type = mqttsn.PubAck
	case mqttsn.Disconnect:
		a.Type = mqttsn.Disconnect
	default:
		return a, false
	}
	return a, p.Type != mqttsn.Publish || p.Flags.QoS() == 1
}

// With --port the board is at the other end of a line that exists.
func TestSimOnAPort(t *testing.T) {
	line, err := openPTY(filepath.Join(t.TempDir(), "cable"))
	if err != nil {
		t.Fatal(err)
	}
	var gateway sync.WaitGroup
	defer gateway.Wait()
	defer line.Close()
	sim := start(t, "sim", "--port", line.link, "--client-id", "b1", "--count", "2", "--interval", "1ms")
	gateway.Go(func() {
		var dec serialproto.Decoder
		buf := make([]byte, 4096)
		for {
			n, err := line.Read(buf)
			if err != nil {
				return
			}
			dec.Feed(buf[:n], time.Now())
			for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
				var p mqttsn.Packet
				if err := mqttsn.Parse(ev.Body, &p); err != nil {
					t.Errorf("got %q, %v", ev.Body, err)
					continue
				}
				if a, ok := answer(&p); ok {
					_, _ = line.Write(serialproto.AppendFrame(nil, a.Append(nil)))
				}
			}
		}
	})
	sim.want(`b1  ready +port ` + line.link + `$`)
	sim.want(`b1  done +QoS 1: 2 acknowledged; QoS 0: 2 sent; 0 received`)
	<-sim.ended
	if sim.err != nil {
		t.Error(sim.err)
	}
}

// A cable that is pulled is a failure, and what was done is said.
func TestSimLosesItsPort(t *testing.T) {
	line, err := openPTY(filepath.Join(t.TempDir(), "cable"))
	if err != nil {
		t.Fatal(err)
	}
	sim := start(t, "sim", "--port", line.link, "--client-id", "b1")
	sim.want(`b1  ready`)
	_ = line.Close()
	sim.want(`b1  done`)
	<-sim.ended
	if sim.err == nil {
		t.Error("no error")
	}
}
