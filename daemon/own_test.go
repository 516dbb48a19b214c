package daemon

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestStatusTopics: the gateway's own session says who is online.
func TestStatusTopics(t *testing.T) {
	addr := freeUDP(t)
	r := start(t, base+fmt.Sprintf("devices: [{name: d, port: \"udp://%s\"}]\n", addr), nil)
	w := newWitness(t, r.BrokerAddr(), "umqttd/#")
	w.want("umqttd/gw/status online", "umqttd/gw/d/status offline")
	dialBoard(t, addr).connect("b1")
	w.want("umqttd/gw/d/status online")
}

// witness hears what is published.
type witness struct {
	t     *testing.T
	heard chan string
}

func newWitness(t *testing.T, broker net.Addr, filter string) *witness {
	t.Helper()
	w := &witness{t, make(chan string, 64)}
	dialer, err := mqttcore.NewDialer("mqtt://"+broker.String(), mqttcore.FileTLS{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := mqttcore.New(mqttcore.Config{Dial: dialer.Dial, ClientID: "witness", CleanSession: true, OnMessage: func(m mqttcore.Delivery) {
		w.heard <- string(m.Topic) + " " + string(m.Payload)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	if _, err := c.Subscribe(ctx, filter, 1, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// want waits for "topic payload", in any order.
func (w *witness) want(lines ...string) {
	w.t.Helper()
	missing := map[string]bool{}
	for _, l := range lines {
		missing[l] = true
	}
	for len(missing) > 0 {
		select {
		case l := <-w.heard:
			delete(missing, l)
		case <-time.After(patience):
			w.t.Fatalf("not heard: %v", missing)
		}
	}
}

// TestNoOwnSession: without a session of its own the gateway has nobody to publish
// what boards send without a connection. It is dropped and counted.
func TestNoOwnSession(t *testing.T) {
	addr := freeUDP(t)
	r := start(t, fmt.Sprintf(`
broker: {url: embedded}
embedded_broker: {listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
gateway: ""
devices: [{name: d, port: "udp://%s"}]
`, addr), nil)
	b := dialBoard(t, addr)
	b.connect("b1")
	unasked := mqttsn.Packet{
		Type: mqttsn.Publish, Flags: mqttsn.QoSMinus1 | mqttsn.Flags(mqttsn.ShortName), TopicID: mqttsn.ShortTopic('a', 'b'), Data: []byte("x"),
	}
	if _, err := b.conn.Write(unasked.Append(nil)); err != nil {
		t.Fatal(err)
	}
	b.publish(1, "which comes after it")
	r.wantPage("/metrics", `umqttd_dropped_total{device="d",reason="broker_offline"} 1`, `umqttd_gateway_connected 0`,
		`umqttd_messages_total{device="d",direction="uplink",qos="1"} 1`)
}
