package mqttcore

import (
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// due reports whether take would append something.
func (e *engine) due() bool {
	switch e.phase {
	case connecting:
		return e.connect != nil
	case online:
		return e.finishing || e.keepalive.due || e.pending()
	default:
		return false
	}
}

// take appends the packets that are due to dst, in one go for one write, and
// as many as fit into its capacity; a packet larger than that comes alone. The
// caller writes them and calls wrote, or lost.
//
// Acknowledgements go first, for they make room at the broker; requests go
// before messages, so that a subscription stands when the answer to a message
// comes.
func (e *engine) take(dst []byte) []byte {
	switch e.phase {
	case connecting:
		dst, e.connect = e.connect, nil // not copied: it may hold a password, and dst is used again
		return dst
	case offline, closing:
		return dst
	}
	for e.acks.due() && fits(dst, 4) {
		dst = packet.AppendPuback(dst, e.acks.next())
	}
	if e.keepalive.due && fits(dst, 2) {
		dst = packet.AppendPingreq(dst)
		e.keepalive.taken(e.cfg.Rand())
	}
	dst = e.takeRequests(dst)
	dst = e.takeMessages(dst)
	if e.finishing && fits(dst, 2) && !e.pending() {
		dst = packet.AppendDisconnect(dst)
		e.phase = closing
	}
	return dst
}

// fits reports whether n more bytes may go into the same write.
func fits(dst []byte, n int) bool { return len(dst) == 0 || len(dst)+n <= cap(dst) }

// pending reports whether something is to be sent before DISCONNECT.
func (e *engine) pending() bool {
	return e.acks.due() || !e.starved && (e.requests.cursor != nil || e.out.due(e.window()))
}

// window returns how many messages may be in flight. A broker that ended the last
// connection may have done so because of a message. If the first one goes alone
// until something is acknowledged, then each connection makes progress, or it is
// this message that the broker does not want.
func (e *engine) window() int {
	if e.wary {
		return 1
	}
	return e.cfg.MaxInflight
}

func (e *engine) takeRequests(dst []byte) []byte {
	for it := e.requests.cursor; it != nil && !e.starved && fits(dst, len(it.text)+10); it = e.requests.cursor {
		if it.id = e.ids.take(&e.out.queue, &e.requests.queue); it.id == 0 {
			e.starved = true
			break
		}
		if it.kind == itemSubscribe {
			dst = packet.AppendSubscribe(dst, it.id, packet.Subscription{Filter: it.text, QoS: it.qos})
		} else {
			dst = packet.AppendUnsubscribe(dst, it.id, it.text)
		}
		it.stage = taken
		it.sends++
		e.requests.cursor = it.next
	}
	return dst
}

func (e *engine) takeMessages(dst []byte) []byte {
	for !e.starved && e.out.due(e.window()) {
		it := e.out.cursor
		if !fits(dst, len(it.text)+9) {
			break
		}
		resend := it.dup
		p, ok := e.out.advance(&e.ids, &e.requests.queue)
		if !ok {
			e.starved = true
			break
		}
		dst = p.Append(dst)
		if resend {
			e.count.Redelivered++
		}
	}
	return dst
}

// wrote notes that the socket took all of the last take.
func (e *engine) wrote(now time.Time) {
	e.keepalive.wrote(now)
	if e.phase == connecting && e.connackBy.IsZero() {
		e.connackBy = now.Add(e.connackWait())
	}
	e.out.wrote(now, func(it *item) {
		e.count.Sent++
		e.finish(it, now, nil)
	})
}
