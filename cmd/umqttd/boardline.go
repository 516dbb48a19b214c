package main

import (
	"fmt"
	"net"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
)

// welcome says what to open and what to type.
func welcome(page, broker net.Addr) string {
	host, port, _ := net.SplitHostPort(broker.String())
	return fmt.Sprintf(`umqttd demo: two simulated boards, the gateway, and a broker inside it.

  Status page   http://%[1]s/
  Metrics       http://%[1]s/metrics
  MQTT broker   %[2]s

Open the status page, and try in another terminal:

  umqttd monitor greenhouse --config demo
  mosquitto_sub -h %[3]s -p %[4]s -t 'sensors/#' -v
  mosquitto_pub -h %[3]s -p %[4]s -q 1 -t commands/greenhouse/led -m on

Ctrl-C ends it. What the boards see:

`, page, broker, host, port)
}

// boardLine prints what a person wants to know of a board's life.
func boardLine(l *lines, name string, o sim.Observation) {
	if o.Kind != sim.Happened {
		return
	}
	e := &o.Event
	switch e.Kind {
	case board.Connected:
		l.event(o.At, name, "connected", green, "")
	case board.Disconnected:
		l.event(o.At, name, "disconnected", yellow, e.Reason.String())
	case board.Refused, board.Dropped:
		l.event(o.At, name, "refused", red, e.ReturnCode.String())
	case board.Congested:
		l.event(o.At, name, "congested", yellow, "the gateway is busy")
	case board.Published:
		l.event(o.At, name, "published", plain, publishedText(e))
	case board.Received:
		l.event(o.At, name, "received", cyan, fmt.Sprintf("%-32s %s", e.Topic, e.Data))
	case board.Subscribed:
		l.event(o.At, name, "subscribed", plain, e.Topic)
	}
}

func publishedText(e *board.Event) string {
	if e.QoS != 1 {
		return e.Topic
	}
	text := fmt.Sprintf("%-32s acknowledged in %.1f ms", e.Topic, float64(e.RTT)/float64(time.Millisecond))
	if e.Tries > 1 {
		text += fmt.Sprintf(", try %d", e.Tries)
	}
	return text
}
