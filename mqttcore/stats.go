package mqttcore

import "time"

// Stats are what a client has counted, and where it stands.
type Stats struct {
	Counters

	Queued   int           // messages accepted and not completed
	Inflight int           // of these, QoS 1 messages sent on this connection
	Inbox    int           // messages received that no handler has begun
	Online   bool          // a connection stands
	PingRTT  time.Duration // of the last PINGREQ; 0 if there was none
}

// Counters are what a client has counted since New.
type Counters struct {
	Connects uint64 // CONNACKs that accepted
	Failures uint64 // attempts to connect that failed, refusals included
	Refusals uint64 // CONNACKs that refused

	Sent         uint64 // QoS 0 messages written
	Acknowledged uint64 // QoS 1 messages that the broker acknowledged
	Redelivered  uint64 // QoS 1 messages sent again with DUP
	Republished  uint64 // QoS 1 messages sent again as new ones, after the broker had lost the session
	Resubscribed uint64 // subscriptions made again for that reason

	Received     uint64 // messages from the broker
	InboxDropped uint64 // QoS 0 messages dropped because handlers are too slow, or Run ended
	InboxPauses  uint64 // times the reader had to wait for a handler
	Unhandled    uint64 // messages that no handler wanted
	StaleAcks    uint64 // calls of Ack with an ID of an earlier connection, or acknowledged before
	UnknownAcks  uint64 // acknowledgements by the broker of nothing that is in flight; ignored
}

// Stats returns a snapshot.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.engine.stats()
	s.Inbox = c.inbox.queue.n
	return s
}

func (e *engine) stats() Stats {
	return Stats{
		Counters: e.count,
		Queued:   e.out.queue.n,
		Inflight: e.out.inflight,
		Online:   e.phase == online,
		PingRTT:  e.pingRTT,
	}
}
