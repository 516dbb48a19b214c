package devices

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/serialproto"
)

// Status is what a device looks like at one moment. Strings may hold anything
// a board sent.
type Status struct {
	Name    string
	Port    string
	Open    bool
	Problem string // why the port is not open
	Counts  Counts
	Outbox  OutboxStatus
	Boards  []Board  // with a session, by client id
	Console []string // the last lines, printable
	Hops    Hops
}

// Hops are the last latencies on the way of a message, oldest first.
type Hops struct {
	Serial, Broker []time.Duration // round trips to a board, and to the broker and back
	Uplink         []time.Duration // from the end of the board's frame to the broker's acknowledgement
}

// OutboxStatus is how the outbox of a device is, up to a second ago.
type OutboxStatus struct {
	Configured  bool
	Messages    int    // that the broker has not acknowledged
	Bytes       int64  // of these
	Quarantined int    // messages
	Problem     string // why it does not take messages; empty if it does
}

// Counts counts since the device started.
type Counts struct {
	FramesRx, FramesTx uint64
	Errors             uint64 // noise, damaged frames, and frames that were no message
	Retransmits        uint64 // both directions
	Dropped            uint64 // messages
}

// Board is one node with a session.
type Board struct {
	gateway.NodeStatus
	Uplink, Downlink uint64   // messages
	PerMinute        int      // messages in the last minute, both ways
	Topics           []Topic  // the last ones, newest first
	Filters          []string // what it has subscribed to, in order
}

// Topic is the last message on one topic.
type Topic struct {
	Name     string
	Downlink bool
	Size     int // of the payload, in bytes
	At       time.Time
	Payload  []byte // only with Config.ShowPayloads, at most 64 bytes
}

const (
	consoleKept = 20 // lines that a Status shows
	topicsKept  = 5  // topics of a board that it shows
	payloadKept = 64 // bytes of a payload
)

// Status asks the loop what the device looks like. It reports false when the
// device does not run.
func (d *Device) Status(ctx context.Context) (Status, bool) {
	answer := make(chan Status, 1)
	select {
	case d.events <- event{kind: statusWanted, answer: answer}:
	case <-d.done:
		return Status{}, false
	case <-ctx.Done():
		return Status{}, false
	}
	select {
	case s := <-answer:
		return s, true
	case <-d.done:
	case <-ctx.Done():
	}
	return Status{}, false
}

// status is Status, in the loop.
func (d *Device) status() Status {
	s := Status{
		Name: d.cfg.Name, Port: d.cfg.Port.String(), Open: d.line.open(), Problem: d.line.problem,
		Counts: d.seen.counts, Console: slices.Clone(d.seen.printed),
		Hops: Hops{Serial: d.seen.serial.show(), Broker: d.seen.broker.show(), Uplink: d.seen.uplink.show()},
		Outbox: OutboxStatus{
			Configured: d.cfg.Outbox.Dir != "", Messages: d.outbox.stats.Messages, Bytes: d.outbox.stats.Bytes,
			Quarantined: d.outbox.stats.Quarantined, Problem: d.outbox.problem,
		},
	}
	now := d.now()
	for _, n := range d.gw.Nodes() {
		b := Board{NodeStatus: n, Filters: d.gw.Filters(n.ID)}
		if seen := d.seen.boards[n.ID]; seen != nil {
			b.Uplink, b.Downlink, b.Topics = seen.uplink, seen.downlink, seen.show()
			b.PerMinute = seen.rate.perMinute(now)
		}
		s.Boards = append(s.Boards, b)
	}
	slices.SortFunc(s.Boards, func(a, b Board) int { return strings.Compare(a.ClientID, b.ClientID) })
	return s
}

// seen is what the loop remembers for Status.
type seen struct {
	counts  Counts
	boards  map[gateway.NodeID]*boardSeen
	printed []string

	serial, broker, uplink trail
}

type boardSeen struct {
	uplink, downlink uint64
	rate             rate
	topics           [topicsKept]topicSeen
}

// topicSeen is a Topic whose memory is used again.
type topicSeen struct {
	name, payload []byte
	downlink      bool
	size          int
	at            time.Time
}

// note remembers what a notice tells.
func (s *seen) note(now time.Time, n *gateway.Notice, payloads bool) {
	switch n.Kind {
	case gateway.BoardDisconnected:
		delete(s.boards, n.Node)
	case gateway.MessageReceived, gateway.MessageDown:
		b := s.boards[n.Node]
		if b == nil {
			b = new(boardSeen)
			s.boards[n.Node] = b
		}
		b.note(now, n, payloads)
	case gateway.MessageUp:
		if !n.Stored {
			s.uplink.add(n.Latency)
		}
	case gateway.RoundTrip:
		s.serial.add(n.Latency)
	case gateway.MessageDropped:
		s.counts.Dropped++
	case gateway.Retransmitted, gateway.Retried:
		s.counts.Retransmits++
	case gateway.Malformed:
		s.counts.Errors++
	}
}

// note remembers a message in the place of the last one on its topic, or of
// the topic that was silent longest.
func (b *boardSeen) note(now time.Time, n *gateway.Notice, payloads bool) {
	b.rate.add(now)
	down := n.Kind == gateway.MessageDown
	if down {
		b.downlink++
	} else {
		b.uplink++
	}
	place := &b.topics[0]
	for i := range b.topics {
		t := &b.topics[i]
		if t.downlink == down && bytes.Equal(t.name, n.Topic) {
			place = t
			break
		}
		if t.at.Before(place.at) {
			place = t
		}
	}
	place.name = append(place.name[:0], n.Topic...)
	place.downlink, place.size, place.at = down, n.Size, now
	place.payload = place.payload[:0]
	if payloads {
		place.payload = append(place.payload, n.Payload[:min(len(n.Payload), payloadKept)]...)
	}
}

func (b *boardSeen) show() []Topic {
	var topics []Topic
	for i := range b.topics {
		if t := &b.topics[i]; !t.at.IsZero() {
			topics = append(topics, Topic{string(t.name), t.downlink, t.size, t.at, bytes.Clone(t.payload)})
		}
	}
	slices.SortFunc(topics, func(a, b Topic) int { return b.At.Compare(a.At) })
	return topics
}

// forgetPayloads leaves nothing to show of what was kept when payloads were.
func (s *seen) forgetPayloads() {
	for _, b := range s.boards {
		for i := range b.topics {
			b.topics[i].payload = b.topics[i].payload[:0]
		}
	}
}

// print remembers a console line.
func (s *seen) print(text []byte) {
	if len(s.printed) == consoleKept {
		s.printed = append(s.printed[:0], s.printed[1:]...)
	}
	s.printed = append(s.printed, string(serialproto.AppendPrintable(nil, text)))
}
