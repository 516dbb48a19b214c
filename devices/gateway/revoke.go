package gateway

import (
	"bytes"
	"maps"
	"slices"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// What a board was allowed before the gateway was restarted it may not be allowed now. Of a
// board with CleanSession=0 the broker still has the subscriptions, and the gateway the
// will; nobody would ask Access again.

// judgeRestored takes from n, which was kept over a restart, what it may not have any more.
// Messages that were acknowledged to the board are delivered all the same.
func (g *Gateway) judgeRestored(n *node) {
	if n.will != nil && (len(n.will.Topic) == 0 || !g.cfg.Access.mayPublish(n.will.Topic)) {
		n.will = nil
		g.changed(n)
	}
	for filter, qos := range n.filters.set {
		if g.cfg.Access.maySubscribe([]byte(filter)) {
			continue
		}
		if n.revoked == nil {
			n.revoked = make(map[string]byte)
		}
		n.revoked[filter] = qos
	}
	for filter := range n.revoked {
		n.filters.remove([]byte(filter))
	}
}

// revoke takes back at the broker what judgeRestored took from n: as much at a time as a
// board may ask for.
func (g *Gateway) revoke(n *node) {
	if !n.mqtt.online || n.mqtt.clean {
		return
	}
	for _, filter := range slices.Sorted(maps.Keys(n.revoked)) {
		s := subscription{kind: mqttsn.Unsubscribe, filter: []byte(filter), told: true} // the board did not ask
		waits := func(o subscription) bool { return o.kind == s.kind && bytes.Equal(o.filter, s.filter) }
		if slices.ContainsFunc(n.pending, waits) {
			continue
		}
		if len(n.pending) >= maxPending {
			return // more when these are answered
		}
		g.token++
		s.token = g.token
		n.pending = append(n.pending, s)
		g.command(Command{Kind: UnsubscribeFilter, Node: n.id, Token: s.token, Topic: s.filter})
	}
}

// revokedAt notes that the broker has taken a filter back.
func (g *Gateway) revokedAt(n *node, s *subscription, result SubscribeResult) {
	if _, there := n.revoked[string(s.filter)]; !there || s.kind != mqttsn.Unsubscribe || result == Unanswered {
		return
	}
	delete(n.revoked, string(s.filter))
	g.changed(n)
}

// revokeAll is revoke for a session that has come up. One that the broker has just begun
// has no subscription to take back.
func (g *Gateway) revokeAll(n *node, sessionPresent bool) {
	if len(n.revoked) > 0 && !sessionPresent {
		n.revoked = nil
		g.changed(n)
	}
	g.revoke(n)
}

// subscriptions is what the broker may hold for n.
func (n *node) subscriptions() map[string]byte {
	if len(n.revoked) == 0 {
		return n.filters.set
	}
	all := maps.Clone(n.revoked)
	maps.Copy(all, n.filters.set)
	return all
}
