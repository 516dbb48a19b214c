// Package devices runs devices: one goroutine owns a port, the protocol state
// of the boards behind it, and drives one MQTT session for each of them.
//
//	port ──reader──▶ ┌────────────┐ ──PublishAsync──▶ mqttcore.Client ──▶ broker
//	     ◀─TryWrite─ │ Device.Run │ ◀────events────── (one a board)
//	                 └────────────┘
//	             gateway.Gateway, serialproto.Decoder
//
// The loop never waits for a disk, a broker or a board: what takes time runs
// aside and comes back as an event. A port that is missing, busy or broken is a
// state of its device and of no other.
package devices
