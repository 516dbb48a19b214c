package mqttcore_test

import (
	"fmt"
	"io"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
)

// An engine with its broker in the same loop: no goroutine, no socket, and a
// clock that goes as the program likes.
func ExampleEngine() {
	engine, err := mqttcore.NewEngine(mqttcore.Config{ClientID: "greenhouse"})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	m := mqttcore.Message{Topic: []byte("greenhouse/temperature"), Payload: []byte("21.0"), QoS: 1}
	if err := engine.Publish(now, m, 1); err != nil {
		fmt.Println(err)
	}
	if err := engine.Open(); err != nil {
		fmt.Println(err)
	}
	broker := []string{"\x20\x02\x00\x00", "\x40\x02\x00\x01"} // CONNACK, PUBACK
	for engine.Due() {
		fmt.Printf("%v %x\n", now.Format(time.TimeOnly), engine.Take(nil))
		engine.Wrote(now)
		now = now.Add(time.Second)
		if err := engine.Receive(now, []byte(broker[0])); err != nil {
			fmt.Println(err)
		}
		broker = broker[1:]
	}
	engine.Lost(now, io.EOF)
	for ev, ok := engine.Next(); ok; ev, ok = engine.Next() {
		switch {
		case ev.State != nil:
			fmt.Println(ev.State.Kind, ev.State.ByPeer)
		case ev.Published != nil:
			fmt.Println("message", ev.Published.Token, ev.Published.Err, ev.Published.Acked)
		}
	}
	// Output:
	// 12:00:00 101600044d5154540400001e000a677265656e686f757365
	// 12:00:01 321e0016677265656e686f7573652f74656d7065726174757265000132312e30
	// connected false
	// message 1 <nil> 1s
	// disconnected true
}
