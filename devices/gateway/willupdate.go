package gateway

import (
	"bytes"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// A will is part of MQTT's CONNECT: a new one takes effect with a new connection.
// Where the broker keeps the session meanwhile, that is made at once. Where it
// does not, because the board had no will when it connected with CleanSession=1
// and has subscribed since, the gateway keeps the will itself, until the broker
// can be told without losing a message; if the board is lost before that, the
// gateway publishes it.

// willTopicUpd handles WILLTOPICUPD (MQTT-SN 1.2 section 5.4.22); an empty one
// deletes the will.
func (g *Gateway) willTopicUpd(now time.Time, n *node, p *mqttsn.Packet) {
	if len(p.Topic) == 0 {
		g.updateWill(now, n, mqttsn.WillTopicUpd, nil)
		return
	}
	if why := g.judgeWill(p); why != NoReason {
		g.refuseWill(now, n, p.Type, mqttsn.NotSupported, why)
		return
	}
	w := Will{Topic: bytes.Clone(p.Topic), QoS: byte(p.Flags.QoS()), Retain: p.Flags.Has(mqttsn.Retain)}
	if n.will != nil {
		w.Payload = n.will.Payload
	}
	g.updateWill(now, n, mqttsn.WillTopicUpd, &w)
}

// willMsgUpd handles WILLMSGUPD (MQTT-SN 1.2 section 5.4.24).
func (g *Gateway) willMsgUpd(now time.Time, n *node, p *mqttsn.Packet) {
	switch {
	case n.will == nil:
		g.refuseWill(now, n, p.Type, mqttsn.NotSupported, ReasonUnexpected) // a message without a topic
		return
	case g.cfg.Limits.MaxPayload > 0 && len(p.Data) > g.cfg.Limits.MaxPayload:
		g.refuseWill(now, n, p.Type, mqttsn.NotSupported, ReasonTooLarge)
		return
	}
	w := *n.will
	w.Payload = bytes.Clone(p.Data)
	g.updateWill(now, n, mqttsn.WillMsgUpd, &w)
}

// refuseWill answers an update that changes nothing.
func (g *Gateway) refuseWill(now time.Time, n *node, what mqttsn.Type, code mqttsn.ReturnCode, why Reason) {
	g.refused(n, what, why)
	g.reply(now, n.peer, &mqttsn.Packet{Type: willAnswer(what), ReturnCode: code})
}

// updateWill puts w in force, and answers the update when it is. One that is
// repeated while the broker has not answered is answered then, once. Without an
// outbox nobody would publish it for a board that is lost while the broker is away.
func (g *Gateway) updateWill(now time.Time, n *node, what mqttsn.Type, w *Will) {
	m := &n.mqtt
	if !g.cfg.Outbox && !m.takes() {
		g.refuseWill(now, n, what, mqttsn.Congestion, ReasonOffline)
		return
	}
	if !n.will.equal(w) {
		n.will = w
		g.changed(n)
		if m.temporary || !n.clean || len(n.filters.set)+len(n.pending) == 0 {
			g.changeWill(now, n)
		}
	}
	if m.changing {
		n.willUpdate = what
		return
	}
	g.reply(now, n.peer, &mqttsn.Packet{Type: willAnswer(what), ReturnCode: mqttsn.Accepted})
}

// willAnswer returns the type of the answer to an update.
func willAnswer(what mqttsn.Type) mqttsn.Type {
	if what == mqttsn.WillMsgUpd {
		return mqttsn.WillMsgResp
	}
	return mqttsn.WillTopicResp
}

// changeWill connects the MQTT session of n anew, with its present will. The
// broker keeps the session meanwhile.
func (g *Gateway) changeWill(now time.Time, n *node) {
	was := n.mqtt
	n.mqtt = mqttSession{
		opened: true, will: n.will, temporary: n.clean, lostAt: now, used: was.used,
		changing: was.online || was.changing,
	}
	g.commandOpen(n, false, n.will)
}

// willChanged says to the board that its will is in force: with the broker, or
// with the gateway, which is going to tell the broker and has an outbox for the
// case that the board is lost before.
func (g *Gateway) willChanged(now time.Time, n *node) {
	n.mqtt.changing = false
	what := n.willUpdate
	n.willUpdate = 0
	switch {
	case what == 0 || n.state != active:
	case n.mqtt.online || g.cfg.Outbox:
		g.reply(now, n.peer, &mqttsn.Packet{Type: willAnswer(what), ReturnCode: mqttsn.Accepted})
	default:
		g.refuseWill(now, n, what, mqttsn.Congestion, ReasonOffline)
	}
}
