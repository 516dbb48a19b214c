package gateway

import "slices"

// What a device remembers of boards that are away with CleanSession=0. A board
// that is forgotten registers its topics anew when it comes back; its MQTT
// session is kept by the broker.
const (
	maxAway      = 10_000
	maxAwayBytes = 32 << 20
	nodeBytes    = 2 << 10 // about what a node and its MQTT session take by themselves
)

// memory returns about how many bytes n takes, most of which its board decides.
func (n *node) memory() int {
	total := nodeBytes + len(n.clientID) + n.topics.bytes + n.filters.bytes
	if n.will != nil {
		total += len(n.will.Topic) + len(n.will.Payload)
	}
	for i := range n.dup.inflight {
		total += n.dup.inflight[i].size // in the MQTT session
	}
	return total
}

// remember keeps n while it is away, and forgets those that have been away
// longest if that is too much.
func (g *Gateway) remember(n *node) {
	g.away = append(g.away, n)
	g.awayBytes += n.memory()
	for len(g.away) > maxAway || (g.awayBytes > maxAwayBytes && len(g.away) > 1) {
		i := slices.IndexFunc(g.away, func(n *node) bool { return !n.mqtt.opened && !n.out.told })
		if i < 0 {
			return // they have messages to deliver
		}
		g.forget(g.away[i])
	}
}

// comesBack takes n from those that are away.
func (g *Gateway) comesBack(n *node) {
	if i := slices.Index(g.away, n); i >= 0 {
		g.away = slices.Delete(g.away, i, i+1)
		g.awayBytes -= n.memory()
	}
}
