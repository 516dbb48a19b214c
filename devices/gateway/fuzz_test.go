package gateway

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// FuzzGateway feeds a gateway with an outbox from a port on which anything may arrive, and lets the broker, the disk and the line answer as the input says. The
// gateway never panics, keeps within its bounds, and afterwards serves a board that behaves.
//
// The input is a script: a byte says what happens, the bytes behind it say how.
func FuzzGateway(f *testing.F) {
	frame := func(packets ...mqttsn.Packet) []byte {
		var script []byte
		for i := range packets {
			body := packets[i].Append(nil)
			script = append(append(script, byte(doFrame), byte(len(body))), body...)
		}
		return script
	}
	connect := frame(mqttsn.Packet{Type: mqttsn.Connect, ClientID: []byte("m5"), Duration: 60})
	clean := frame(mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession | mqttsn.Will, ClientID: []byte("m5")},
		mqttsn.Packet{Type: mqttsn.WillTopic, Topic: []byte("w")}, mqttsn.Packet{Type: mqttsn.WillMsg, Data: []byte("gone")})
	publish := frame(mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1.WithTopicIDType(mqttsn.ShortName), TopicID: mqttsn.ShortTopic('a', 'b'), MsgID: 1, Data: []byte("x")})
	subscribe := frame(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 2, Topic: []byte("a/#")})
	up, down := []byte{byte(doSession), 0, 0}, []byte{byte(doSession), 0, 1}
	wait := []byte{byte(doWait), 255}
	asleep := frame(mqttsn.Packet{Type: mqttsn.Disconnect, Duration: 5, HasDuration: true})
	awake := frame(mqttsn.Packet{Type: mqttsn.PingReq, ClientID: []byte("m5")})
	update := frame(mqttsn.Packet{Type: mqttsn.WillTopicUpd, Topic: []byte("v")}, mqttsn.Packet{Type: mqttsn.WillMsgUpd, Data: []byte("lost")})
	many := []byte{byte(doRepeat), 200, 4}
	for _, script := range [][][]byte{
		{connect, up, publish, {byte(doPublished), 0}, subscribe, {byte(doSubscribed), 0}, {byte(doDeliver), 0, 1}, wait},
		{connect, up, publish, many, down, {byte(doStored), 0}, many, wait, up, {byte(doLoaded)}, {byte(doPublished), 0}},
		{connect, down, publish, {byte(doStored), 1}, wait, publish, {byte(doStored), 2}, {byte(doPort), 0}, wait, {byte(doPort), 1}},
		{clean, up, publish, update, wait, up, update, wait, {byte(doPort), 0}, wait, wait},
		{connect, up, subscribe, {byte(doSubscribed), 0}, asleep, {byte(doDeliver), 0, 1}, many, wait, awake, wait, wait},
		{{byte(doBytes), 9}, []byte("\x00text\r\n\x00\xff"), connect, {byte(doBusy), 1}, publish, {byte(doBusy), 0}},
	} {
		f.Add(slices.Concat(script...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newFuzzWorld(t)
		for len(script) > 0 {
			w.step(&script)
			w.wantBounds()
		}
		w.wantService()
		w.wantRestorable()
	})
}

// What a script can do.
type fuzzStep byte

const (
	doBytes      fuzzStep = iota // n, bytes: they arrive as they are
	doFrame                      // n, body: a frame arrives
	doRepeat                     // n, at: the last frame arrives n times more, its byte there counting up
	doWait                       // n: that many milliseconds squared pass
	doSession                    // node, what: the broker's connection comes, goes, or is refused
	doPublished                  // result: the broker answers the oldest message
	doSubscribed                 // result
	doStored                     // result: the disk answers
	doLoaded                     //
	doWithdrawn                  // result
	doDeliver                    // node, QoS: a message comes from the broker
	doPort                       // 0: it is pulled, else it is plugged in
	doBusy                       // 0: it takes bytes, else it does not
	doSteps                      // how many there are
)

const (
	fuzzNodes    = 8 // client ids that may be live at once
	fuzzInflight = 4
	fuzzQueue    = 64 // messages that devices.session keeps in the gateway at most, for each node
	goodClient   = "the board that behaves, whose name nobody else will think of"
)

// fuzzWorld is what is around the gateway.
type fuzzWorld struct {
	t      *testing.T
	now    time.Time
	g      *Gateway
	frames serialproto.Decoder
	last   []byte // body of the last frame
	claims map[string]bool

	sessions  map[NodeID]*fuzzSession
	published []Command // not answered; so are the others
	asked     []Command
	storing   []Command
	loading   []Command
	withdrawn []Command
	delivery  uint64

	seq    uint64
	outbox map[string][]StoredMessage
	states map[string][]byte
}

// fuzzSession is the MQTT session of a node.
type fuzzSession struct {
	opened, online bool
	inside         int // messages that the gateway has not released
}

func newFuzzWorld(t *testing.T) *fuzzWorld {
	w := &fuzzWorld{
		t: t, now: time.Unix(1_700_000_000, 0), claims: make(map[string]bool), sessions: make(map[NodeID]*fuzzSession),
		outbox: make(map[string][]StoredMessage), states: make(map[string][]byte),
	}
	w.g = New(w.config())
	w.g.PortOpened(w.now)
	w.act()
	return w
}

func (w *fuzzWorld) config() Config {
	return Config{
		DefaultClientID: "default", RxBuffer: 240, MaxInflight: fuzzInflight, Outbox: true, Predefined: map[uint16]string{1: "predefined"},
		Claim: func(clientID string) Reason {
			switch {
			case w.claims[clientID]:
				return ReasonClientIDInUse
			case len(w.claims) >= fuzzNodes && clientID != goodClient:
				return ReasonTooManyNodes
			}
			w.claims[clientID] = true
			return NoReason
		},
		Release: func(clientID string) { delete(w.claims, clientID) },
	}
}

// take returns the next byte of the script, 0 at its end.
func take(script *[]byte) byte {
	if len(*script) == 0 {
		return 0
	}
	b := (*script)[0]
	*script = (*script)[1:]
	return b
}

func takeBytes(script *[]byte) []byte {
	n := min(int(take(script)), len(*script))
	b := (*script)[:n]
	*script = (*script)[n:]
	return b
}

// step does one thing.
func (w *fuzzWorld) step(script *[]byte) {
	w.now = w.now.Add(time.Millisecond)
	switch fuzzStep(take(script)) % doSteps {
	case doBytes:
		w.arrive(takeBytes(script))
	case doFrame:
		w.last = bytes.Clone(takeBytes(script))
		w.arrive(serialproto.AppendFrame(nil, w.last))
	case doRepeat:
		w.repeat(int(take(script)), int(take(script)))
	case doWait:
		n := time.Duration(take(script))
		w.pass(n * n * time.Millisecond)
	case doSession:
		w.session(NodeID(take(script)), take(script))
	case doPublished:
		w.answerPublished(take(script))
	case doSubscribed:
		if c, ok := w.oldest(&w.asked); ok {
			w.g.Subscribed(w.now, c.Node, c.Token, SubscribeResult(take(script)%3), byte(c.QoS))
		}
	case doStored:
		w.answerStored(StoreResult(take(script) % 3))
	case doLoaded:
		w.answerLoaded()
	case doWithdrawn:
		if c, ok := w.oldest(&w.withdrawn); ok {
			w.answerWithdrawn(c, take(script)%2 == 0)
		}
	case doDeliver:
		w.deliver(NodeID(take(script)), take(script)%2)
	case doPort:
		w.port(take(script) != 0)
	case doBusy:
		w.g.PortBusy(w.now, take(script) != 0)
	}
	w.act()
}

// arrive hands on what the line brings.
func (w *fuzzWorld) arrive(p []byte) {
	if !w.g.open {
		return
	}
	w.frames.Feed(p, w.now)
	for ev, ok := w.frames.Next(); ok; ev, ok = w.frames.Next() {
		if ev.Kind == serialproto.Frame {
			w.g.Receive(w.now, netip.AddrPort{}, ev.Body)
			w.act()
		}
	}
}

func (w *fuzzWorld) repeat(n, at int) {
	for range n {
		if at < len(w.last) {
			w.last[at]++
		}
		w.arrive(serialproto.AppendFrame(nil, w.last))
	}
}

// pass lets time pass, and the gateway do what is due.
func (w *fuzzWorld) pass(d time.Duration) {
	end := w.now.Add(d)
	for range 10_000 {
		next := w.g.Deadline()
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		w.g.Advance(w.now)
		w.act()
	}
	w.t.Fatalf("the deadline stays at %v", w.g.Deadline())
}

// act does what the gateway asks for, and forgets what it writes.
func (w *fuzzWorld) act() {
	w.g.Notices()
	for {
		commands := slices.Clone(w.g.Commands())
		if len(commands) == 0 {
			break
		}
		for _, c := range commands {
			c.Topic, c.Payload = bytes.Clone(c.Topic), bytes.Clone(c.Payload)
			w.execute(c)
		}
	}
	w.g.Stream()
}

func (w *fuzzWorld) execute(c Command) {
	s := w.sessions[c.Node]
	if s == nil {
		s = new(fuzzSession)
		w.sessions[c.Node] = s
	}
	switch c.Kind {
	case OpenSession:
		s.opened, s.online = true, false
	case CloseSession, AbortSession:
		s.opened, s.online = false, false
	case ForgetSession:
		w.forget(c.Node)
	case PublishMessage:
		w.published = append(w.published, c)
	case SubscribeFilter, UnsubscribeFilter:
		w.asked = append(w.asked, c)
	case ReleaseInbound:
		s.inside--
	case StoreMessage:
		w.storing = append(w.storing, c)
	case LoadMessages:
		w.loading = append(w.loading, c)
	case WithdrawMessage:
		w.withdrawn = append(w.withdrawn, c)
	case SettleStored, QuarantineStored:
		w.outbox[c.ClientID] = slices.DeleteFunc(w.outbox[c.ClientID], func(m StoredMessage) bool {
			return m.Seq == c.Seq || c.Kind == SettleStored && m.Seq < c.Seq
		})
	case SaveNode:
		w.states[c.ClientID] = bytes.Clone(c.State)
	}
}

// forget ends what a node's MQTT session has been asked for.
func (w *fuzzWorld) forget(id NodeID) {
	delete(w.sessions, id)
	ofNode := func(c Command) bool { return c.Node == id }
	w.published = slices.DeleteFunc(w.published, ofNode)
	w.asked = slices.DeleteFunc(w.asked, ofNode)
	w.withdrawn = slices.DeleteFunc(w.withdrawn, ofNode)
}

// oldest takes the oldest command that its session, online, can answer.
func (w *fuzzWorld) oldest(commands *[]Command) (Command, bool) {
	i := slices.IndexFunc(*commands, func(c Command) bool { s := w.sessions[c.Node]; return s != nil && s.online })
	if i < 0 {
		return Command{}, false
	}
	c := (*commands)[i]
	*commands = slices.Delete(*commands, i, i+1)
	return c, true
}

func (w *fuzzWorld) answerPublished(how byte) {
	if c, ok := w.oldest(&w.published); ok {
		w.g.Published(w.now, c.Node, c.Token, c.QoS, PublishResult(how%2))
	}
}

func (w *fuzzWorld) answerStored(result StoreResult) {
	if len(w.storing) == 0 {
		return
	}
	c := w.storing[0]
	w.storing = w.storing[1:]
	if result == StoreOK {
		w.seq++
		w.outbox[c.ClientID] = append(w.outbox[c.ClientID], StoredMessage{Seq: w.seq, Topic: c.Topic, Payload: c.Payload, Retain: c.Retain})
	}
	w.g.Stored(w.now, c.Node, c.Token, w.seq, result)
}

func (w *fuzzWorld) answerLoaded() {
	if len(w.loading) == 0 {
		return
	}
	c := w.loading[0]
	w.loading = w.loading[1:]
	all := w.outbox[c.ClientID]
	first := slices.IndexFunc(all, func(m StoredMessage) bool { return m.Seq > c.Seq })
	if first < 0 {
		first = len(all)
	}
	w.g.Loaded(w.now, c.Node, slices.Clone(all[first:min(first+c.Max, len(all))]))
}

func (w *fuzzWorld) answerWithdrawn(c Command, ok bool) {
	i := slices.IndexFunc(w.published, func(p Command) bool { return p.Token == c.Token })
	if i < 0 {
		ok = false
	}
	if ok {
		w.published = slices.Delete(w.published, i, i+1)
	}
	w.g.Withdrawn(w.now, c.Node, c.Token, ok)
}

func (w *fuzzWorld) session(id NodeID, what byte) {
	s := w.sessions[id]
	if s == nil || !s.opened {
		return
	}
	switch {
	case what%4 == 3:
		s.online = false
		w.g.SessionRefused(w.now, id, what%5+1)
	case what%4 == 0 && !s.online:
		s.online = true
		w.g.SessionUp(w.now, id, what >= 128)
	case s.online:
		s.online = false
		w.g.SessionDown(w.now, id, w.now, what%4 == 1)
	}
}

func (w *fuzzWorld) deliver(id NodeID, qos byte) {
	s := w.sessions[id]
	if s == nil || !s.online || s.inside >= fuzzQueue {
		return
	}
	s.inside++
	w.delivery++
	m := w.g.NewInbound()
	m.Set([]byte("a/b"), []byte{byte(w.delivery)})
	m.QoS, m.Delivery, m.Received = qos, w.delivery, w.now
	w.g.Deliver(w.now, id, m)
}

func (w *fuzzWorld) port(plug bool) {
	switch {
	case plug && !w.g.open:
		w.frames = serialproto.Decoder{}
		w.g.PortOpened(w.now)
	case !plug && w.g.open:
		w.g.PortLost(w.now)
	}
}

// wantBounds demands that nothing grows with what arrives.
func (w *fuzzWorld) wantBounds() {
	g := w.g
	within := func(what string, n, limit int) {
		if n > limit {
			w.t.Fatalf("%d %s, more than %d", n, what, limit)
		}
	}
	within("live client ids", len(w.claims), fuzzNodes+1)
	within("answers that wait", g.waiting.len(), maxWaiting)
	within("nodes on the line", len(g.nodes), len(g.byID))
	within("messages kept for later use", len(g.spareOut), 64)
	for id, n := range g.byID {
		within("topics", len(n.topics.order), maxTopics)
		within("bytes of topic names", n.topics.bytes, maxTopicBytes+serialproto.DefaultMaxFrame)
		within("bytes of filters", n.filters.bytes, maxFilterBytes+serialproto.DefaultMaxFrame)
		within("requests for the broker", len(n.pending), maxPending)
		within("messages of a board in flight", len(n.dup.inflight), fuzzInflight)
		within("messages with the MQTT session", len(n.out.handed), 3*fuzzInflight+1)
		within("messages on their way to the disk", len(n.out.storing), fuzzInflight+2)
		within("messages for a board", len(n.queue), fuzzQueue)
		within("messages that the board has and the broker does not know of", len(n.settled), fuzzQueue)
		if s := w.sessions[id]; s != nil && s.inside < 0 {
			w.t.Fatal("a message from the broker was released twice")
		}
		if n.out.kept < 0 || n.out.ahead < 0 {
			w.t.Fatalf("%d messages are stored, %d of them not handed over", n.out.kept, n.out.ahead)
		}
	}
}

// wantService demands that a board which behaves is served, once port, broker and disk work.
func (w *fuzzWorld) wantService() {
	w.t.Helper()
	w.port(false)
	w.pass(portGrace + time.Second)
	w.port(true)
	w.g.PortBusy(w.now, false)
	w.act()
	w.ask(&mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte(goodClient)}, mqttsn.ConnAck)
	w.ask(&mqttsn.Packet{
		Type: mqttsn.Publish, Flags: mqttsn.QoS1.WithTopicIDType(mqttsn.ShortName), TopicID: mqttsn.ShortTopic('o', 'k'), MsgID: 7, Data: []byte("ok"),
	}, mqttsn.PubAck)
}

// ask sends a message until it is answered.
func (w *fuzzWorld) ask(p *mqttsn.Packet, answer mqttsn.Type) {
	w.t.Helper()
	for range 20 {
		w.frames.Feed(serialproto.AppendFrame(nil, p.Append(nil)), w.now)
		for ev, ok := w.frames.Next(); ok; ev, ok = w.frames.Next() {
			if ev.Kind == serialproto.Frame {
				w.g.Receive(w.now, netip.AddrPort{}, ev.Body)
			}
		}
		for range 20 {
			if w.answeredBy(answer) {
				return
			}
			w.serve()
			if next := w.g.Deadline(); !next.IsZero() && next.After(w.now) {
				w.now = next
			}
			w.g.Advance(w.now)
		}
		w.now = w.now.Add(time.Second)
		p.Flags |= mqttsn.DUP * mqttsn.Flags(btoi(p.Type == mqttsn.Publish))
	}
	w.t.Fatalf("%v is not answered", p.Type)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// answeredBy looks at what the gateway writes. A board answers what it is asked.
func (w *fuzzWorld) answeredBy(answer mqttsn.Type) bool {
	var frames serialproto.Decoder
	stream, _ := w.g.Stream()
	frames.Feed(bytes.Clone(stream), w.now)
	found := false
	for ev, ok := frames.Next(); ok; ev, ok = frames.Next() {
		var p mqttsn.Packet
		if ev.Kind != serialproto.Frame || mqttsn.Parse(ev.Body, &p) != nil {
			w.t.Fatalf("the gateway wrote % x", ev.Body)
		}
		switch p.Type {
		case answer:
			found = found || p.ReturnCode == mqttsn.Accepted
		case mqttsn.PingReq:
			pong := mqttsn.Packet{Type: mqttsn.PingResp}
			w.g.Receive(w.now, netip.AddrPort{}, pong.Append(nil))
		}
	}
	return found
}

// serve answers everything that the gateway asks of broker and disk.
func (w *fuzzWorld) serve() {
	w.g.Notices()
	for _, c := range slices.Clone(w.g.Commands()) {
		c.Topic, c.Payload = bytes.Clone(c.Topic), bytes.Clone(c.Payload)
		w.execute(c)
	}
	for id, s := range w.sessions {
		if s.opened && !s.online {
			s.online = true
			w.g.SessionUp(w.now, id, false)
		}
	}
	for len(w.published) > 0 {
		c, ok := w.oldest(&w.published)
		if !ok {
			break
		}
		w.g.Published(w.now, c.Node, c.Token, c.QoS, Safe)
	}
	for len(w.storing) > 0 {
		w.answerStored(StoreOK)
	}
	for len(w.loading) > 0 {
		w.answerLoaded()
	}
}

// wantRestorable demands that another gateway takes what this one has saved.
func (w *fuzzWorld) wantRestorable() {
	w.t.Helper()
	w.g.Shutdown(w.now)
	w.serve()
	w.claims = make(map[string]bool)
	next := New(w.config())
	for clientID, state := range w.states {
		if err := next.Restore(w.now, clientID, state, len(w.outbox[clientID])); err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(clientID, goodClient) && state != nil {
			w.t.Fatal("a board with CleanSession=1 was saved")
		}
	}
}
