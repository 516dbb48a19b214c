package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// boardLine prints what a person wants to know of a board's life.
func boardLine(l *lines, name string, o sim.Observation) {
	if o.Kind != sim.Happened {
		return
	}
	e := &o.Event
	switch e.Kind {
	case board.Connected:
		l.event(o.At, name, "connected", green, sessionText(e))
	case board.Disconnected:
		l.event(o.At, name, "disconnected", yellow, e.Reason.String())
	case board.Refused:
		l.event(o.At, name, "refused", red, "CONNECT: "+e.ReturnCode.String())
	case board.Dropped:
		l.event(o.At, name, "refused", red, fmt.Sprintf("%-32s %s", e.Topic, e.ReturnCode))
	case board.Congested:
		l.event(o.At, name, "congested", yellow, "the gateway is busy")
	case board.Published:
		l.event(o.At, name, "published", plain, publishedText(e))
	case board.Received:
		l.event(o.At, name, "received", cyan, fmt.Sprintf("%-32s %s", e.Topic, dataText(e.Data)))
	case board.Subscribed:
		l.event(o.At, name, "subscribed", subscribedColour(e), fmt.Sprintf("%-32s %s", e.Topic, subscribedText(e)))
	case board.TimeReceived:
		l.event(o.At, name, "time", plain, e.Time.UTC().Format(time.RFC3339Nano))
	case board.Malformed:
		l.event(o.At, name, "malformed", red, e.Err.Error())
	case board.Asleep:
		l.event(o.At, name, "asleep", dim, asleepText(e))
	case board.Awake:
		l.event(o.At, name, "awake", plain, "asks for messages")
	case board.WillTopicUpdated:
		l.event(o.At, name, "will", plain, fmt.Sprintf("%-32s %s", e.Topic, e.ReturnCode))
	case board.WillMessageUpdated:
		l.event(o.At, name, "will", plain, "message "+e.ReturnCode.String())
	case board.Registered, board.Unsubscribed, board.Duplicate: // details, which wireLine shows
	}
}

func sessionText(e *board.Event) string {
	switch {
	case !e.HasSession:
		return ""
	case e.SessionPresent:
		return "the session goes on"
	}
	return "a new session"
}

func asleepText(e *board.Event) string {
	text := fmt.Sprintf("for %v at most", e.Sleep)
	if e.Reason != 0 {
		text += ", " + e.Reason.String()
	}
	return text
}

func publishedText(e *board.Event) string {
	text := fmt.Sprintf("%-32s %s  ", e.Topic, dataText(e.Data))
	if e.QoS != 1 {
		return text + fmt.Sprintf("QoS %d", e.QoS)
	}
	text += fmt.Sprintf("acknowledged in %.1f ms", float64(e.RTT)/float64(time.Millisecond))
	if e.Tries > 1 {
		text += fmt.Sprintf(", try %d", e.Tries)
	}
	return text
}

func subscribedText(e *board.Event) string {
	if e.ReturnCode != mqttsn.Accepted {
		return e.ReturnCode.String()
	}
	return fmt.Sprintf("QoS %d", e.QoS)
}

func subscribedColour(e *board.Event) colour {
	if e.ReturnCode != mqttsn.Accepted {
		return red
	}
	return plain
}

// faultLine prints what went wrong on a simulated line.
func faultLine(l *lines, name string, o sim.Observation) {
	switch o.Kind {
	case sim.Lost:
		l.event(o.At, name, "lost", yellow, "to the gateway: "+messageText(o.Body))
	case sim.Missed:
		l.event(o.At, name, "lost", yellow, "from the gateway: "+messageText(o.Body))
	case sim.Noise:
		l.event(o.At, name, "noise", yellow, bytesText(o.Body))
	case sim.Overrun:
		l.event(o.At, name, "overrun", red, fmt.Sprintf("the receive ring was full, %d bytes are lost", o.Bytes))
	}
}

// wireLine prints the messages and the text that a simulated board puts on the
// line and takes from it.
func wireLine(l *lines, name string, o sim.Observation) {
	kind := devices.Console
	switch o.Kind {
	case sim.Sent:
		kind = devices.FrameIn
	case sim.Received:
		kind = devices.FrameOut
	case sim.Printed:
	default:
		return
	}
	if kind != devices.Console {
		what, c, text := describe(kind, o.Body)
		l.event(o.At, name, what, c, text)
		return
	}
	for line := range bytes.Lines(o.Body) {
		what, c, text := describe(kind, line)
		l.event(o.At, name, what, c, text)
	}
}
