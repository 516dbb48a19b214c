package metrics

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write testdata/series.golden anew")

const golden = "testdata/series.golden"

// series lists "type name{labels} value" of all of umqttd's own series, sorted; histograms by their count. The one that tells the build is cut
// short, because its labels change with the compiler.
func series(t testing.TB, m *Metrics) []string {
	t.Helper()
	var lines []string
	for name, family := range gather(t, m) {
		if !strings.HasPrefix(name, "umqttd_") {
			continue
		}
		kind := strings.ToLower(family.GetType().String())
		for _, metric := range family.GetMetric() {
			lines = append(lines, fmt.Sprintf("%s %s{%s} %v", kind, name, strings.Join(labels(metric), ","), value(metric)))
		}
	}
	slices.Sort(lines)
	return lines
}

func labels(m *dto.Metric) []string {
	var pairs []string
	for _, l := range m.GetLabel() {
		v := l.GetValue()
		if l.GetName() == "goversion" {
			v = "*"
		}
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), v))
	}
	return pairs
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	default:
		return float64(m.Histogram.GetSampleCount())
	}
}

func TestEverySeriesOfADeviceIsThereFromTheStart(t *testing.T) {
	m, _ := filled(t)
	got := strings.Join(series(t, m), "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the series differ from %s; if that is meant, run go test ./metrics -update and tell docs/metrics.md and CHANGELOG.md\ngot:\n%s", golden, got)
	}
}

// The golden file follows the code; this list does not. It is the interface that dashboards and alerts hold on to.
func TestNamesOfTheDesign(t *testing.T) {
	contract := map[string]string{
		"build_info": "goversion revision version", "device_up": "device", "board_connected": "device", "broker_connected": "device",
		"frames_total": "device direction", "serial_bytes_total": "device direction", "frame_errors_total": "device reason",
		"console_lines_total": "device", "messages_total": "device direction qos", "retransmits_total": "device direction",
		"duplicates_suppressed_total": "device", "dropped_total": "device reason", "reconnects_total": "device side",
		"outbox_messages": "device", "outbox_bytes": "device", "serial_srtt_seconds": "device", "serial_rto_seconds": "device",
		"config_last_reload_successful": "", "certificate_expiry_timestamp_seconds": "device kind", "line_errors_total": "device kind",
		"quarantined_total": "device", "republished_total": "device", "uplink_latency_seconds": "device qos",
		"downlink_latency_seconds": "device qos", "serial_rtt_seconds": "device", "broker_rtt_seconds": "device", "outbox_commit_seconds": "",
	}
	m, _ := filled(t)
	families := gather(t, m)
	for name, want := range contract {
		family, ok := families["umqttd_"+name]
		if !ok {
			t.Errorf("umqttd_%s is missing", name)
			continue
		}
		var got []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			got = append(got, l.GetName())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("umqttd_%s has the labels %q, want %q", name, got, want)
		}
	}
}

const device = `device="greenhouse"`

// moves checks that an update moves the series it is meant for, and no other.
func moves(t *testing.T, update func(m *Metrics, d *Device), want string) {
	t.Helper()
	m, d := filled(t)
	before := series(t, m)
	update(m, d)
	var moved []string
	for i, line := range series(t, m) {
		if line != before[i] {
			moved = append(moved, line)
		}
	}
	if len(moved) != 1 || moved[0] != want {
		t.Errorf("moved %q, want %q", moved, want)
	}
}

func TestEveryFieldMovesItsOwnSeries(t *testing.T) {
	moves(t, func(_ *Metrics, d *Device) { d.Up.Set(1) }, `gauge umqttd_device_up{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.BoardsConnected.Inc() }, `gauge umqttd_board_connected{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.BrokerConnected.Inc() }, `gauge umqttd_broker_connected{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.OutboxMessages.Set(3) }, `gauge umqttd_outbox_messages{`+device+`} 3`)
	moves(t, func(_ *Metrics, d *Device) { d.OutboxBytes.Set(300) }, `gauge umqttd_outbox_bytes{`+device+`} 300`)
	moves(t, func(_ *Metrics, d *Device) { d.OutboxMaxBytes.Set(900) }, `gauge umqttd_outbox_max_bytes{`+device+`} 900`)
	moves(t, func(_ *Metrics, d *Device) { d.SRTT.Set(0.5) }, `gauge umqttd_serial_srtt_seconds{`+device+`} 0.5`)
	moves(t, func(_ *Metrics, d *Device) { d.RTO.Set(0.5) }, `gauge umqttd_serial_rto_seconds{`+device+`} 0.5`)
	moves(t, func(_ *Metrics, d *Device) { d.BytesRx.Add(7) }, `counter umqttd_serial_bytes_total{`+device+`,direction="rx"} 7`)
	moves(t, func(_ *Metrics, d *Device) { d.BytesTx.Add(7) }, `counter umqttd_serial_bytes_total{`+device+`,direction="tx"} 7`)
	moves(t, func(_ *Metrics, d *Device) { d.FramesRx.Inc() }, `counter umqttd_frames_total{`+device+`,direction="rx"} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.FramesTx.Inc() }, `counter umqttd_frames_total{`+device+`,direction="tx"} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.ConsoleLines.Inc() }, `counter umqttd_console_lines_total{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.SerialRTT.Observe(1) }, `histogram umqttd_serial_rtt_seconds{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.RetransmitsUplink.Inc() }, `counter umqttd_retransmits_total{`+device+`,direction="uplink"} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.RetransmitsDownlink.Inc() }, `counter umqttd_retransmits_total{`+device+`,direction="downlink"} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.DuplicatesSuppressed.Inc() }, `counter umqttd_duplicates_suppressed_total{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.BrokerRTT.Observe(1) }, `histogram umqttd_broker_rtt_seconds{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.Redelivered.Inc() }, `counter umqttd_redelivered_total{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.Republished.Inc() }, `counter umqttd_republished_total{`+device+`} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.Quarantined.Inc() }, `counter umqttd_quarantined_total{`+device+`} 1`)
	moves(t, func(m *Metrics, _ *Device) { m.ConfigReloadSuccessful.Set(1) }, `gauge umqttd_config_last_reload_successful{} 1`)
	moves(t, func(m *Metrics, _ *Device) { m.ConfigReloadTimestamp.Set(9) }, `gauge umqttd_config_last_reload_success_timestamp_seconds{} 9`)
	moves(t, func(m *Metrics, _ *Device) { m.GatewayConnected.Set(1) }, `gauge umqttd_gateway_connected{} 1`)
	moves(t, func(m *Metrics, _ *Device) { m.OutboxCommit.Observe(1) }, `histogram umqttd_outbox_commit_seconds{} 1`)
	moves(t, func(_ *Metrics, d *Device) { d.SetCertificateExpiry(CertificateCA, time.Unix(5, 0)) },
		`gauge umqttd_certificate_expiry_timestamp_seconds{`+device+`,kind="ca"} 5`)
}

func TestEveryLabelValueMovesItsOwnSeries(t *testing.T) {
	for i := range frameErrors {
		moves(t, func(_ *Metrics, d *Device) { d.FrameErrors[i].Inc() }, `counter umqttd_frame_errors_total{`+device+`,reason="`+i.String()+`"} 1`)
	}
	for i := range lineErrors {
		moves(t, func(_ *Metrics, d *Device) { d.LineErrors[i].Inc() }, `counter umqttd_line_errors_total{`+device+`,kind="`+i.String()+`"} 1`)
	}
	for i := range portErrors {
		moves(t, func(_ *Metrics, d *Device) { d.PortErrors[i].Inc() }, `counter umqttd_port_errors_total{`+device+`,reason="`+i.String()+`"} 1`)
	}
	for i := range dropReasons {
		moves(t, func(_ *Metrics, d *Device) { d.Dropped[i].Inc() }, `counter umqttd_dropped_total{`+device+`,reason="`+i.String()+`"} 1`)
	}
	for i := range requests {
		moves(t, func(_ *Metrics, d *Device) { d.Refused[i].Inc() }, `counter umqttd_refused_total{`+device+`,request="`+i.String()+`"} 1`)
	}
	for i := range sides {
		moves(t, func(_ *Metrics, d *Device) { d.Reconnects[i].Inc() }, `counter umqttd_reconnects_total{`+device+`,side="`+i.String()+`"} 1`)
	}
	for qos := -1; qos <= 1; qos++ {
		moves(t, func(_ *Metrics, d *Device) { d.Uplink(qos).Messages.Inc() }, fmt.Sprintf(`counter umqttd_messages_total{%s,direction="uplink",qos="%d"} 1`, device, qos))
		moves(t, func(_ *Metrics, d *Device) { d.Uplink(qos).Latency.Observe(1) }, fmt.Sprintf(`histogram umqttd_uplink_latency_seconds{%s,qos="%d"} 1`, device, qos))
	}
	for qos := range 2 {
		moves(t, func(_ *Metrics, d *Device) { d.Downlink(qos).Messages.Inc() }, fmt.Sprintf(`counter umqttd_messages_total{%s,direction="downlink",qos="%d"} 1`, device, qos))
		moves(t, func(_ *Metrics, d *Device) { d.Downlink(qos).Latency.Observe(1) }, fmt.Sprintf(`histogram umqttd_downlink_latency_seconds{%s,qos="%d"} 1`, device, qos))
	}
}

func TestRemoveDeviceLeavesNothingOfItAndAllOfTheOthers(t *testing.T) {
	m, _ := filled(t)
	want := series(t, m)
	attic := m.Device("attic")
	attic.SetCertificateExpiry(CertificateClient, time.Unix(4102444800, 0))
	attic.Up.Set(1)
	m.RemoveDevice("attic")
	attic.Up.Set(0) // a straggler must not bring it back
	if got := series(t, m); !slices.Equal(got, want) {
		t.Errorf("after RemoveDevice:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDeviceTwiceIsTheSameSeries(t *testing.T) {
	m, d := filled(t)
	d.FramesRx.Inc()
	m.Device("greenhouse").FramesRx.Inc()
	if got := value(gather(t, m)["umqttd_frames_total"].GetMetric()[0]); got != 2 {
		t.Errorf("frames rx %v, want 2", got)
	}
}

func TestCertificateExpiryGoesWithItsFile(t *testing.T) {
	m, d := filled(t)
	d.SetCertificateExpiry(CertificateClient, time.Time{})
	d.SetCertificateExpiry(CertificateCA, time.Time{})
	if f, ok := gather(t, m)["umqttd_certificate_expiry_timestamp_seconds"]; ok {
		t.Errorf("still there: %v", f)
	}
}

func TestHistogramsAreClassicAndNative(t *testing.T) {
	m, d := filled(t)
	d.Uplink(1).Latency.Observe(0.006)
	for _, metric := range gather(t, m)["umqttd_uplink_latency_seconds"].GetMetric() {
		h := metric.GetHistogram()
		if len(h.GetBucket()) != len(buckets) || h.GetSchema() != 3 {
			t.Errorf("%v: %d classic buckets, native schema %d; want %d and 3", metric.GetLabel(), len(h.GetBucket()), h.GetSchema(), len(buckets))
		}
		if h.GetSampleCount() == 1 && len(h.GetPositiveSpan()) != 1 {
			t.Errorf("the observation is in no native bucket: %v", h)
		}
	}
}

// The hot path of design section 4: what one message and its acknowledgement touch.
func message(d *Device) {
	d.BytesRx.Add(37)
	d.FramesRx.Inc()
	f := d.Uplink(1)
	f.Messages.Inc()
	f.Latency.Observe(0.0061)
	d.SerialRTT.Observe(0.0042)
	d.BrokerRTT.Observe(0.0011)
	d.Dropped[DropForbidden].Inc()
	d.SRTT.Set(0.004)
	d.BytesTx.Add(16)
	d.FramesTx.Inc()
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	_, d := filled(t)
	if n := testing.AllocsPerRun(1000, func() { message(d) }); n != 0 {
		t.Errorf("%v allocations a message, want 0", n)
	}
}

func BenchmarkMessage(b *testing.B) {
	_, d := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		message(d)
	}
}

// A scrape of a Pi with 16 boards.
func BenchmarkScrape(b *testing.B) {
	m := New(Build{})
	for i := range 16 {
		message(m.Device(fmt.Sprint("board", i)))
	}
	h := m.Handler(slog.New(slog.DiscardHandler))
	r := httptest.NewRequest("GET", "/metrics", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
