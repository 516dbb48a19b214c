// Package metrics holds every Prometheus instrument of umqttd in one readable list.
//
// A Metrics owns its registry: nothing is registered globally, so a test or a second gateway in the same process has figures of its own.
// The list of instruments is the body of New; docs/metrics.md explains each one, and a test holds the two equal.
//
// Whoever drives a device asks once for Device(name). That creates every series of the device, so that rates start at 0 and an alert never
// meets a series that does not exist yet, and it resolves every label: the hot path then adds to an atomic and neither looks anything up nor
// allocates.
//
// Words, used alike in every label:
//
//	rx, tx             bytes and frames as the gateway sees the port: rx was read from it, tx was written to it
//	uplink, downlink   messages: uplink goes from the board to the broker, downlink from the broker to the board
//	device             the device's name in the configuration; never a path, a topic or a client id
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes are served at once; a further one is answered 503. Two Prometheus servers and a curious person fit.
const maxScrapes = 4

// Build says which umqttd this is.
type Build struct {
	Version  string // release, such as "1.4.0"; empty means "unknown"
	Revision string // commit the binary was built from; empty means "unknown"
}

// Metrics is the complete set of instruments of one gateway. All its methods are safe for use by several goroutines.
type Metrics struct {
	// ConfigReloadSuccessful is 1 if the configuration in use is the newest one asked for, 0 if the last reload was refused.
	ConfigReloadSuccessful prometheus.Gauge
	// ConfigReloadTimestamp is when a configuration was last taken into use, in seconds since 1970.
	ConfigReloadTimestamp prometheus.Gauge
	// GatewayConnected is 1 while the gateway's own MQTT session is connected.
	GatewayConnected prometheus.Gauge
	// OutboxCommit times one group commit, from write to fsync's return, in seconds. One commit may hold messages of all boards of a device.
	OutboxCommit prometheus.Observer

	registry *prometheus.Registry
	devices  []*prometheus.MetricVec // every vector below: what RemoveDevice has to visit

	up, boards, broker, outboxMessages, outboxBytes, outboxMaxBytes, srtt, rto, certificates *prometheus.GaugeVec

	frames, bytes, frameErrors, lineErrors, portErrors, consoleLines *prometheus.CounterVec

	messages, retransmits, duplicates, dropped, refused, reconnects, redelivered, republished, quarantined, outboxRefused, outboxDamaged *prometheus.CounterVec

	uplink, downlink, serialRTT, brokerRTT *prometheus.HistogramVec
}

// New makes every instrument and the registry that holds them, with no device in it yet.
func New(build Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.buildInfo(build)

	// Is it up?
	m.up = m.gauges("device_up", "1 while the device's port is open or its listener bound, board or not.")
	m.boards = m.gauges("board_connected", "Boards with a live MQTT-SN session on this device.")
	m.broker = m.gauges("broker_connected", "MQTT sessions of this device's boards that the broker has accepted and that are up.")
	m.GatewayConnected = m.gauge("gateway_connected", "1 while the gateway's own MQTT session is up.")
	m.reconnects = m.counters("reconnects_total", "Times a side came back after its first time: board (CONNECT), broker (CONNACK), port (open).", "side")

	// The serial line.
	m.bytes = m.counters("serial_bytes_total", "Bytes read from (rx) and written to (tx) the port.", "direction")
	m.frames = m.counters("frames_total", "Good frames read from (rx) and frames written to (tx) the port.", "direction")
	m.frameErrors = m.counters("frame_errors_total", "Runs of bytes, frames and datagrams that were discarded, by what was wrong with them.", "reason")
	m.lineErrors = m.counters("line_errors_total", "Errors that the kernel's driver counted on the line.", "kind")
	m.portErrors = m.counters("port_errors_total", "Times the port was there but could not be used, by why.", "reason")
	m.consoleLines = m.counters("console_lines_total", "Lines of console text the board printed between frames.")
	m.srtt = m.gauges("serial_srtt_seconds", "Smoothed round trip to the board that was measured last (RFC 6298).")
	m.rto = m.gauges("serial_rto_seconds", "Retransmission timeout of the board that was measured last (RFC 6298).")
	m.serialRTT = m.histograms("serial_rtt_seconds", "Round trips to the board: frame written to its acknowledgement read, first transmissions only.")

	// Messages.
	m.messages = m.counters("messages_total", "Messages taken from the board (uplink) and handed to it (downlink), each once.", "direction", "qos")
	m.retransmits = m.counters("retransmits_total", "Messages sent again over the serial hop, by the board (uplink) or by the gateway (downlink).", "direction")
	m.duplicates = m.counters("duplicates_suppressed_total", "Retransmissions of the board that were recognised and not published again.")
	m.dropped = m.counters("dropped_total", "Messages that were not passed on, by why.", "reason")
	m.refused = m.counters("refused_total", "Requests of the board that were refused, by what was asked for.", "request")
	m.uplink = m.histograms("uplink_latency_seconds", "Last byte of the board's frame read to broker's PUBACK, or to socket write for QoS 0 and -1.", "qos")
	m.downlink = m.histograms("downlink_latency_seconds", "Packet read from the broker to board's PUBACK, or to serial write for QoS 0.", "qos")

	// The broker and the outbox.
	m.brokerRTT = m.histograms("broker_rtt_seconds", "PUBLISH written to the broker to its PUBACK read, first transmissions only.")
	m.redelivered = m.counters("redelivered_total", "Messages sent to the broker again, with DUP, after a reconnect that kept the session.")
	m.republished = m.counters("republished_total", "Messages sent to the broker again, as new ones, after a reconnect that lost the session.")
	m.quarantined = m.counters("quarantined_total", "Stored messages set aside because the broker closed the connection on them again and again.")
	m.outboxMessages = m.gauges("outbox_messages", "Messages stored on disk that the broker has not acknowledged.")
	m.outboxBytes = m.gauges("outbox_bytes", "Size of those messages on disk, in bytes.")
	m.outboxMaxBytes = m.gauges("outbox_max_bytes", "Size that those messages may grow to, in bytes; 0 without an outbox.")
	m.outboxRefused = m.counters("outbox_refused_total", "Messages that the outbox did not take, by why.", "reason")
	m.outboxDamaged = m.counters("outbox_damaged_total", "Places in the outbox that were found damaged.")
	m.OutboxCommit = m.histogram("outbox_commit_seconds", "One group commit of the outbox: write to return of fsync.")

	// The gateway itself.
	m.ConfigReloadSuccessful = m.gauge("config_last_reload_successful", "1 if the configuration in use is the newest one asked for, 0 if the last reload was refused.")
	m.ConfigReloadTimestamp = m.gauge("config_last_reload_success_timestamp_seconds", "When a configuration was last taken into use, in seconds since 1970.")
	m.certificates = m.gauges("certificate_expiry_timestamp_seconds", "When the first certificate in the file expires, in seconds since 1970.", "kind")
	return m
}

// Handler serves the registry in the Prometheus text format, or in OpenMetrics or protobuf (with native histograms) for a client that asks.
// A failed scrape is counted in promhttp_metric_handler_errors_total and logged to log as a warning.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.HTTPErrorOnError,
		Registry:            m.registry,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
}

func (m *Metrics) buildInfo(b Build) {
	if b.Version == "" {
		b.Version = "unknown"
	}
	if b.Revision == "" {
		b.Revision = "unknown"
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace:   namespace,
		Name:        "build_info",
		Help:        "Always 1; the labels say which umqttd this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(info)
}

const namespace = "umqttd"

// buckets are the classic histograms' upper bounds, in seconds. They are tuned to the wire: the shortest frame takes 1 ms at 115200 baud, a
// good round trip 5 to 20 ms; 0.25 s is where a message spills to disk by default; what takes longer than 5 s is an outage, not a latency.
var buckets = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5}

// histogramOpts makes every histogram both classic, for any scraper, and native, at most 10 % wide a bucket, for those that ask.
// Past 100 native buckets the histogram starts again, at most once an hour, and gets coarser in between.
func histogramOpts(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace:                       namespace,
		Name:                            name,
		Help:                            help,
		Buckets:                         buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// deviceLabels puts the label every per-device instrument has in front of its own ones.
func deviceLabels(labels []string) []string { return append([]string{"device"}, labels...) }

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, deviceLabels(labels))
	m.perDevice(v, v.MetricVec)
	return v
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, deviceLabels(labels))
	m.perDevice(v, v.MetricVec)
	return v
}

func (m *Metrics) histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(histogramOpts(name, help), deviceLabels(labels))
	m.perDevice(v, v.MetricVec)
	return v
}

func (m *Metrics) perDevice(c prometheus.Collector, v *prometheus.MetricVec) {
	m.registry.MustRegister(c)
	m.devices = append(m.devices, v)
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) histogram(name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(histogramOpts(name, help))
	m.registry.MustRegister(h)
	return h
}
