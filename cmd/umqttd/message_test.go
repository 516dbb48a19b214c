package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func published(data string) []byte {
	p := mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: 1, MsgID: 7, Data: []byte(data)}
	return p.Append(nil)
}

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		name string
		kind devices.WatchKind
		body []byte
		what string
		text string
	}{
		{"a message of the board", devices.FrameIn, published("21.5"), "board ->", "PUBLISH qos=1 topic=1 msgid=7 bytes=4  21.5"},
		{"a message for the board", devices.FrameOut, []byte{0x02, 0x18}, "board <-", "DISCONNECT"},
		{"a payload that is no text", devices.FrameIn, published("\xff\x00\x01"), "board ->", "PUBLISH qos=1 topic=1 msgid=7 bytes=3  ff 00 01"},
		{
			"a long payload", devices.FrameIn, published(strings.Repeat("x", 100)), "board ->",
			"PUBLISH qos=1 topic=1 msgid=7 bytes=100  " + strings.Repeat("x", 64) + " ... (100 bytes)",
		},
		{"no message", devices.FrameIn, []byte{0x02, 0x11}, "malformed", "mqttsn: type 0x11: MsgType at offset 1: no such message"},
		{"console text", devices.Console, []byte("boot"), "console", "boot"},
		{"noise", devices.Noise, []byte{0x80, 0x81}, "noise", "2 bytes: 80 81"},
		{"much noise", devices.Noise, bytes.Repeat([]byte{0x80}, 100), "noise", "100 bytes: 80" + strings.Repeat(" 80", 23) + " ..."},
	} {
		what, _, text := describe(test.kind, test.body)
		if what != test.what || text != test.text {
			t.Errorf("%s: got %q %q, want %q %q", test.name, what, text, test.what, test.text)
		}
	}
}

// One record a line, and what a program can rely on in it.
func TestRecords(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	show := newShow("attic", &out, true)
	for _, ev := range []daemon.MonitorEvent{
		{At: at, Kind: devices.FrameOut, Body: []byte{0x02, 0x18}},
		{At: at, Kind: devices.FrameIn, Body: []byte{0x02, 0x11}},
		{At: at, Kind: devices.Console, Body: []byte("boot\x1b\n")},
		{At: at, Kind: devices.Noise, Body: []byte{0x80}},
	} {
		if err := show(ev); err != nil {
			t.Fatal(err)
		}
	}
	want := []record{
		{Time: at, Device: "attic", Direction: "out", Kind: "message", Type: "DISCONNECT", Message: "DISCONNECT", Hex: "0218"},
		{Time: at, Device: "attic", Direction: "in", Kind: "malformed", Message: "mqttsn: type 0x11: MsgType at offset 1: no such message", Hex: "0211"},
		{Time: at, Device: "attic", Direction: "in", Kind: "console", Text: "boot\x1b\n", Hex: "626f6f741b0a"},
		{Time: at, Device: "attic", Direction: "in", Kind: "noise", Hex: "80"},
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines for %d events", len(lines), len(want))
	}
	for i, line := range lines {
		var got record
		if err := json.Unmarshal([]byte(line), &got); err != nil || got != want[i] {
			t.Errorf("got %s, %v", line, err)
		}
	}
}

// Lines are aligned, and nothing that a board says reaches the terminal as it is.
func TestLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	var out bytes.Buffer
	l := newLines(&out, "greenhouse")
	l.event(at, "shed", "received", cyan, "a\x1b]0;title\a\r\nb")
	l.event(at, "greenhouse", "connected", green, "")
	want := "03:04:05.678  shed        received      a\\x1b]0;title\\a\\r\\nb\n" +
		"03:04:05.678  greenhouse  connected\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	l.coloured = true
	l.event(at, "shed", "received", cyan, "a")
	if want := "\x1b[2m03:04:05.678\x1b[0m  shed        \x1b[36mreceived    \x1b[0m  a\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
