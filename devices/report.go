package devices

import (
	"bytes"
	"errors"
	"log/slog"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// decode finds frames and console text in what was read.
func (d *Device) decode(b []byte, at time.Time) {
	d.met.BytesRx.Add(float64(len(b)))
	d.dec.Feed(b, at)
	for ev, ok := d.dec.Next(); ok; ev, ok = d.dec.Next() {
		switch {
		case ev.Kind == serialproto.Frame:
			d.met.FramesRx.Inc()
			d.seen.counts.FramesRx++
			d.show(at, FrameIn, ev.Body)
			d.gw.Receive(at, addrOfStream, ev.Body)
			d.settle()
		case ev.Kind == serialproto.Text:
			d.console(at, ev.Body)
		default:
			d.noise(at, ev)
		}
	}
}

// console passes on what a board printed.
func (d *Device) console(at time.Time, text []byte) {
	d.met.ConsoleLines.Inc()
	d.show(at, Console, text)
	d.seen.print(text)
	if d.cfg.ConsoleLog {
		d.log.Info("console", "text", string(serialproto.AppendPrintable(nil, text)))
	}
	if d.cfg.ConsoleTopic != "" {
		line := bytes.TrimRight(text, "\r\n")
		if err := d.shared.Own.publish([]byte(d.cfg.ConsoleTopic), line); err != nil {
			d.log.Debug("console line not published", "err", err)
		}
	}
}

func (d *Device) noise(at time.Time, ev serialproto.Event) {
	why := metrics.FrameNoise
	switch ev.Kind {
	case serialproto.BadCOBS:
		why = metrics.FrameCOBS
	case serialproto.BadCRC:
		why = metrics.FrameCRC
	case serialproto.Oversize:
		why = metrics.FrameOversize
	}
	d.met.FrameErrors[why].Inc()
	d.seen.counts.Errors++
	d.show(at, Noise, ev.Body)
}

// dropped maps why the gateway dropped a message to the label that counts it.
var dropped = map[gateway.Reason]metrics.DropReason{
	gateway.ReasonMalformed:      metrics.DropMalformed,
	gateway.ReasonUnsupported:    metrics.DropUnsupported,
	gateway.ReasonInvalidTopic:   metrics.DropInvalidTopic,
	gateway.ReasonInvalidTopicID: metrics.DropInvalidTopicID,
	gateway.ReasonForbidden:      metrics.DropForbidden,
	gateway.ReasonTooLarge:       metrics.DropTooLarge,
	gateway.ReasonRateLimit:      metrics.DropRateLimit,
	gateway.ReasonCongestion:     metrics.DropCongestion,
	gateway.ReasonOffline:        metrics.DropBrokerOffline,
	gateway.ReasonUnknownClient:  metrics.DropNotConnected,
	gateway.ReasonBoardGone:      metrics.DropBoardOffline,
	gateway.ReasonRejected:       metrics.DropBoardRefused,
}

// malformed maps what was wrong with a message to the label that counts it.
var malformed = map[gateway.Reason]metrics.FrameError{
	gateway.ReasonMalformed:   metrics.FrameMalformed,
	gateway.ReasonLength:      metrics.FrameLength,
	gateway.ReasonUnknownType: metrics.FrameUnknownType,
	gateway.ReasonUnexpected:  metrics.FrameUnexpected,
}

// report counts, shows and logs what the gateway tells.
func (d *Device) report(n *gateway.Notice) {
	d.seen.note(d.now(), n, d.cfg.ShowPayloads)
	switch n.Kind {
	case gateway.MessageUp:
		f := d.met.Uplink(int(n.QoS))
		f.Messages.Inc()
		if !n.Stored { // by the broker
			f.Latency.Observe(n.Latency.Seconds())
		}
	case gateway.MessageDown:
		f := d.met.Downlink(int(n.QoS))
		f.Messages.Inc()
		f.Latency.Observe(n.Latency.Seconds())
	case gateway.MessageDropped:
		d.met.Dropped[dropped[n.Reason]].Inc()
	case gateway.DuplicateSwallowed:
		d.met.DuplicatesSuppressed.Inc()
	case gateway.Retransmitted:
		d.met.RetransmitsDownlink.Inc()
	case gateway.Retried:
		d.met.RetransmitsUplink.Inc()
	case gateway.RoundTrip:
		d.met.SerialRTT.Observe(n.Latency.Seconds())
		d.met.SRTT.Set(n.SRTT.Seconds())
		d.met.RTO.Set(n.RTO.Seconds())
	case gateway.Malformed:
		d.met.FrameErrors[malformed[n.Reason]].Inc()
	case gateway.RequestRefused:
		d.reportRefused(n)
	case gateway.StoreRefused:
		d.met.OutboxRefused[storeRefusals[n.Result]].Inc()
	case gateway.Quarantined:
		d.met.Quarantined.Inc()
		d.log.Warn("message put aside, the broker does not take it; `umqttd outbox` lists it", "client", n.ClientID)
	default:
		d.reportBoard(n)
	}
}

// storeRefusals maps why the outbox did not take a message to the label that counts it.
var storeRefusals = map[gateway.StoreResult]metrics.OutboxRefusal{
	gateway.StoreFull:   metrics.OutboxFull,
	gateway.StoreFailed: metrics.OutboxFailed,
}

// requests maps what a board asked for to the label that counts its refusal.
var requests = map[mqttsn.Type]metrics.Request{
	mqttsn.Connect:      metrics.RequestConnect,
	mqttsn.Register:     metrics.RequestRegister,
	mqttsn.Subscribe:    metrics.RequestSubscribe,
	mqttsn.Unsubscribe:  metrics.RequestSubscribe,
	mqttsn.WillTopic:    metrics.RequestWill,
	mqttsn.WillMsg:      metrics.RequestWill,
	mqttsn.WillTopicUpd: metrics.RequestWill,
	mqttsn.WillMsgUpd:   metrics.RequestWill,
}

// reportRefused tells of a request that a board's program has to live without,
// or to repeat: then, every second, it is a matter for debugging.
func (d *Device) reportRefused(n *gateway.Notice) {
	d.met.Refused[requests[n.Type]].Inc()
	level, what, why := slog.LevelDebug, n.Type.String(), n.Reason.String()
	if n.Reason != gateway.ReasonOffline && n.Reason != gateway.ReasonCongestion {
		level = d.said.level(what+" "+n.ClientID, why)
	}
	d.log.Log(d.inner, level, "request refused", "client", n.ClientID, "request", what, "reason", why)
}

// reportBoard tells of the coming and going of boards.
func (d *Device) reportBoard(n *gateway.Notice) {
	switch n.Kind {
	case gateway.BoardConnected:
		if n.Again {
			d.met.Reconnects[metrics.SideBoard].Inc()
		}
		d.said.over(aboutBoard + n.ClientID)
		d.log.Info("board connected", "client", n.ClientID, "session_present", n.Resumed)
	case gateway.BoardDisconnected:
		d.log.Info("board disconnected", "client", n.ClientID, "reason", n.Reason.String())
	case gateway.BoardRefused:
		d.met.Refused[requests[n.Type]].Inc()
		level := d.said.level(aboutBoard+n.ClientID, n.Reason.String()) // it asks again every few seconds
		d.log.Log(d.inner, level, "board refused", "client", n.ClientID, "reason", n.Reason.String())
	case gateway.BoardAsleep: // counted below too: after a restart it is the first that is known of it
		d.log.Debug("board asleep", "client", n.ClientID)
	case gateway.BoardAwake:
		d.log.Debug("board awake", "client", n.ClientID)
		return
	default:
		return
	}
	boards := d.gw.Connected()
	d.met.BoardsConnected.Set(float64(boards))
	d.shared.Own.setDevice(d.cfg.Name, boards > 0)
}

// logBroker logs why there is no broker. All boards of a device have the same one.
func (d *Device) logBroker(s *session, st *mqttcore.State) {
	level := d.said.level(aboutBroker, st.Kind.String()+cause(st.Err))
	if s.online {
		level = slog.LevelWarn
	}
	d.log.Log(d.inner, level, "broker session changed", "state", st.Kind, "client", s.clientID, "err", st.Err, "retry_in", st.Retry)
}

// What complaints are about.
const (
	aboutPort    = "port"
	aboutBroker  = "broker"
	aboutBoard   = "board " // and its client id
	aboutEvicted = "evicted"
)

func subscribeResult(err error) gateway.SubscribeResult {
	switch {
	case err == nil:
		return gateway.Granted
	case errors.Is(err, mqttcore.ErrSubscriptionRefused):
		return gateway.Failed
	}
	return gateway.Unanswered
}
