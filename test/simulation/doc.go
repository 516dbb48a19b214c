// Package simulation runs the whole system on one virtual clock: boards, the
// serial line, the gateway, the MQTT sessions, the outbox on a disk, and a broker.
// What there is and what goes wrong is drawn from a seed, and a seed always gives
// the same run, so that a failure can be replayed and read.
//
//	program, board.Board ─ line ─ serialproto.Decoder ─ gateway.Gateway ─┬─ mqttcore.Engine ─ wire ─ broker
//	                                                                     └─ disk: outbox.Log on simdisk.Disk
//
// What is real: serialproto, serialproto/board, devices/gateway, mqttcore,
// mqttcore/packet and mqttcore/outbox, through what they export. What is modelled:
// the cable (line), TCP (wire), the disk (simdisk), the broker, and the programs on
// the boards and at the broker. Between the gateway and the rest stands what package
// devices is in a daemon: process, session and disk here do in the same order, and
// without goroutines, what Device, session and disk do there.
//
// # What goes wrong
//
// Bytes are lost, flipped, inserted and delayed, frames are cut, the port is pulled.
// Boards are reset, lose power, leave. Connections are cut after any byte; the broker
// stops, with or without what it knew. The disk is slow, full or broken. The
// gateway is killed at any point, and the machine loses power at any write to the
// disk; what was not synced is lost or torn then.
//
// # What must hold
//
//   - A message that was acknowledged to a board has reached the broker, or is in
//     the outbox at that moment; at the end it has reached the broker, or it is in
//     the quarantine. Only messages on which the broker closed the connection
//     five times are there.
//   - Seen from a subscriber, the acknowledged QoS 1 messages of a board with a
//     window of 1 come in the order of acknowledgement; of several copies, the
//     first counts.
//   - Nothing comes that nobody sent, or in another shape.
//   - Unless the gateway was killed, a message is handed to the MQTT session no more
//     often than the program, or a board that was reset, said it.
//   - A QoS 1 message for a board is acknowledged to the broker only after the board
//     had it, and comes once, unless the broker may not have got that
//     acknowledgement, or the board or the gateway were disturbed. They come in order.
//   - No more bytes are under way to a board than it can take, and no more messages
//     to the broker than max_inflight.
//   - A board that is lost has its will published.
//   - When faults end, everything arrives, and then nothing moves any more.
//
// # What is left out
//
// TLS, orderly stops of the gateway, drop_oldest, QoS -1, updates of a will and full
// inboxes of the MQTT session have tests elsewhere. QoS 0 is sent, but nobody promises
// that it arrives. PINGRESP after the last message is only asked for while the broker
// is there and nothing goes wrong. Boards ask for session-present only where the
// gateway is not killed, or has an outbox; and it is not killed in the few seconds
// in which a SUBACK is not on disk yet: should the broker forget its sessions
// then too, that subscription is lost.
//
// # Can it fail
//
// Faults are planted in the glue (Bug), and a test holds that each is found.
package simulation
