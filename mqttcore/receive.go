package mqttcore

import (
	"fmt"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// heard notes that bytes came, whole packets or not.
func (e *engine) heard(now time.Time) { e.keepalive.heard = now }

// receive takes one whole packet from the broker. A message for the
// application aliases p. An error ends the connection: it is a [RefusedError],
// or wraps [ErrProtocol]. [MQTT-4.8.0-1]
func (e *engine) receive(now time.Time, p []byte) (inbound, error) {
	t := packet.TypeOf(p[0])
	switch {
	case e.phase == closing || e.phase == offline:
		return inbound{}, nil
	case e.phase == connecting && t != packet.CONNACK:
		return inbound{}, violation("%v before CONNACK", t) // [MQTT-3.2.0-1]
	}
	var in inbound
	var err error
	switch t {
	case packet.PUBLISH:
		in, err = e.receivePublish(p)
	case packet.PUBACK:
		err = e.receivePuback(now, p)
	case packet.SUBACK:
		err = e.receiveSuback(now, p)
	case packet.UNSUBACK:
		err = e.receiveUnsuback(now, p)
	case packet.PINGRESP:
		err = e.receivePingresp(now, p)
	case packet.CONNACK:
		err = e.receiveConnack(now, p)
	default:
		err = violation("%v is not for a client of QoS 0 and 1", t)
	}
	return in, err
}

// malformed wraps what the codec says of a packet.
func malformed(err error) error { return fmt.Errorf("%w: %w", ErrProtocol, err) }

func (e *engine) receiveConnack(now time.Time, p []byte) error {
	c, err := packet.ParseConnack(p)
	switch {
	case err != nil:
		return malformed(err)
	case e.phase != connecting:
		return violation("second CONNACK")
	case e.connect != nil:
		return violation("CONNACK before CONNECT")
	case c.Code != packet.Accepted:
		e.phase = offline // there is no session that could be in doubt
		return &RefusedError{c.Code}
	case c.SessionPresent && e.cfg.CleanSession:
		return violation("session present after CleanSession") // [MQTT-3.2.2-1]
	}
	e.phase, e.sessionPresent = online, c.SessionPresent
	e.connackSlow = 0
	e.count.Connects++
	if !c.SessionPresent {
		e.renewSession(now)
	}
	if !c.SessionPresent || e.doubtful {
		// Perhaps the broker had lost the session and has begun the present one at
		// a CONNECT whose CONNACK did not come through: then nothing is subscribed
		// to in it. To subscribe again does no harm. [MQTT-3.8.4-3]
		e.count.Resubscribed += uint64(e.requests.renew(e.cfg.Subscriptions))
	}
	e.doubtful = false
	e.out.rewind()
	e.requests.rewind()
	e.keepalive.start(now, e.cfg.KeepAlive, e.cfg.pingTimeout(), e.cfg.Rand())
	e.report(State{Kind: Connected, SessionPresent: c.SessionPresent})
	return nil
}

// receivePublish takes a message. Every QoS 1 message is owed a PUBACK,
// whether a handler wants it or not [MQTT-4.5.0-2]; a repeated one too, which
// is a new message once the first was acknowledged [MQTT-4.3.2-2].
func (e *engine) receivePublish(p []byte) (inbound, error) {
	m, err := packet.ParsePublish(p)
	switch {
	case err != nil:
		return inbound{}, malformed(err)
	case m.QoS == 2:
		// No subscription of ours asks for it. [MQTT-3.8.4-6]
		return inbound{}, violation("PUBLISH with QoS 2")
	case m.QoS == 1 && e.acks.owed() == idCount:
		return inbound{}, violation("more QoS 1 messages in flight than packet identifiers")
	}
	in := inbound{Publish: m, ok: true}
	if m.QoS == 1 {
		in.id = e.acks.add(m.ID)
	}
	e.count.Received++
	return in, nil
}

func (e *engine) receivePuback(now time.Time, p []byte) error {
	id, err := packet.ParsePuback(p)
	if err != nil {
		return malformed(err)
	}
	it := e.out.acknowledge(id)
	if it == nil {
		e.count.UnknownAcks++
		return nil
	}
	if it.stage == taken {
		it.wired = now // faster than the writer's own return
	}
	e.starved, e.wary = false, false
	e.count.Acknowledged++
	e.finish(it, now, nil)
	return nil
}

func (e *engine) receiveSuback(now time.Time, p []byte) error {
	id, codes, err := packet.ParseSuback(p)
	if err != nil {
		return malformed(err)
	}
	it := e.requests.find(itemSubscribe, id)
	if it == nil {
		e.count.UnknownAcks++
		return nil
	}
	code := codes[0]
	if len(codes) != 1 || code != packet.SubackFailure && code > it.qos {
		return violation("SUBACK with codes % x for one filter of QoS %d", codes, it.qos) // [MQTT-3.8.4-5] [MQTT-3.8.4-6]
	}
	stays := !waits(it.next, itemUnsubscribe, it.text)
	e.requests.remove(it)
	e.starved = false
	switch {
	case code == packet.SubackFailure:
		err = ErrSubscriptionRefused
		if it.again {
			e.forget(it.text)
		}
	case stays:
		e.grant(it.text, it.qos)
	}
	if it.again && err == nil {
		recycle(it)
		return nil
	}
	if err == nil {
		it.granted = code
	}
	e.finish(it, now, err)
	return nil
}

func (e *engine) receiveUnsuback(now time.Time, p []byte) error {
	id, err := packet.ParseUnsuback(p)
	if err != nil {
		return malformed(err)
	}
	it := e.requests.find(itemUnsubscribe, id)
	if it == nil {
		e.count.UnknownAcks++
		return nil
	}
	e.requests.remove(it)
	e.starved = false
	e.finish(it, now, nil)
	return nil
}

func (e *engine) receivePingresp(now time.Time, p []byte) error {
	if err := packet.ParseEmpty(p, packet.PINGRESP); err != nil {
		return malformed(err)
	}
	if rtt, expected := e.keepalive.pong(now); !expected {
		e.count.UnknownAcks++
	} else if rtt > 0 {
		e.pingRTT = rtt
	}
	return nil
}
