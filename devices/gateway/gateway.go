package gateway

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// Times of the gateway's own; those of MQTT-SN are in the standard's clauses
// named where they are used.
const (
	connectTimeout   = 4500 * time.Millisecond // a CONNECT is answered within 5 s
	handshakeTimeout = 30 * time.Second        // for the two will messages
	portGrace        = 3 * time.Second         // a port gone longer has lost its boards
	congestionWait   = time.Second             // before a congested board is tried again
	challengeTime    = 10 * time.Second        // to answer when somebody else wants the client id
	goodbyeInterval  = time.Second             // between two DISCONNECTs nobody asked for
	offlineAfter     = time.Second             // a CONNECT is answered without the broker, if there is an outbox
	saveAfter        = time.Second             // what changes within it is saved together
)

// Config describes one device to its Gateway.
type Config struct {
	// ClientID is the MQTT client identifier of the board on this port. Empty
	// means what the board says in CONNECT.
	ClientID string
	// DefaultClientID is used when neither ClientID nor the board gives one.
	DefaultClientID string
	// Datagram says that the port is UDP: bare messages, no frames, no credit.
	Datagram bool
	// TakeOver lets a CONNECT from another peer take over a live client id.
	TakeOver bool
	// RxBuffer is how many bytes the board can take unacknowledged. Zero or
	// less means no limit.
	RxBuffer int
	// Baud is the speed of the line in bits a second, by which time-outs count
	// from when the last byte has left. Zero or less means that bytes take no
	// time.
	Baud int
	// MaxFrame is the largest body that is sent, in bytes. Zero means 2048.
	MaxFrame int
	// MaxInflight is how many QoS 1 messages of one node may wait for the
	// broker before "congestion" is said. Zero means 20.
	MaxInflight int
	// Outbox says that there is one: StoreMessage and its kin are obeyed.
	Outbox bool
	// SpillAfter is how long the broker may take to acknowledge a message before
	// it is stored. Zero means 250 ms.
	SpillAfter time.Duration
	// Predefined maps predefined topic ids to topic names.
	Predefined map[uint16]string
	Access     Access
	Limits     Limits
	// Claim reserves a client id for a board of this device, and reports why it
	// cannot be had. Nil means that every id is free.
	Claim func(clientID string) Reason
	// Release gives a claimed client id back. Nil is allowed.
	Release func(clientID string)
}

// A Gateway is the MQTT-SN 1.2 gateway of one device: the protocol state of
// every node behind one port. It has no goroutine, no clock and no I/O; see
// the package comment for how it is driven. It is not safe for concurrent use,
// but for NewInbound.
type Gateway struct {
	cfg        Config
	predefined map[string]uint16 // name to id
	names      map[uint16][]byte // id to name

	open   bool      // the port is open
	busy   bool      // and takes no bytes now
	lostAt time.Time // when it was lost; zero if it is open or never was

	nodes     map[Peer]*node
	clients   map[string]*node // also those that are away, with CleanSession=0
	byID      map[NodeID]*node
	away      []*node // with CleanSession=0, away longest first
	awayBytes int     // what they take
	lastID    NodeID
	timers    timers
	token     uint64        // last one given
	epoch     time.Time     // from which the tokens of QoS 0 count
	unsaved   []*node       // whose restart state has changed
	saveAt    time.Time     // when that is saved; zero if there is none
	limiter   *rate.Limiter // of those who publish with QoS -1 and have no session
	goodbye   time.Time     // the last DISCONNECT that nobody asked for
	farewell  time.Time     // the last session that its board ended

	flow     flow
	idleAt   time.Time   // when all that was written will have left
	lastPeer Peer        // the node written to last, who can return credit
	waiting  fifo[reply] // answers that had no room yet
	ready    fifo[*node] // nodes with a message to send, in turn
	stuck    bool        // the first of ready lacks credit, or room in this turn
	fullAt   time.Time   // when a turn ended because it was full; zero if it was not

	out, spare output
	frames     int // in out.stream
	connected  int // nodes that are active, asleep or awake
	used       []*Inbound
	pool       sync.Pool // of *Inbound
	spareOut   []*outMessage

	in, sending              mqttsn.Packet
	short                    [2]byte
	scratch, wrapped, nodeID []byte
}

// New returns a Gateway for a port that is not open yet.
func New(cfg Config) *Gateway {
	if cfg.MaxFrame <= 0 {
		cfg.MaxFrame = serialproto.DefaultMaxFrame
	}
	if cfg.MaxInflight <= 0 {
		cfg.MaxInflight = 20
	}
	if cfg.SpillAfter <= 0 {
		cfg.SpillAfter = defaultSpillAfter
	}
	if cfg.Datagram {
		cfg.RxBuffer = 0
	}
	g := &Gateway{
		cfg:        cfg,
		predefined: make(map[string]uint16, len(cfg.Predefined)),
		names:      make(map[uint16][]byte, len(cfg.Predefined)),
		nodes:      make(map[Peer]*node),
		clients:    make(map[string]*node),
		byID:       make(map[NodeID]*node),
		limiter:    cfg.Limits.newLimiter(),
	}
	for id, name := range cfg.Predefined {
		g.predefined[name], g.names[id] = id, []byte(name)
	}
	g.flow.limit = cfg.RxBuffer
	return g
}

// PortOpened says that bytes can be written. The boards are told to connect
// anew: what runs there does not know that the gateway was away.
func (g *Gateway) PortOpened(now time.Time) {
	g.open, g.busy = true, false
	g.flow.reset()
	g.idleAt = time.Time{}
	g.waiting = fifo[reply]{}
	if !g.cfg.Datagram {
		g.write(now, Peer{}, &mqttsn.Packet{Type: mqttsn.Disconnect}, false)
	}
	for _, n := range g.nodes {
		n.quiet = n.live()
		if !g.lostAt.IsZero() {
			n.gone += now.Sub(g.lostAt)
		}
		n.request = request{}
		g.schedule(n)
	}
	g.lostAt = time.Time{}
}

// PortLost says that the port is gone. Its boards are given portGrace to be
// heard again before their sessions end.
func (g *Gateway) PortLost(now time.Time) {
	g.open, g.lostAt = false, now
	for _, n := range g.nodes {
		n.request.deadline, n.ping = time.Time{}, ping{}
		g.schedule(n)
	}
}

// PortBusy says that the port takes no bytes, or takes them again. Meanwhile
// everything waits here, where there are bounds; what is put out all the same,
// such as what Shutdown says, may be lost.
func (g *Gateway) PortBusy(now time.Time, busy bool) {
	g.busy = busy
	g.pump(now)
}

// Shutdown tells every board to connect anew later and cuts the MQTT sessions
// without DISCONNECT, so that what they left unfinished is not forgotten.
func (g *Gateway) Shutdown(now time.Time) {
	if g.open && !g.cfg.Datagram {
		g.write(now, Peer{}, &mqttsn.Packet{Type: mqttsn.Disconnect}, false)
	}
	for _, n := range slices.SortedFunc(maps.Values(g.nodes), func(a, b *node) int { return cmp.Compare(a.id, b.id) }) {
		if g.open && n.peer != (Peer{}) && n.live() && n.state != asleep {
			g.write(now, n.peer, &mqttsn.Packet{Type: mqttsn.Disconnect}, false)
		}
		if n.unsaved && n.sleeps() {
			g.saveNode(n) // as it is now: it will sleep on
		}
		g.end(now, n, AbortSession, ReasonShutdown)
	}
	g.saveAll()
}

// Advance does what is due at now. Call it when Deadline has come.
func (g *Gateway) Advance(now time.Time) {
	g.recycle()
	g.flow.advance(now, g.creditRTO())
	for len(g.timers) > 0 && !now.Before(g.timers[0].deadline) {
		g.expire(now, g.timers[0])
	}
	g.pump(now)
}

// Deadline returns when Advance is to be called next; zero means never.
func (g *Gateway) Deadline() time.Time {
	var d time.Time
	if len(g.timers) > 0 {
		d = g.timers[0].deadline
	}
	d = earliest(d, g.saveAt)
	if g.open && !g.busy && g.blocked() {
		d = earliest(d, g.flow.probe.deadline)
		d = earliest(d, g.fullAt)
	}
	return d
}

// NodeStatus is what one node with a board session looks like.
type NodeStatus struct {
	ID        NodeID
	ClientID  string
	Peer      Peer
	Since     time.Time // CONNECT
	Connected bool      // CONNACK was sent
	Asleep    bool      // it is, or is awake for its messages only; Connected too
	Broker    bool      // the broker is connected
	SRTT      time.Duration
	Queued    int // messages from the broker on their way to it
	InFlight  int // messages of the board that are not safe yet
	Stored    int // messages of the board in the outbox
}

// Nodes returns the nodes that have a board session, in no order. A board that sleeps through a restart is among them, though nobody
// knows where it will wake up.
func (g *Gateway) Nodes() []NodeStatus {
	var all []NodeStatus
	for _, n := range g.byID {
		if n.live() {
			all = append(all, NodeStatus{
				ID: n.id, ClientID: n.clientID, Peer: n.peer, Since: n.began, Connected: n.state.joined(), Asleep: n.sleeps(),
				Broker: n.mqtt.online, SRTT: n.rtt.srtt, Queued: len(n.queue), InFlight: len(n.dup.inflight), Stored: n.out.stored(),
			})
		}
	}
	return all
}

// Connected returns how many nodes have been sent their CONNACK. Those that sleep
// count: they have their session.
func (g *Gateway) Connected() int { return g.connected }
