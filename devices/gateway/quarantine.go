package gateway

import (
	"slices"
	"time"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// maxStrikes is how often the broker may close the connection on one message,
// without acknowledging any, before the message is put aside.
const maxStrikes = 5

// strike notes that the broker closed the connection of n. The message it did not
// like can only be the first that it has not acknowledged, as it takes them in
// order.
func (g *Gateway) strike(n *node) {
	o := &n.out
	i := slices.IndexFunc(o.handed, func(m *outMessage) bool { return !m.done })
	if i < 0 {
		o.suspect, o.strikes = 0, 0
		return
	}
	m := o.handed[i]
	if o.suspect != m.token {
		o.suspect, o.strikes = m.token, 0
	}
	if o.strikes++; o.strikes >= maxStrikes {
		g.command(Command{Kind: WithdrawMessage, Node: n.id, Token: m.token})
	}
}

// Withdrawn says whether the MQTT session has given up the message that a
// WithdrawMessage command named: then it goes into the quarantine. Without an
// outbox, which holds that, it ends here, and the board is told.
func (g *Gateway) Withdrawn(now time.Time, id NodeID, token uint64, ok bool) {
	n := g.byID[id]
	if n == nil || !ok {
		return
	}
	i := slices.IndexFunc(n.out.handed, func(m *outMessage) bool { return m.token == token })
	if i < 0 {
		return
	}
	n.out.suspect, n.out.strikes = 0, 0
	g.putAside(now, n, n.out.handed[i])
	g.trim(n)
	g.progress(now, n)
}

// putAside takes a message that the broker will never take out of the way of the
// others.
func (g *Gateway) putAside(now time.Time, n *node, m *outMessage) {
	m.done = true
	if m.storing || m.seq > 0 {
		m.poison = true // it goes into the quarantine when it is the oldest
		return
	}
	g.reject(now, n, m)
}

// reject tells the board that its message will never be taken, unless it was told
// that it is safe.
func (g *Gateway) reject(now time.Time, n *node, m *outMessage) {
	if entry, ok := n.dup.settle(m.token, false); ok {
		g.notice(Notice{Kind: MessageDropped, Node: n.id, QoS: 1, Reason: ReasonRejected})
		if entry.answer && n.state == active {
			g.puback(now, n, entry.topicID, entry.msgID, mqttsn.NotSupported)
		}
	}
}

func (g *Gateway) quarantine(n *node, seq uint64) {
	g.notice(Notice{Kind: Quarantined, Node: n.id, QoS: 1, ClientID: n.clientID})
	g.command(Command{Kind: QuarantineStored, Node: n.id, ClientID: n.clientID, Seq: seq})
}
