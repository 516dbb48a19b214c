package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// happened is an observation of an event at a fixed time.
func happened(e board.Event) sim.Observation {
	return sim.Observation{Kind: sim.Happened, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Event: e}
}

func TestBoardLines(t *testing.T) {
	for _, test := range []struct {
		e    board.Event
		want string
	}{
		{board.Event{Kind: board.Connected}, "connected"},
		{board.Event{Kind: board.Connected, HasSession: true}, "connected     a new session"},
		{board.Event{Kind: board.Connected, HasSession: true, SessionPresent: true}, "connected     the session goes on"},
		{board.Event{Kind: board.Disconnected, Reason: board.Unanswered}, "disconnected  gateway does not answer"},
		{board.Event{Kind: board.Refused, ReturnCode: mqttsn.NotSupported}, "refused       CONNECT: not supported"},
		{board.Event{Kind: board.Dropped, Topic: "a/b", ReturnCode: mqttsn.NotSupported}, "refused       a/b                              not supported"},
		{board.Event{Kind: board.Congested}, "congested     the gateway is busy"},
		{
			board.Event{Kind: board.Published, Topic: "a/b", Data: []byte("21.5  "), QoS: 1, Tries: 1, RTT: 2340 * time.Microsecond},
			"published     a/b                              21.5  acknowledged in 2.3 ms",
		},
		{
			board.Event{Kind: board.Published, Topic: "a/b", QoS: 1, Tries: 3, RTT: time.Second},
			"published     a/b                                acknowledged in 1000.0 ms, try 3",
		},
		{board.Event{Kind: board.Published, Topic: "a/b", Data: []byte("on"), QoS: -1}, "published     a/b                              on  QoS -1"},
		{board.Event{Kind: board.Received, Topic: "a/b", Data: []byte("on")}, "received      a/b                              on"},
		{board.Event{Kind: board.Subscribed, Topic: "a/#", QoS: 1}, "subscribed    a/#                              QoS 1"},
		{board.Event{Kind: board.Subscribed, Topic: "a/#", ReturnCode: mqttsn.NotSupported}, "subscribed    a/#                              not supported"},
		{board.Event{Kind: board.TimeReceived, Time: time.UnixMilli(1_700_000_000_123)}, "time          2023-11-14T22:13:20.123Z"},
		{board.Event{Kind: board.Malformed, Err: errors.New("no message")}, "malformed     no message"},
		{board.Event{Kind: board.Asleep, Sleep: 90 * time.Second}, "asleep        for 1m30s at most"},
		{board.Event{Kind: board.Asleep, Sleep: time.Second, Reason: board.Unanswered}, "asleep        for 1s at most, gateway does not answer"},
		{board.Event{Kind: board.Awake}, "awake         asks for messages"},
		{board.Event{Kind: board.WillTopicUpdated, Topic: "a/b"}, "will          a/b                              accepted"},
		{board.Event{Kind: board.WillMessageUpdated, ReturnCode: mqttsn.NotSupported}, "will          message not supported"},
		{board.Event{Kind: board.Registered, Topic: "a/b"}, ""},
	} {
		var out bytes.Buffer
		boardLine(newLines(&out), "b1", happened(test.e))
		want := "03:04:05.000  b1  " + test.want + "\n"
		if test.want == "" {
			want = ""
		}
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	}
}

func TestJournal(t *testing.T) {
	var out bytes.Buffer
	j := journal{lines: newLines(&out), name: "b1"}
	connect := mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("b1")}
	for _, o := range []sim.Observation{
		{Kind: sim.Sent, Body: connect.Append(nil)},
		{Kind: sim.Lost, Body: connect.Append(nil)},
		{Kind: sim.Received, Body: []byte{0x03, 0x05, 0x00}},
		{Kind: sim.Sent, Body: connect.Append(nil)},
		{Kind: sim.Missed, Body: []byte{0x02, 0x17}},
		{Kind: sim.Noise, Body: []byte{0x80}},
		{Kind: sim.Overrun, Bytes: 44},
		{Kind: sim.Printed, Body: []byte("boot\r\n")},
		happened(board.Event{Kind: board.Published, QoS: 1, Tries: 3}),
		happened(board.Event{Kind: board.Published}),
		happened(board.Event{Kind: board.Dropped}),
		happened(board.Event{Kind: board.Received}),
		happened(board.Event{Kind: board.Duplicate}),
	} {
		j.observe(o)
	}
	for _, want := range []string{
		"waiting       no answer to CONNECT, try 2\n",
		"lost          to the gateway: CONNECT",
		"lost          from the gateway: PINGRESP\n",
		"noise         1 bytes: 80\n",
		"overrun       the receive ring was full, 44 bytes are lost\n",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "board ->") || strings.Contains(out.String(), "boot") {
		t.Errorf("messages are shown without --verbose:\n%s", out.String())
	}
	const want = "QoS 1: 1 acknowledged; QoS 0: 1 sent; 1 received; 1 refused; 2 retransmissions; 1 duplicates; " +
		"2 frames lost; 1 pieces of noise; 44 bytes overrun"
	if got := j.summary(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVerboseJournal(t *testing.T) {
	var out bytes.Buffer
	j := journal{lines: newLines(&out), name: "b1", verbose: true}
	j.observe(sim.Observation{Kind: sim.Sent, Body: []byte{0x02, 0x16}})
	j.observe(sim.Observation{Kind: sim.Received, Body: []byte{0x02, 0x17}})
	j.observe(sim.Observation{Kind: sim.Printed, Body: []byte("a\r\nb\r\n")})
	const want = "00:00:00.000  b1  board ->      PINGREQ\n" +
		"00:00:00.000  b1  board <-      PINGRESP\n" +
		"00:00:00.000  b1  console       a\n" +
		"00:00:00.000  b1  console       b\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
