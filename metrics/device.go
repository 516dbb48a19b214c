package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Device holds every series of one device, resolved. Its fields are set by Metrics.Device and only read afterwards; what they point to is safe
// for use by several goroutines, needs no allocation and waits for nothing. Values are in bytes and seconds.
type Device struct {
	// State.
	Up              prometheus.Gauge // 1 while the port is open or the listener bound
	BoardsConnected prometheus.Gauge // boards with a live MQTT-SN session
	BrokerConnected prometheus.Gauge // MQTT sessions that are up
	OutboxMessages  prometheus.Gauge
	OutboxBytes     prometheus.Gauge
	OutboxMaxBytes  prometheus.Gauge // 0: no outbox
	SRTT, RTO       prometheus.Gauge // seconds
	Reconnects      [sides]prometheus.Counter

	// The line.
	BytesRx, BytesTx   prometheus.Counter
	FramesRx, FramesTx prometheus.Counter
	FrameErrors        [frameErrors]prometheus.Counter
	LineErrors         [lineErrors]prometheus.Counter
	PortErrors         [portErrors]prometheus.Counter
	ConsoleLines       prometheus.Counter
	SerialRTT          prometheus.Observer // seconds; first transmissions only (Karn)

	// Messages.
	RetransmitsUplink    prometheus.Counter // the board sent it again
	RetransmitsDownlink  prometheus.Counter // the gateway sent it again
	DuplicatesSuppressed prometheus.Counter
	Dropped              [dropReasons]prometheus.Counter
	Refused              [requests]prometheus.Counter

	// The broker.
	BrokerRTT   prometheus.Observer // seconds; first transmissions only
	Redelivered prometheus.Counter
	Republished prometheus.Counter
	Quarantined prometheus.Counter

	// The outbox.
	OutboxRefused [outboxRefusals]prometheus.Counter
	OutboxDamaged prometheus.Counter

	uplink   [3]Flow // QoS -1, 0, 1
	downlink [2]Flow // QoS 0, 1

	name         string
	certificates *prometheus.GaugeVec
}

// Flow is the messages of one direction and one QoS.
type Flow struct {
	Messages prometheus.Counter
	Latency  prometheus.Observer // seconds
}

// Uplink returns the messages from the board with this QoS: -1, 0 or 1. Any other value panics.
func (d *Device) Uplink(qos int) *Flow { return &d.uplink[qos+1] }

// Downlink returns the messages to the board with this QoS: 0 or 1. Any other value panics.
func (d *Device) Downlink(qos int) *Flow { return &d.downlink[qos] }

// SetCertificateExpiry says when the first certificate in one of the device's files expires. The series exists only while there is such a file:
// the zero time removes it, for a 0 would read as expired in 1970. It must not be called after RemoveDevice, which it would undo in part.
func (d *Device) SetCertificateExpiry(kind CertificateKind, expires time.Time) {
	if expires.IsZero() {
		d.certificates.DeleteLabelValues(d.name, kind.String())
		return
	}
	d.certificates.WithLabelValues(d.name, kind.String()).Set(float64(expires.Unix()))
}

// Device creates every series of the device at 0 and returns them resolved. A second call with the same name returns the same series.
func (m *Metrics) Device(name string) *Device {
	d := &Device{
		Up:              m.up.WithLabelValues(name),
		BoardsConnected: m.boards.WithLabelValues(name),
		BrokerConnected: m.broker.WithLabelValues(name),
		OutboxMessages:  m.outboxMessages.WithLabelValues(name),
		OutboxBytes:     m.outboxBytes.WithLabelValues(name),
		OutboxMaxBytes:  m.outboxMaxBytes.WithLabelValues(name),
		SRTT:            m.srtt.WithLabelValues(name),
		RTO:             m.rto.WithLabelValues(name),

		BytesRx:      m.bytes.WithLabelValues(name, "rx"),
		BytesTx:      m.bytes.WithLabelValues(name, "tx"),
		FramesRx:     m.frames.WithLabelValues(name, "rx"),
		FramesTx:     m.frames.WithLabelValues(name, "tx"),
		ConsoleLines: m.consoleLines.WithLabelValues(name),
		SerialRTT:    m.serialRTT.WithLabelValues(name),

		RetransmitsUplink:    m.retransmits.WithLabelValues(name, "uplink"),
		RetransmitsDownlink:  m.retransmits.WithLabelValues(name, "downlink"),
		DuplicatesSuppressed: m.duplicates.WithLabelValues(name),

		BrokerRTT:   m.brokerRTT.WithLabelValues(name),
		Redelivered: m.redelivered.WithLabelValues(name),
		Republished: m.republished.WithLabelValues(name),
		Quarantined: m.quarantined.WithLabelValues(name),

		OutboxDamaged: m.outboxDamaged.WithLabelValues(name),

		name:         name,
		certificates: m.certificates,
	}
	resolve(d.OutboxRefused[:], m.outboxRefused, name, outboxRefusalNames[:])
	resolve(d.Reconnects[:], m.reconnects, name, sideNames[:])
	resolve(d.FrameErrors[:], m.frameErrors, name, frameErrorNames[:])
	resolve(d.LineErrors[:], m.lineErrors, name, lineErrorNames[:])
	resolve(d.PortErrors[:], m.portErrors, name, portErrorNames[:])
	resolve(d.Dropped[:], m.dropped, name, dropReasonNames[:])
	resolve(d.Refused[:], m.refused, name, requestNames[:])
	for i, qos := range []string{"-1", "0", "1"} {
		d.uplink[i] = Flow{m.messages.WithLabelValues(name, "uplink", qos), m.uplink.WithLabelValues(name, qos)}
	}
	for i, qos := range []string{"0", "1"} {
		d.downlink[i] = Flow{m.messages.WithLabelValues(name, "downlink", qos), m.downlink.WithLabelValues(name, qos)}
	}
	return d
}

// RemoveDevice deletes every series of the device, for one that a reload removed. A Device still held counts on into nothing.
func (m *Metrics) RemoveDevice(name string) {
	for _, v := range m.devices {
		v.DeletePartialMatch(prometheus.Labels{"device": name})
	}
}

// resolve fills counters with the children of vec for each value of its second label.
func resolve(counters []prometheus.Counter, vec *prometheus.CounterVec, device string, values []string) {
	for i, value := range values {
		counters[i] = vec.WithLabelValues(device, value)
	}
}
