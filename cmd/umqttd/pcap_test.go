package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// passing is one event and what tshark says of it: its info column, and fields.
type passing struct {
	kind   devices.WatchKind
	packet mqttsn.Packet
	info   string
	fields string // name=value, separated by '|'
}

var everyMessage = []passing{
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.Advertise, GatewayID: 7, Duration: 900}, "Advertise Gateway", "gw.id=7|adv.interv=900"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.SearchGW, Radius: 2}, "Search Gateway", "radius=2"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.GWInfo, GatewayID: 7}, "Gateway Info", "gw.id=7"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, Duration: 30, ClientID: []byte("attic-1")}, "Connect Command", "client.id=attic-1|keep.alive=30"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.ConnAck, ReturnCode: mqttsn.Congestion}, "Connect Ack", "return.code=0x01"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.WillTopicReq}, "Will Topic Request", ""},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.WillTopic, Flags: mqttsn.QoS1, Topic: []byte("will/t")}, "Will Topic", "will.topic=will/t"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.WillMsgReq}, "Will Message Request", ""},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte("gone")}, "Will Message", "will.msg=gone"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Register, MsgID: 5, Topic: []byte("sensors/t")}, "Register", "topic=sensors/t|msg.id=5"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.RegAck, TopicID: 9, MsgID: 5}, "Register Ack", "topic.id=9|msg.id=5|return.code=0x00"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: 9, MsgID: 6, Data: []byte("21.5")}, "Publish Message", "topic.id=9|msg.id=6|pub.msg=21.5|qos=0x01"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.PubAck, TopicID: 9, MsgID: 6}, "Publish Ack", "topic.id=9|msg.id=6"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.PubRec, MsgID: 6}, "Publish Received", "msg.id=6"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.PubRel, MsgID: 6}, "Publish Release", "msg.id=6"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.PubComp, MsgID: 6}, "Publish Complete", "msg.id=6"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 7, Topic: []byte("commands/#")}, "Subscribe Request", "msg.id=7|topic.name.or.id=commands/#"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.SubAck, TopicID: 0, MsgID: 7}, "Subscribe Ack", "msg.id=7"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Unsubscribe, MsgID: 8, Topic: []byte("commands/#")}, "Unsubscribe Request", "msg.id=8"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.UnsubAck, MsgID: 8}, "Unsubscribe Ack", "msg.id=8"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte("attic-1")}, "Ping Request", "client.id=attic-1"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.PingResp}, "Ping Response", ""},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Disconnect, HasDuration: true, Duration: 60}, "Disconnect Req", "sleep.timer=60"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.WillTopicUpd, Topic: []byte("will/u")}, "Will Topic Update", ""},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.WillTopicResp}, "Will Topic Response", "return.code=0x00"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte("gone")}, "Will Message Update", "will.msg=gone"},
	{devices.FrameOut, mqttsn.Packet{Type: mqttsn.WillMsgResp}, "Will Message Response", "return.code=0x00"},
	{devices.FrameIn, mqttsn.Packet{Type: mqttsn.Encapsulated, Radius: 1, NodeID: []byte{0, 9}, Data: []byte{2, 0x16}}, "Encapsulated Message", "wireless.node.id=9"},
}

// tshark reads a capture as docs tell people to.
func tshark(t *testing.T, file string, args ...string) []string {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Fatalf("%v; on Debian, Raspberry Pi OS and Ubuntu: apt-get install tshark", err)
	}
	c := exec.CommandContext(t.Context(), "tshark", append([]string{"-n", "-r", file, "-d", "udp.port==1884,mqttsn"}, args...)...)
	c.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// write makes a capture of events.
func write(t *testing.T, events ...daemon.MonitorEvent) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "attic.pcapng")
	var printed bytes.Buffer
	show, done, err := newOutlet("attic", &printed, false, file)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for i, ev := range events {
		ev.At = time.Unix(1_700_000_000, int64(i)).UTC()
		if err := show(ev); err != nil {
			t.Fatal(err)
		}
	}
	if printed.Len() == 0 {
		t.Error("nothing is shown beside")
	}
	return file
}

// TestCapture: Wireshark's own dissector finds in each message what was put into it, the
// direction, the device and the time.
func TestCapture(t *testing.T) {
	var events []daemon.MonitorEvent
	for _, m := range everyMessage {
		events = append(events, daemon.MonitorEvent{Kind: m.kind, Body: m.packet.Append(nil)})
	}
	file := write(t, events...)
	if bad := tshark(t, file, "-Y", "_ws.malformed || _ws.expert.severity == error"); bad[0] != "" {
		t.Errorf("malformed:\n%s", strings.Join(bad, "\n"))
	}
	lines := tshark(t, file, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction", "-e", "udp.dstport",
		"-e", "ip.checksum.status", "-o", "ip.check_checksum:TRUE", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info")
	fields := make(map[string][]string)
	for i, m := range everyMessage {
		direction, port := "0x00000001", "1884"
		if m.kind == devices.FrameOut {
			direction, port = "0x00000002", "10000"
		}
		want := fmt.Sprintf("1700000000.%09d\tattic\t%s\t%s\t1\tMQTT-SN\t%s", i, direction, port, m.info)
		if lines[i] != want {
			t.Errorf("%v: got  %q\nwant %q", m.packet.Type, lines[i], want)
		}
		for field := range strings.SplitSeq(m.fields, "|") {
			name, value, found := strings.Cut(field, "=")
			if !found {
				continue
			}
			got := tsharkField(t, fields, file, i, name)
			if got != value {
				t.Errorf("%v: %s is %q, want %q", m.packet.Type, name, got, value)
			}
		}
	}
}

// tsharkField is one field of a frame, which is asked for once for all frames.
func tsharkField(t *testing.T, fields map[string][]string, file string, i int, name string) string {
	t.Helper()
	if fields[name] == nil {
		fields[name] = tshark(t, file, "-T", "fields", "-e", "mqttsn."+name)
	}
	return fields[name][i]
}

// TestCaptureOfOther: long messages, console text and noise.
func TestCaptureOfOther(t *testing.T) {
	publish := func(n int) []byte {
		p := mqttsn.Packet{Type: mqttsn.Publish, TopicID: 9, Data: bytes.Repeat([]byte("x"), n)}
		return p.Append(nil)
	}
	file := write(t,
		daemon.MonitorEvent{Kind: devices.FrameIn, Body: publish(2000)},
		daemon.MonitorEvent{Kind: devices.FrameIn, Body: publish(maxDatagram - 9)},
		daemon.MonitorEvent{Kind: devices.FrameIn, Body: publish(65535 - 9)},
		daemon.MonitorEvent{Kind: devices.Console, Body: []byte("hello from the board")},
		daemon.MonitorEvent{Kind: devices.Noise, Body: []byte{0xff, 0x00}},
		daemon.MonitorEvent{Kind: devices.FrameIn, Body: []byte{2, 3}}, // a type that there is not
	)
	lines := tshark(t, file, "-T", "fields", "-e", "frame.interface_name", "-e", "mqttsn.msg.len", "-e", "data-text-lines", "-e", "data.data")
	want := []string{
		"attic\t2009\t\t", "attic\t65507\t\t", "attic\t65535\t\t", "attic console\t\tLine-based text data (1 lines)\t", "attic console\t\t\tff00", "attic\t2\t\t",
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("got  %q\nwant %q", lines[i], want[i])
		}
	}
	if all := strings.Join(tshark(t, file, "-V"), "\n"); !strings.Contains(all, "hello from the board") {
		t.Error("the text is not shown")
	}
}

// TestCaptureThatCannotBeWritten says so.
func TestCaptureThatCannotBeWritten(t *testing.T) {
	if _, _, err := newOutlet("attic", new(bytes.Buffer), false, filepath.Join(t.TempDir(), "no", "such")); err == nil {
		t.Error("no error")
	}
}
