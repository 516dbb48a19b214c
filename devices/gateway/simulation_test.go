package gateway

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run only the simulation with this seed")
	simSeeds = flag.Uint64("sim.seeds", 400, "how many seeds to simulate")
)

// TestSimulation runs a board, a faulty line, the gateway and a broker on one
// virtual clock. Faults are drawn at random from a seed; a failing seed prints
// itself and replays exactly:
//
//	go test ./devices/gateway -run TestSimulation -sim.seed 17
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if err := simulate(*simSeed, nil); err != nil {
			t.Fatal(err)
		}
		return
	}
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		if err := simulate(seed, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestSimulationFindsPlantedBugs shows that the simulation can fail.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	for name, plant := range map[string]func(*world){
		"duplicates are published":  func(w *world) { w.duplicatesOff = true },
		"PUBACK before the broker":  func(w *world) { w.eager = true },
		"broker acknowledged early": func(w *world) { w.releaseEarly = true },
	} {
		found := false
		for seed := uint64(1); seed <= 200 && !found; seed++ {
			found = simulate(seed, plant) != nil
		}
		if !found {
			t.Errorf("%s: not found", name)
		}
	}
}

const (
	simMessages = 40               // each way
	simFaults   = 20 * time.Second // how long faults are drawn
	simPatience = 10 * time.Minute // until everything has arrived after that
	simSteps    = 200_000          // a loop that turns more often does not wait
)

// world is everything there is in one simulation.
type world struct {
	r    *rand.Rand
	now  time.Time
	end  time.Time // of the faults
	soon []event   // what happens next, unordered

	board    *board.Board
	window   int
	up, down lane // bytes to the gateway, and to the board
	gw       *Gateway
	open     bool

	session struct {
		node    NodeID
		opened  bool
		online  bool
		run     int // counts openings
		held    []Command
		handed  []int // downlink messages handed to the gateway and not released
		nextOut int   // of the downlink messages
	}
	brokerUp bool

	sent       int
	published  []string       // by the broker, first copies
	commands   map[string]int // how often the gateway published a payload
	safe       map[string]bool
	confirmed  []string // acknowledged to the board
	hasGot     map[int]bool
	disturbed  bool // a session ended: what was under way may come twice
	violations []error

	duplicatesOff, eager, releaseEarly bool // planted bugs
}

type event struct {
	at time.Time
	do func()
}

// lane is one direction of the line.
type lane struct {
	dec  serialproto.Decoder
	last time.Time // when the last bytes arrive: a line does not reorder
}

func simulate(seed uint64, plant func(*world)) error {
	r := rand.New(rand.NewPCG(seed, 0))
	start := time.Unix(1_700_000_000, 0)
	w := &world{
		r: r, now: start, end: start.Add(simFaults), open: true, brokerUp: true, window: 1 + 3*r.IntN(2),
		commands: map[string]int{}, safe: map[string]bool{}, hasGot: map[int]bool{},
		gw: New(Config{RxBuffer: 240 * r.IntN(2), MaxInflight: 4}),
	}
	if plant != nil {
		plant(w)
	}
	b, err := board.New(board.Config{ClientID: "b", KeepAlive: 5 * time.Second, Window: w.window, CleanSession: false})
	if err != nil {
		return err
	}
	w.board = b
	if err := b.Subscribe("down/#", 1); err != nil {
		return err
	}
	b.Start(w.now)
	w.gw.PortOpened(w.now)
	w.after(time.Second, w.produce)
	w.after(time.Second, w.fault)
	return w.run()
}

func (w *world) after(d time.Duration, do func()) { w.soon = append(w.soon, event{w.now.Add(d), do}) }

func (w *world) delay() time.Duration { return time.Duration(1+w.r.IntN(20)) * time.Millisecond }

// run turns the clock until everything has arrived.
func (w *world) run() error {
	for steps := 0; w.now.Before(w.end.Add(simPatience)); steps++ {
		if steps > simSteps {
			return fmt.Errorf("busy without end after %v", w.now.Sub(w.end.Add(-simFaults)))
		}
		w.settle()
		if len(w.violations) > 0 {
			return fmt.Errorf("after %v: %w", w.now.Sub(w.end.Add(-simFaults)), w.violations[0])
		}
		if w.done() {
			return w.verdict()
		}
		w.step()
	}
	return fmt.Errorf("not idle: %d of %d acknowledged, %d of %d received, board connected %v, %+v",
		len(w.confirmed), w.sent, len(w.hasGot), simMessages, w.board.Connected(), w.gw.Nodes())
}

func (w *world) done() bool {
	return !w.now.Before(w.end) && w.sent == simMessages && len(w.confirmed) == w.sent && len(w.hasGot) == simMessages
}

// step advances the clock to the next thing that happens, and does it.
func (w *world) step() {
	next := earliest(w.board.Deadline(), earliest(w.gw.Deadline(), earliest(w.up.dec.Deadline(), w.down.dec.Deadline())))
	first := -1
	for i := range w.soon {
		if first < 0 || w.soon[i].at.Before(w.soon[first].at) {
			first = i
		}
	}
	if first >= 0 && (next.IsZero() || !w.soon[first].at.After(next)) {
		ev := w.soon[first]
		w.soon = slices.Delete(w.soon, first, first+1)
		w.now = ev.at
		ev.do()
		return
	}
	if next.After(w.now) {
		w.now = next
	}
	w.board.Advance(w.now)
	if d := w.gw.Deadline(); !d.IsZero() && !d.After(w.now) {
		w.gw.Advance(w.now)
	}
	for _, l := range []*lane{&w.up, &w.down} {
		if d := l.dec.Deadline(); !d.IsZero() && !d.After(w.now) {
			w.arrive(l, nil)
		}
	}
}

// settle moves what the gateway and the board have put out.
func (w *world) settle() {
	for again := true; again; {
		again = false
		w.gw.Notices()
		for _, c := range w.gw.Commands() {
			c.Topic, c.Payload = slices.Clone(c.Topic), slices.Clone(c.Payload)
			w.execute(c)
			again = true
		}
		if b, _ := w.gw.Stream(); len(b) > 0 {
			w.transfer(&w.down, b)
		}
		for body, ok := w.board.Next(w.now); ok; body, ok = w.board.Next(w.now) {
			w.transfer(&w.up, serialproto.AppendFrame(nil, body))
		}
		for _, ev := range w.board.Events() {
			w.observe(ev)
		}
	}
}

// transfer puts bytes on the line, where they may be damaged.
func (w *world) transfer(l *lane, b []byte) {
	if !w.open {
		return
	}
	b = slices.Clone(b)
	if w.now.Before(w.end) && w.r.IntN(12) == 0 {
		b = w.damage(b)
	}
	at := w.now.Add(w.delay())
	if at.Before(l.last) {
		at = l.last
	}
	l.last = at
	w.soon = append(w.soon, event{at, func() { w.arrive(l, b) }})
}

func (w *world) damage(b []byte) []byte {
	i := w.r.IntN(len(b) + 1)
	switch w.r.IntN(5) {
	case 0:
		return nil // all lost
	case 1:
		return b[:i] // cut
	case 2:
		return slices.Insert(b, i, []byte("hello from the console\n")...)
	case 3:
		return slices.Insert(b, i, byte(w.r.Uint32()))
	default:
		b[i%len(b)] ^= 1 << w.r.IntN(8)
		return b
	}
}

func (w *world) arrive(l *lane, b []byte) {
	l.dec.Feed(b, w.now)
	for ev, ok := l.dec.Next(); ok; ev, ok = l.dec.Next() {
		switch {
		case ev.Kind != serialproto.Frame:
		case l == &w.down:
			w.board.Receive(w.now, ev.Body)
			w.settle()
		case w.open:
			if w.duplicatesOff {
				for _, n := range w.gw.nodes {
					n.dup.clear()
				}
			}
			w.gw.Receive(w.now, netip.AddrPort{}, ev.Body)
			w.settle() // what it put out refers to the frame
		}
	}
}

// produce publishes the board's next message.
func (w *world) produce() {
	if w.sent < simMessages {
		payload := fmt.Sprintf("up %d", w.sent)
		if w.board.Publish(board.Message{Topic: "up/t", Data: []byte(payload), QoS: 1, Token: uint64(w.sent)}) == nil {
			w.sent++
		}
		w.after(time.Duration(w.r.IntN(600))*time.Millisecond, w.produce)
	}
	w.feed()
}

// feed lets the broker send its next message.
func (w *world) feed() {
	s := &w.session
	if s.online && s.nextOut < simMessages && len(s.handed) < 20 {
		w.hand(s.nextOut)
		s.nextOut++
	}
	if s.nextOut < simMessages {
		w.after(time.Duration(w.r.IntN(400))*time.Millisecond, func() {
			if w.sent >= simMessages {
				w.feed()
			}
		})
	}
}

func (w *world) hand(i int) {
	m := w.gw.NewInbound()
	m.Set(fmt.Appendf(nil, "down/%d", i%3), fmt.Appendf(nil, "%d", i))
	m.QoS, m.Delivery, m.Received = 1, uint64(i), w.now
	w.session.handed = append(w.session.handed, i)
	w.gw.Deliver(w.now, w.session.node, m)
}

// fault draws the next misfortune.
func (w *world) fault() {
	if !w.now.Before(w.end) {
		return
	}
	length := time.Duration(w.r.IntN(6000)) * time.Millisecond
	switch w.r.IntN(4) {
	case 0:
		if w.open {
			w.open = false
			w.gw.PortLost(w.now)
			w.after(length, func() {
				w.open = true
				w.up.dec, w.down.dec = serialproto.Decoder{}, serialproto.Decoder{}
				w.gw.PortOpened(w.now)
			})
		}
	case 1:
		if w.brokerUp {
			w.brokerUp = false
			w.sessionOffline()
			w.after(length, func() { w.brokerUp = true; w.sessionOnline() })
		}
	}
	w.after(time.Duration(w.r.IntN(4000))*time.Millisecond, w.fault)
}

// sessionOffline cuts the connection to the broker.
func (w *world) sessionOffline() {
	if w.session.online {
		w.session.online = false
		w.gw.SessionDown(w.now, w.session.node, w.now)
	}
}

// sessionOnline connects, and both ends send again what was not acknowledged.
func (w *world) sessionOnline() {
	s := &w.session
	if !s.opened || s.online || !w.brokerUp {
		return
	}
	s.online = true
	w.gw.SessionUp(w.now, s.node, s.run > 1)
	for _, c := range s.held {
		w.acknowledge(c)
	}
	for _, i := range slices.Clone(s.handed) {
		w.disturbed = true
		s.handed = s.handed[1:]
		w.hand(i)
	}
}

// execute does what the gateway asks of the MQTT session.
func (w *world) execute(c Command) {
	s := &w.session
	switch c.Kind {
	case OpenSession:
		s.node, s.opened, s.online = c.Node, true, false
		s.run++
		w.after(w.delay(), w.sessionOnline)
	case AbortSession, CloseSession:
		s.opened, s.online, w.disturbed = false, false, true
	case PublishMessage:
		w.commands[string(c.Payload)]++
		s.held = append(s.held, c)
		if w.eager {
			w.gw.Published(w.now, c.Node, c.Token, 1, Safe)
		}
		if s.online {
			w.acknowledge(c)
		}
	case SubscribeFilter:
		w.after(w.delay(), func() { w.gw.Subscribed(w.now, c.Node, c.Token, Granted, 1) })
	case ReleaseInbound:
		i := int(c.Delivery)
		if c.Accepted && !w.hasGot[i] {
			w.violate("downlink %d was acknowledged to the broker before the board had it", i)
		}
		if c.Accepted {
			if at := slices.Index(s.handed, i); at >= 0 {
				s.handed = slices.Delete(s.handed, at, at+1)
			}
		}
	}
	if w.releaseEarly && c.Kind == SubscribeFilter {
		w.gw.command(Command{Kind: ReleaseInbound, Node: c.Node, Delivery: uint64(s.nextOut), Accepted: true})
	}
}

// acknowledge lets the broker take a message, if it stays long enough.
func (w *world) acknowledge(c Command) {
	run := w.session.run
	w.after(w.delay(), func() {
		s := &w.session
		at := slices.IndexFunc(s.held, func(h Command) bool { return h.Token == c.Token })
		if at < 0 || !s.online || s.run != run {
			return
		}
		s.held = slices.Delete(s.held, at, at+1)
		payload := string(c.Payload)
		if !w.safe[payload] {
			w.safe[payload] = true
			w.published = append(w.published, payload)
		}
		w.gw.Published(w.now, c.Node, c.Token, 1, Safe)
	})
}

// observe checks what the board sees.
func (w *world) observe(ev board.Event) {
	switch ev.Kind {
	case board.Published:
		payload := fmt.Sprintf("up %d", ev.Token)
		if !w.safe[payload] {
			w.violate("%q was acknowledged to the board before it was safe", payload)
		}
		w.confirmed = append(w.confirmed, payload)
	case board.Dropped:
		w.violate("the gateway refused message %d: %s", ev.Token, ev.ReturnCode)
	case board.Received:
		var i int
		if _, err := fmt.Sscan(string(ev.Data), &i); err != nil || ev.Topic != fmt.Sprintf("down/%d", i%3) {
			w.violate("the board received %q on %q", ev.Data, ev.Topic)
		}
		if w.hasGot[i] && !w.disturbed {
			w.violate("downlink %d came twice", i)
		}
		if !w.hasGot[i] && len(w.hasGot) != i {
			w.violate("downlink %d came before %d", i, len(w.hasGot))
		}
		w.hasGot[i] = true
	}
}

func (w *world) violate(format string, args ...any) {
	w.violations = append(w.violations, fmt.Errorf(format, args...))
}

// verdict looks at the whole when all is quiet.
func (w *world) verdict() error {
	for payload, n := range w.commands {
		if n != 1 {
			return fmt.Errorf("%q was published %d times over the serial hop", payload, n)
		}
	}
	if len(w.published) != simMessages {
		return fmt.Errorf("the broker has %d messages", len(w.published))
	}
	for i, payload := range w.published {
		if w.window == 1 && payload != fmt.Sprintf("up %d", i) {
			return fmt.Errorf("message %d at the broker is %q", i, payload)
		}
	}
	return nil
}
