// Package mqttcore is an MQTT 3.1.1 client session: QoS 0 and 1, wills,
// retained messages, clean and persistent sessions, and a connection that comes
// back by itself.
//
// A [Client] is made with [New] and lives while [Client.Run] runs, which the
// caller starts:
//
//	dialer, err := mqttcore.NewDialer("mqtts://broker.example.org", mqttcore.FileTLS{CAFile: "ca.pem"})
//	...
//	client, err := mqttcore.New(mqttcore.Config{Dial: dialer.Dial, ClientID: "greenhouse"})
//	...
//	go client.Run(ctx)
//	granted, err := client.Subscribe(ctx, "commands/greenhouse/#", 1, handler)
//	err = client.Publish(ctx, mqttcore.Message{Topic: topic, Payload: payload, QoS: 1})
//
// # What becomes of a message
//
// Every message and every request ends in exactly one of these ways.
//
// Refused: PublishAsync, Publish and the others return [ErrInvalid],
// [ErrQueueFull], [ErrNotConnected], [ErrStopping] or [ErrClosed]. Nothing was
// accepted, nothing will be sent, no completion follows.
//
// Done: the error is nil. With QoS 1 the broker has acknowledged the message
// and is responsible for it. With QoS 0 the socket took it, and nobody knows
// more.
//
// Not sent: the error wraps [ErrNotSent]. It never reached a socket; sending it
// again makes no duplicate.
//
// Fate unknown: the error wraps [ErrFateUnknown]. It was written, or partly, and
// no acknowledgement came. The broker may have it. QoS 1 messages end like this
// when the client is closed, or with the [FailLost] policy; otherwise they are
// sent until they are acknowledged.
//
// A blocking call may give up before that: [ErrPending] says that the client
// goes on with the request and reports its end to nobody.
//
// # Order
//
// Messages leave in the order in which they were accepted, whatever happens. A
// message that must be sent again goes before everything that was accepted
// after it. At most [Config.MaxInflight] QoS 1 messages are sent and not
// acknowledged, those sent again included. After the broker has ended a connection,
// the first goes alone until one is acknowledged: if the broker ends it again and
// again, then because of that one.
//
// # When the connection comes back
//
// If the broker has kept the session, unacknowledged messages are sent with
// their old packet identifiers and the DUP flag, and subscriptions are left
// alone. If it has not, MQTT forbids to go on with the old identifiers: see
// [SessionLostPolicy] for messages; subscriptions are made again, once.
//
// # Receiving
//
// The broker gets a PUBACK when the handler has returned or, with
// [Config.ManualAck], when the application calls [Client.Ack]; in the order of
// arrival, and never on another connection than that which brought the message.
// A message that no handler wants is acknowledged too. The broker may deliver a
// message again, with DUP, while the application holds the first copy: that is a
// delivery of its own.
//
// Handlers run one at a time on a goroutine of their own. They may take their
// time and may call everything, Publish and Disconnect included. Meanwhile
// acknowledgements and pings are attended to, and up to [Config.MaxInbox]
// messages are kept. Beyond that, QoS 0 messages are dropped and counted, and a
// QoS 1 message stops the reading, which is not mistaken for a dead broker.
//
// # What the broker may not do
//
// Bytes that are no MQTT 3.1.1, an answer that does not fit its question, a
// PUBLISH with QoS 2, which no subscription of this client asks for: the
// connection is closed, reported with [ErrProtocol], and made again.
// Acknowledgements of nothing are ignored and counted.
//
// # What it costs
//
// An idle session is one goroutine, that of Run, and less than 8 KiB of memory.
// While there is something to write there is a second one, and while handlers
// run a third. Messages of up to 4 KiB are published and received without an
// allocation in steady state. What is due is written with one system call.
//
// # How it is built
//
// The session is a plain value, the engine: packets, requests and the time go
// in; packets, finished messages and the next deadline come out. It has one
// ordered queue, and one cursor that serves first sends and resends alike. The
// Client brings it a socket, a clock and a mutex; an [Engine] is for those who
// bring their own.
package mqttcore
