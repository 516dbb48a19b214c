package gateway

import "time"

// endSession ends the MQTT session of n, whose board is gone, with the command
// how. What was promised to be delivered is delivered first, and a temporary
// session is forgotten by the broker.
func (g *Gateway) endSession(now time.Time, n *node, how CommandKind, why Reason) {
	m := &n.mqtt
	kept := m.temporary && !m.fresh // by the broker, who is to forget it
	if why == ReasonShutdown {
		*m = mqttSession{}
		g.command(Command{Kind: AbortSession, Node: n.id})
		return
	}
	behind := how == AbortSession && g.leaveWill(now, n)
	g.disarm(n)
	if !n.out.unfinished() && !kept {
		*m = mqttSession{}
		g.command(Command{Kind: how, Node: n.id})
		return
	}
	if how == AbortSession && !behind && m.will != nil {
		g.command(Command{Kind: AbortSession, Node: n.id}) // the broker publishes the will
	}
	g.drain(now, n, kept)
}

// drain opens a session without a will that ends when the queue of n is empty. A
// clean one makes the broker forget what it kept.
func (g *Gateway) drain(now time.Time, n *node, purge bool) {
	n.mqtt = mqttSession{opened: true, clean: n.clean, draining: true, purge: purge, lostAt: now}
	g.commandOpen(n, n.clean, nil)
}

// leaveWill puts the will of a lost board behind its stored messages, if it has
// any or the broker, who would publish it, is away, and reports whether it did.
// The will is raised to QoS 1, as what is stored is delivered at least once.
func (g *Gateway) leaveWill(now time.Time, n *node) bool {
	m := &n.mqtt
	held := !m.will.equal(n.will) // the broker does not know it
	switch {
	case n.will == nil || !n.state.joined(): // or it never was connected with that will
		return false
	case g.cfg.Outbox && (held || !m.online || n.out.unfinished()):
		g.sendWill(now, n)
		return true
	case held && m.online:
		g.token++
		n.out.parting = g.token
		g.send(now, n, g.token, n.will.Topic, n.will.Payload, n.will.Retain)
		return true
	}
	return false
}

// sendWill stores the will of n behind all it has said.
func (g *Gateway) sendWill(now time.Time, n *node) {
	g.token++
	m := g.newOutMessage(g.token, n.will.Topic, n.will.Payload, n.will.Retain)
	g.spillAll(now, n)
	n.out.storing = append(n.out.storing, m)
	g.store(n, m)
}

// drained ends the session of a board that is gone when its queue is empty.
func (g *Gateway) drained(n *node) {
	m := &n.mqtt
	if n.state != away || !m.opened || !m.draining || n.out.unfinished() || (m.purge && !m.online) {
		return
	}
	if !n.presumed.IsZero() {
		return // its will may have to go out
	}
	*m = mqttSession{}
	g.discardQueue(n, n.clean)
	g.command(Command{Kind: CloseSession, Node: n.id})
	g.leaveGateway(n)
}

// leaveGateway gives back the client id of a board that is gone, and forgets it if
// it wants to be forgotten.
func (g *Gateway) leaveGateway(n *node) {
	if n.claimed && g.cfg.Release != nil {
		g.cfg.Release(n.clientID)
	}
	n.claimed = false
	if n.clean {
		g.forget(n)
	}
}
