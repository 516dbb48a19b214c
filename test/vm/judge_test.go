//go:build vm

package vm

import (
	"context"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/test/patience"
)

// judge is an MQTT client that looks at what has arrived at the broker.
type judge struct {
	t      testing.TB
	client *mqttcore.Client
}

// newJudge connects to the broker inside umqttd, and again whenever that comes back.
func newJudge(t testing.TB, url string) *judge {
	t.Helper()
	dialer, err := mqttcore.NewDialer(url, mqttcore.FileTLS{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mqttcore.New(mqttcore.Config{
		Dial: dialer.Dial, CleanSession: true,
		BackoffMin: 20 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- client.Run(context.Background()) }()
	t.Cleanup(func() {
		client.Close()
		<-ended
	})
	return &judge{t, client}
}

// want waits for a retained message, which a broker hands to whoever subscribes to its topic.
func (j *judge) want(topic, payload string) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience.Limit)
	defer cancel()
	got := make(chan string, 1)
	_, err := j.client.Subscribe(ctx, topic, 1, func(d mqttcore.Delivery) {
		select {
		case got <- string(d.Payload):
		default:
		}
	})
	if err != nil {
		j.t.Fatalf("subscribe to %s: %v", topic, err)
	}
	select {
	case p := <-got:
		if p != payload {
			j.t.Errorf("the broker has %q in %s, want %q", p, topic, payload)
		}
	case <-ctx.Done():
		j.t.Fatalf("nothing arrived in %s", topic)
	}
}

// publish hands a message to the broker.
func (j *judge) publish(topic, payload string) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience.Limit)
	defer cancel()
	if err := j.client.Publish(ctx, mqttcore.Message{Topic: []byte(topic), Payload: []byte(payload), QoS: 1}); err != nil {
		j.t.Fatalf("publish: %v", err)
	}
}
