package main

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

const (
	maxHex  = 24 // bytes of noise shown
	maxData = 64 // bytes of a payload shown
)

// describe says in words what passed a port.
func describe(kind devices.WatchKind, body []byte) (what string, c colour, text string) {
	switch kind {
	case devices.Console:
		return "console", dim, string(body)
	case devices.Noise:
		return "noise", red, bytesText(body)
	}
	what, c = "board ->", green
	if kind == devices.FrameOut {
		what, c = "board <-", cyan
	}
	var p mqttsn.Packet
	if err := mqttsn.Parse(body, &p); err != nil {
		return "malformed", red, err.Error()
	}
	return what, c, packetText(&p)
}

// messageText is describe for a message, without its direction.
func messageText(body []byte) string {
	_, _, text := describe(devices.FrameIn, body)
	return text
}

// packetText says the fields of a message in the standard's terms, and the
// beginning of its payload.
func packetText(p *mqttsn.Packet) string {
	text := p.String()
	if len(p.Data) == 0 || p.Type == mqttsn.Encapsulated {
		return text
	}
	return text + "  " + dataText(p.Data)
}

// dataText shows the beginning of a payload, in hexadecimal if it is no text.
func dataText(data []byte) string {
	short := data[:min(len(data), maxData)]
	text := fmt.Sprintf("% x", short)
	if utf8.Valid(data) {
		text = strings.TrimRight(string(short), " ")
	}
	if len(short) < len(data) {
		text += fmt.Sprintf(" ... (%d bytes)", len(data))
	}
	return text
}

// bytesText shows the beginning of bytes that are no message.
func bytesText(b []byte) string {
	if len(b) > maxHex {
		return fmt.Sprintf("%d bytes: % x ...", len(b), b[:maxHex])
	}
	return fmt.Sprintf("%d bytes: % x", len(b), b)
}

// record is an event as JSON.
type record struct {
	Time      time.Time `json:"time"`
	Device    string    `json:"device"`
	Direction string    `json:"direction"` // in (from the board) or out
	Kind      string    `json:"kind"`      // message, console, noise or malformed
	Type      string    `json:"type,omitempty"`
	Message   string    `json:"message,omitempty"`
	Text      string    `json:"text,omitempty"`
	Hex       string    `json:"hex"`
}

func newRecord(name string, ev daemon.MonitorEvent) record {
	r := record{Time: ev.At, Device: name, Direction: "in", Hex: hex.EncodeToString(ev.Body)}
	switch ev.Kind {
	case devices.Console:
		r.Kind, r.Text = "console", string(ev.Body)
		return r
	case devices.Noise:
		r.Kind = "noise"
		return r
	case devices.FrameOut:
		r.Direction = "out"
	}
	var p mqttsn.Packet
	if err := mqttsn.Parse(ev.Body, &p); err != nil {
		r.Kind, r.Message = "malformed", err.Error()
		return r
	}
	r.Kind, r.Type, r.Message = "message", p.Type.String(), p.String()
	return r
}
