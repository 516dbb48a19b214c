package e2e

import (
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// on returns what came on one topic.
func (s *subscriber) on(topic string) []string {
	var all []string
	for _, m := range s.all() {
		if m.topic == topic {
			all = append(all, m.payload)
		}
	}
	return all
}

// waitOn waits until what came on a topic is what is wanted.
func (s *subscriber) waitOn(topic string, want ...string) {
	s.t.Helper()
	if !patience.Within(patience.Limit, func() bool { return len(s.on(topic)) >= len(want) }) {
		s.t.Fatalf("on %s came %q, want %q", topic, s.on(topic), want)
	}
	wantOnce(s.t, s.on(topic), want)
}

// TestStatusTopics follows what the gateway says of itself and of its device, retained.
func TestStatusTopics(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting})
	const gateway, device = "umqttd/gw/status", "umqttd/gw/attic/status"
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	judge := r.judge("umqttd/#")
	judge.waitOn(gateway, "online")
	judge.waitOn(device, "offline")
	b := r.board(board.Config{ClientID: "m5"})
	judge.waitOn(device, "offline", "online")
	b.Disconnect()
	judge.waitOn(device, "offline", "online", "offline")
	b.Start()
	judge.waitOn(device, "offline", "online", "offline", "online")
	r.gateway.Stop()
	judge.waitOn(device, "offline", "online", "offline", "online", "offline")
	judge.waitOn(gateway, "online", "offline")
	late := subscribe(t, r.broker, "late", "umqttd/#")
	for _, topic := range []string{gateway, device} {
		if m := late.waitFor(topic, "offline"); !m.retain {
			t.Errorf("%s is not retained", topic)
		}
	}
}

// TestOwnSessionIsNobodysBusiness refuses the gateway's own session: boards and readiness are not affected.
func TestOwnSessionIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5"})
	subscribe(t, r.broker, "gw", "m5/#") // two clients with one id: the broker cuts the first
	send(b, "m5/t", []string{"1"})
	judge.waitFor("m5/t", "1")
	if !r.gateway.ReadyWithin(0) {
		t.Error("umqttd is not ready")
	}
	wantUndisturbed(t, b)
}

// TestConsole passes on what a board prints, line by line, to the log and to a topic.
func TestConsole(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{"console: {topic: consoles/attic}"}})
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	judge := r.judge("consoles/#")
	b := r.board(board.Config{ClientID: "m5"})
	b.Print("ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET)\r\n")
	send(b, "m5/t", []string{"1"})
	judge.waitOn("consoles/attic", "ets Jul 29 2019 12:21:46", "", "rst:0x1 (POWERON_RESET)")
	b.Print("\x1b[31mred\x1b[0m Grüße\n") // no frame follows: silence shows it
	judge.wait(4)
	r.gateway.WaitMetric(metric("console_lines_total"), 4)
	patience.Wait(t, "the log has it", func() bool { return strings.Contains(r.gateway.Log(), "Grüße") })
	if strings.Contains(r.gateway.Log(), "\x1b") {
		t.Error("an escape sequence of the board is in the log")
	}
	wantUndisturbed(t, b)
}

// TestMetrics follows the series of docs/metrics.md through a life: what exists at 0 from the start, what moves when.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	m := r.gateway.Metrics()
	for series, want := range map[string]float64{
		metric("device_up"): 1, metric("board_connected"): 0, metric("broker_connected"): 0,
		metric("frames_total", `direction="rx"`): 0, metric("frames_total", `direction="tx"`): 1,
		metric("serial_bytes_total", `direction="tx"`): 9, metric("frame_errors_total", `reason="crc"`): 0,
		metric("uplink_latency_seconds_count", `qos="1"`): 0, metric("downlink_latency_seconds_count", `qos="1"`): 0,
		metric("serial_rtt_seconds_count"): 0, metric("broker_rtt_seconds_count"): 0, "umqttd_config_last_reload_successful": 1,
	} {
		if got, ok := m[series]; !ok || got != want {
			t.Errorf("at the start %s is %v (there: %v), want %v", series, got, ok, want)
		}
	}
	s := cable.NewScript(t, r.line)
	s.Connect("m5", mqttsn.CleanSession)
	id := s.Register("m5/t", 1)
	message := mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: id, MsgID: 2, Data: []byte("21.5")}
	s.Send(message)
	s.Want(mqttsn.PubAck)
	again := message
	again.Flags |= mqttsn.DUP
	s.Send(again)
	s.Want(mqttsn.PubAck)
	s.Send(mqttsn.Packet{Type: mqttsn.Publish, TopicID: id, Data: []byte("21.6")})
	s.Send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 3, Topic: []byte("cmd/m5")})
	s.Want(mqttsn.SubAck)
	r.publish("cmd/m5", "down")
	first := s.Want(mqttsn.Publish)
	if p := s.Want(mqttsn.Publish); !p.Flags.Has(mqttsn.DUP) || p.MsgID != first.MsgID { // after an RTO, unanswered
		t.Errorf("a message was sent again as %+v, first as %+v", p, first)
	}
	s.Send(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: first.TopicID, MsgID: first.MsgID})
	r.gateway.WaitMetric(metric("messages_total", `direction="downlink"`, `qos="1"`), 1)
	m = r.gateway.Metrics()
	for series, want := range map[string]float64{
		metric("board_connected"): 1, metric("broker_connected"): 1,
		metric("messages_total", `direction="uplink"`, `qos="1"`): 1, metric("messages_total", `direction="uplink"`, `qos="0"`): 1,
		metric("uplink_latency_seconds_count", `qos="1"`): 1, metric("uplink_latency_seconds_count", `qos="0"`): 1,
		metric("downlink_latency_seconds_count", `qos="1"`): 1, metric("broker_rtt_seconds_count"): 1,
		metric("duplicates_suppressed_total"): 1, metric("retransmits_total", `direction="uplink"`): 1,
		metric("frames_total", `direction="rx"`): 7,
	} {
		if got := m[series]; got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	if got := m[metric("retransmits_total", `direction="downlink"`)]; got < 1 {
		t.Errorf("retransmissions to the board: %v, want 1 or more", got)
	}
	if got := m[metric("uplink_latency_seconds_sum", `qos="1"`)]; got <= 0 || got > 5 {
		t.Errorf("the uplink took %v s", got)
	}
}
