// Package fakebroker is an MQTT broker for tests that does what a script says, right or wrong.
//
// A real broker withholds no PUBACK, reorders none and cuts no connection after the 17th byte. This one does, at the same place in every run.
// There are two ways to lead it, and a test may use both.
//
// A script drives one connection step by step, from the test's goroutine, and reads like the protocol:
//
//	broker := fakebroker.New(t, fakebroker.Config{})
//	// ... start a client whose Dial is broker.Dial ...
//	conn := broker.Accept()
//	conn.Want(`CONNECT "board-1" clean keepalive=30`)
//	conn.Connack(false, packet.Accepted)
//	conn.Want(`PUBLISH q1 id=1 sensors/t "21.5"`)
//	conn.Puback(1)
//	conn.WantIdle()
//	conn.Reset()
//
// A Behavior lets the broker answer by itself, for floods and for thousands of reconnects:
//
//	broker.Serve(func(n int) fakebroker.Behavior { return fakebroker.Behavior{CutAfterRead: 40 + n} })
//
// # Memory and time
//
// New joins client and broker by Pipe, in memory, with buffers as small as the test likes. Nothing in it sleeps or polls, and all of it waits in
// ways that testing/synctest understands: inside a bubble, where the broker must be made too, the clock moves only when everybody waits. NewTCP
// listens on loopback instead, for code that wants a real socket.
//
// A script that does not read is a broker that does not read: what the client sends stays in the buffers until they are full.
//
// # What is always checked
//
// Whatever a client sends must be MQTT 3.1.1, CONNECT must come first and once [MQTT-3.1.0-1] [MQTT-3.1.0-2], nothing may follow DISCONNECT
// [MQTT-3.14.4-2], and a packet identifier must be free before it is used for something new [MQTT-2.3.1-2]. A violation fails the test,
// whatever the test was about.
package fakebroker
