// Package gateway is the MQTT-SN 1.2 gateway of one device as a plain value:
// messages from boards, events from MQTT sessions and the time go in; bytes for
// the port, commands to MQTT sessions, notices for the operator and the next
// deadline come out. It has no goroutine, clock, lock or I/O.
//
//	frame body  ->  Receive      ->  Stream     ->  port
//	port        ->  PortOpened   ->  Commands   ->  MQTT sessions
//	MQTT        ->  SessionUp    ->  Notices    ->  metrics, log, page
//	timer       ->  Advance      ->  Deadline   ->  timer
//
// A device owns a port; a node owns a session. The board straight on a UART is
// the one node of its device; behind a forwarder or on UDP there are many.
//
// # Driving it
//
// After every call of an input method take Notices and Commands and act on them.
// After any number of inputs take Stream (or Datagrams), write it, and set a
// timer for Deadline. What they refer to is valid until the next input.
//
// # Invariants
//
//   - A QoS 1 message of a board is answered exactly once for each time it
//     arrives, and published once, however often it arrives (duplicates).
//   - No PUBACK crosses a CONNECT.
//   - A node has at most one message outstanding that it must answer, so
//     messages reach it in the broker's order.
//   - Bytes on their way to a board never exceed rx_buffer (flow), but for a
//     single frame that is larger.
//   - Every message handed to Deliver is released exactly once.
package gateway
