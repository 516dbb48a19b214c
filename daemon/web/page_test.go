package web

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// full is a gateway with everything a page can show.
func full() Status {
	return Status{
		Name: "pi-attic", Version: "1.2.3", Started: noon.Add(-75 * time.Hour), Taken: noon, Broker: "mqtts://broker.example.org:8883",
		Devices: []Device{
			{
				Name: "greenhouse", Port: "/dev/serial/by-id/usb-Silicon_Labs_CP2104_USB_to_UART_Bridge_Controller_01435B26-if00-port0", Up: true,
				FramesRx: 1234567, FramesTx: 98765, Errors: 3, Retransmits: 12,
				SerialTrips: []time.Duration{6100 * time.Microsecond, 7 * time.Millisecond},
				Console:     []string{"boot", "ready"}, Settings: []Setting{{"baud", "115200"}},
				Boards: []Board{{
					ClientID: "greenhouse-1", Session: Active, Since: noon.Add(-3 * time.Hour), BrokerOnline: true, SRTT: 6400 * time.Microsecond,
					Uplink: 617283, Downlink: 42,
					Topics: []Topic{
						{Name: "sensors/greenhouse/temperature", Size: 5, At: noon.Add(-200 * time.Millisecond), Payload: []byte("23.75")},
						{Name: "sensors/greenhouse/humidity", Size: 2, At: noon.Add(-4 * time.Second), Payload: []byte("61")},
						{Name: "commands/greenhouse/window", Downlink: true, Size: 4, At: noon.Add(-7 * time.Minute), Payload: []byte("open")},
					},
				}},
			},
			{
				Name: "cellar", Port: "/dev/serial/by-path/platform-fd500000.pcie-usb-0:1.2:1.0", Problem: "no such port; plug the board in", Stored: 17,
				Boards: []Board{{ClientID: "cellar", Session: Lost, Since: noon.Add(-90 * time.Minute), Uplink: 88}},
			},
			{Name: "workshop", Port: "/dev/ttyUSB3", Broker: "wss://own.example.org/mqtt", Up: true, Dropped: 1},
			{
				Name: "radio", Port: "udp://:1884", Up: true, FramesRx: 4000, FramesTx: 3900,
				Boards: []Board{
					{ClientID: "node-a", Session: Asleep, Since: noon.Add(-40 * time.Second), BrokerOnline: true, SRTT: 31 * time.Millisecond, Uplink: 12},
					{ClientID: "node-b", Session: Active, Since: noon.Add(-20 * time.Second), SRTT: 28 * time.Millisecond, Uplink: 7},
				},
			},
		},
	}
}

func show(t *testing.T, status Status, payloads bool) string {
	t.Helper()
	url, _ := start(t, Config{Gateway: fixed{status: status}, ShowPayloads: payloads})
	got := ask(t, "GET", url+"/", nil)
	if got.status != 200 {
		t.Fatalf("%d, want 200", got.status)
	}
	return got.body
}

func TestPageShowsTheGateway(t *testing.T) {
	body := show(t, full(), false)
	for _, want := range []string{
		"<title>pi-attic – umqttd</title>", "umqttd 1.2.3", "up 3 d 3 h", "mqtts://broker.example.org:8883",
		"<b>3 of 4</b> devices up", "<b>3</b> boards connected", "<b>2 of 3</b> with the broker",
		"greenhouse-1", "for 3 h 0 min", "6.4 ms", `data-label="From board">617 283</td>`, "<dd>1\u202f234\u202f567</dd>",
		"sensors/greenhouse/temperature", `>5 B</span> <span class="age">now<`, `>2 B</span> <span class="age">4 s ago<`, `>4 B</span> <span class="age">7 min ago<`,
		"no such port; plug the board in", "No board is connected. Nothing has come from this port yet; <code>umqttd doctor</code> finds out why.", "broker wss://own.example.org/mqtt", "asleep", "broker offline", "<b>17</b> in the outbox", "<b>0</b> messages in the last minute", `<polyline points="93,4 96,2">`, "max 7.0", "7.0 ms", `<a href="devices/greenhouse">`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "23.75") {
		t.Error("the page shows a payload though http.show_payloads is not set")
	}
	if t.Failed() {
		t.Log(body)
	}
}

func TestPageShowsPayloadsIfAsked(t *testing.T) {
	status := full()
	status.Devices[0].Boards[0].Topics[1].Payload = []byte(strings.Repeat("x", 63) + "é" + "z")
	body := show(t, status, true)
	status.Devices[0].Boards[0].Topics[2].Size = 90 // of which the gateway kept 4
	if longer := show(t, status, true); !strings.Contains(longer, "<q>open…</q>") {
		t.Error("what was not kept leaves no trace:\n", longer)
	}
	if !strings.Contains(body, "<q>open</q>") || !strings.Contains(body, "<q>23.75</q>") || !strings.Contains(body, "x\\xc3…</q>") || strings.Contains(body, "xz") {
		t.Error("the payloads are not there, or not cut:\n", body)
	}
}

// Topics, client ids and all that boards and brokers say are text and nothing else, in HTML and to the eye.
func TestPageEscapes(t *testing.T) {
	const evil = "<script>alert(1)</script>\" onload=x '\x1b[2J\u202e\xff&amp;"
	body := show(t, Status{
		Name: evil, Version: evil, Broker: evil, Taken: noon,
		Devices: []Device{{Name: evil, Port: evil, Broker: evil, Problem: evil, Console: []string{evil}, Boards: []Board{{
			ClientID: evil, Topics: []Topic{{Name: evil, Payload: []byte(evil)}},
		}}}},
	}, true)
	for _, raw := range []string{"<script>", "\x1b", "\u202e", "\xff", `" onload`} {
		if strings.Contains(body, raw) {
			t.Errorf("%q is in the page:\n%s", raw, body)
		}
	}
	if n := strings.Count(body, `&lt;script&gt;alert(1)&lt;/script&gt;&#34; onload=x &#39;\x1b[2J\u202e\xff&amp;amp;`); n != 15 {
		t.Errorf("the text is on the page %d times, want 15, for a person to read:\n%s", n, body)
	}
}

// void matches the elements that HTML never closes and XML must.
var void = regexp.MustCompile(`<((?:meta|link)[^>]*)>`)

// The page is well-formed, and holds nothing that its own policy forbids.
func TestPageIsWellFormedAndKeepsItsPolicy(t *testing.T) {
	for name, status := range map[string]Status{"full": full(), "empty": {Version: "1"}} {
		body := strings.Replace(show(t, status, true), "<!DOCTYPE html>", "", 1)
		decoder := xml.NewDecoder(strings.NewReader(void.ReplaceAllString(body, "<$1/>")))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			element, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if tag := element.Name.Local; tag == "style" || tag == "form" || tag == "iframe" {
				t.Errorf("%s: there is a <%s>", name, tag)
			}
			if tag := element.Name.Local; tag == "script" && (len(element.Attr) != 2 || element.Attr[0].Value != "live.js") {
				t.Errorf("%s: there is a script that is not the page's: %v", name, element.Attr)
			}
			for _, a := range element.Attr {
				if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s: <%s> has %s=", name, element.Name.Local, a.Name.Local)
				}
				if (a.Name.Local == "href" || a.Name.Local == "src") && (strings.HasPrefix(a.Value, "/") || strings.Contains(a.Value, ":")) {
					t.Errorf("%s: <%s> points to %s", name, element.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestPageOfAnEmptyGateway(t *testing.T) {
	body := show(t, Status{}, false)
	if !strings.Contains(body, "No device is configured.") || strings.Contains(body, "<table") {
		t.Error(body)
	}
}

func TestPageStaysSmallWithThousandsOfBoards(t *testing.T) {
	status := Status{Taken: noon, Devices: []Device{{Name: "radio", Up: true, Boards: make([]Board, 10_000)}}}
	for i := range status.Devices[0].Boards {
		status.Devices[0].Boards[i] = Board{ClientID: "node", Session: Active, BrokerOnline: true, Topics: make([]Topic, 9)}
	}
	body := show(t, status, false)
	if n := strings.Count(body, ">node<"); n != maxBoards {
		t.Errorf("%d boards, want %d", n, maxBoards)
	}
	if n := strings.Count(body, "<li>") - 4; n > maxBoards*maxTopics {
		t.Errorf("%d topics, want %d at most", n, maxBoards*maxTopics)
	}
	for _, want := range []string{"and 9900 more", "<b>10000</b> boards connected"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if len(status.Devices[0].Boards[0].Topics) != 9 {
		t.Error("the page changed the status it was given")
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{age(noon, time.Time{}), "never"}, {age(noon, noon.Add(time.Second)), "now"}, {age(noon, noon.Add(-time.Second)), "1 s ago"},
		{span(noon, noon.Add(time.Hour)), "0 s"}, {span(noon, noon.Add(-59*time.Second)), "59 s"}, {span(noon, noon.Add(-time.Hour)), "1 h 0 min"},
		{span(noon, noon.Add(-49*time.Hour)), "2 d 1 h"},
		{group(0), "0"}, {group(999), "999"}, {group(1000), "1\u202f000"}, {group(1234567), "1\u202f234\u202f567"},
		{size(0), "0 B"}, {size(9999), "9999 B"}, {size(10240), "10.0 KiB"},
		{milliseconds(0), "–"}, {milliseconds(1), "0.01 ms"}, {milliseconds(420 * time.Microsecond), "0.42 ms"}, {milliseconds(1250 * time.Microsecond), "1.2 ms"},
		{milliseconds(time.Minute), "60000 ms"},
		{fmt.Sprint(commands("no port; `umqttd ports` lists them")), "[{no port;  false} {umqttd ports true} { lists them false}]"},
		{fmt.Sprint(commands("a ` b")), "[{a ` b false}]"}, {fmt.Sprint(commands("")), "[]"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
