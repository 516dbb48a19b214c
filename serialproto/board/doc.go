// Package board is the client side of MQTT-SN 1.2 as a board on a serial line
// runs it, as a plain value: messages from the gateway, wishes of the program
// and the time go in; messages to the gateway, events for the program and the
// next deadline come out. It has no goroutine, clock, log or I/O.
//
//	gateway ->  Receive  -> Events  ->  program
//	program ->  Publish  -> Next    ->  gateway
//	timer   ->  Advance  -> Deadline -> timer
//
// It is what the simulator, the demo and the tests put at the other end of the
// cable. It follows docs/protocol.md and shares no code with the gateway, so
// that a mistake in one of them shows in the other.
//
// # Driving it
//
// After every input call Next as long as it has a message and the line is free,
// take Events, then set a timer for Deadline and call Advance when it fires. Messages are made when Next is called and not before: what waits for
// a slow line is decided as late as possible, and the retransmission timer of a
// message starts when it leaves.
//
// # Invariants
//
//   - A QoS 1 message accepted by Publish is sent until the gateway has
//     answered it; exactly one Published or Dropped event follows.
//   - Messages leave in the order of Publish. They arrive in that order even
//     if frames are lost only with a Window of 1.
//   - A retransmission is the same message with the same MsgId and DUP set. A
//     message that is new to the gateway has DUP clear.
//   - A message that the gateway sends again is reported once.
//   - Nothing grows without bound: topics, queued messages and answers owed
//     have limits, as on a board.
package board
