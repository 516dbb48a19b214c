package mqttcore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
)

// A client connects, takes a command, answers it, and leaves.
func Example() {
	client, err := mqttcore.New(mqttcore.Config{
		Dial:     dialExample, // in earnest: the Dial method of a Dialer
		ClientID: "greenhouse",
		Will:     &mqttcore.Message{Topic: []byte("greenhouse/status"), Payload: []byte("gone"), QoS: 1, Retain: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stopped := make(chan error)
	go func() { stopped <- client.Run(ctx) }()

	answered := make(chan struct{})
	granted, err := client.Subscribe(ctx, "greenhouse/commands/+", 1, func(d mqttcore.Delivery) {
		fmt.Printf("%s: %s\n", d.Topic, d.Payload)
		// Waiting for the broker is fine inside a handler.
		err := client.Publish(ctx, mqttcore.Message{Topic: []byte("greenhouse/window"), Payload: []byte("is open"), QoS: 1})
		fmt.Println("answered:", err)
		close(answered)
	})
	fmt.Println("granted QoS", granted, err)
	if err := client.Publish(ctx, mqttcore.Message{Topic: []byte("greenhouse/commands/window"), Payload: []byte("open"), QoS: 1}); err != nil {
		fmt.Println(err)
	}
	<-answered
	fmt.Println("disconnected:", client.Disconnect(ctx))
	fmt.Println("stopped:", <-stopped)
	// Output:
	// granted QoS 1 <nil>
	// greenhouse/commands/window: open
	// answered: <nil>
	// disconnected: <nil>
	// stopped: <nil>
}

// Publishing without waiting: a token for each message, and a hook that is told
// what became of it.
func ExampleClient_PublishAsync() {
	done := make(chan mqttcore.Completion, 3)
	client, err := mqttcore.New(mqttcore.Config{
		Dial:        dialExample,
		ClientID:    "greenhouse",
		OnPublished: func(c mqttcore.Completion) { done <- c },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// QoS 1 is accepted before there is a connection.
	for token, payload := range []string{"21.0", "21.5", "22.0"} {
		m := mqttcore.Message{Topic: []byte("greenhouse/temperature"), Payload: []byte(payload), QoS: 1}
		if err := client.PublishAsync(m, uint64(token)); err != nil {
			fmt.Println("refused:", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- client.Run(ctx) }()
	for range 3 {
		c := <-done
		fmt.Println("message", c.Token, "error", c.Err)
	}
	cancel() // as if the process died: no DISCONNECT, the broker publishes the will
	fmt.Println(<-stopped)
	// Output:
	// message 0 error <nil>
	// message 1 error <nil>
	// message 2 error <nil>
	// context canceled
}

// The broker gets its PUBACK when the application has put the message where it
// is safe, not when the handler returns.
func ExampleClient_Ack() {
	work := make(chan mqttcore.Delivery, 10)
	client, err := mqttcore.New(mqttcore.Config{
		Dial:      dialExample,
		ClientID:  "greenhouse",
		ManualAck: true,
		OnMessage: func(d mqttcore.Delivery) {
			d.Payload = append([]byte(nil), d.Payload...) // it is ours during the call only
			work <- d
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stopped := make(chan error)
	go func() { stopped <- client.Run(ctx) }()
	if _, err := client.Subscribe(ctx, "jobs/#", 1, nil); err != nil {
		fmt.Println(err)
	}
	if err := client.Publish(ctx, mqttcore.Message{Topic: []byte("jobs/1"), Payload: []byte("water the plants"), QoS: 1}); err != nil {
		fmt.Println(err)
	}
	d := <-work
	fmt.Printf("stored %q\n", d.Payload)
	client.Ack(d.ID)
	fmt.Println(client.Disconnect(ctx), <-stopped)
	// Output:
	// stored "water the plants"
	// <nil> <nil>
}

// Who may publish where: everything that a subscription can match must lie in
// an allowed filter.
func ExampleFilterCovers() {
	allowed := []byte("commands/greenhouse/#")
	for _, f := range []string{"commands/greenhouse/+/window", "commands/greenhouse", "commands/#", "#"} {
		fmt.Println(f, mqttcore.FilterCovers(allowed, []byte(f)))
	}
	// Output:
	// commands/greenhouse/+/window true
	// commands/greenhouse true
	// commands/# false
	// # false
}
