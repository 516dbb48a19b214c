package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// simKeepAlive is the Duration of every board.
const simKeepAlive = 5 * time.Second

// simBoard is a board, and the program on it: one that writes down what it has
// to say, and says it again after a reboot if it was not acknowledged.
type simBoard struct {
	w        *world
	name     string // its client id
	wireless []byte // its wireless node id; nil if it is straight on the line
	cfg      board.Config
	board    *board.Board
	boots    int
	off      bool // it has no power

	up   []upMessage
	next int         // of up, to be given to the board
	got  map[int]int // downlink messages, and how often they came
	last int         // QoS 1 downlink message that came last
	// disturbed: its session ended, or it rebooted, so that a message may come twice.
	disturbed bool
}

// upMessage is something that the program has to say.
type upMessage struct {
	qos       int
	given     bool // to the board
	confirmed bool // by it
	allowed   int  // how often it may be published over the serial hop
}

func (b *simBoard) payload(i int) string { return fmt.Sprintf("%s up %d", b.name, i) }

func (w *world) addBoard(name string, wireless []byte) {
	b := &simBoard{w: w, name: name, wireless: wireless, got: map[int]int{}, last: -1}
	b.cfg = board.Config{
		ClientID: name, KeepAlive: simKeepAlive, CleanSession: w.r.IntN(4) == 0, AskSession: w.r.IntN(2) == 0, Window: 1 + 3*w.r.IntN(2),
	}
	if w.r.IntN(2) == 0 {
		b.cfg.Will = &board.Will{Topic: "will/" + name, QoS: 1}
	}
	for range simMessages {
		b.up = append(b.up, upMessage{qos: min(1, w.r.IntN(4)), allowed: 1})
	}
	b.boot()
	w.boards = append(w.boards, b)
	w.after(time.Second, b.produce)
	w.after(time.Second, b.feed)
}

// boot switches the board on. It has forgotten everything.
func (b *simBoard) boot() {
	b.boots++
	// A program that has just begun does not know whether it ever subscribed.
	b.cfg.AskSession = b.cfg.AskSession && b.boots == 1
	if b.cfg.Will != nil {
		b.cfg.Will.Message = fmt.Appendf(nil, "gone %d", b.boots)
	}
	var err error
	if b.board, err = board.New(b.cfg); err != nil {
		panic(err)
	}
	if err := b.board.Subscribe("down/"+b.name+"/#", 1); err != nil {
		panic(err)
	}
	b.board.Start(b.w.now)
}

// reboot resets the board. What was not acknowledged is said again.
func (b *simBoard) reboot() {
	if b.off {
		return
	}
	b.disturbed = true
	b.sayAgain()
	b.next = slices.IndexFunc(b.up, func(m upMessage) bool { return !m.given || (m.qos == 1 && !m.confirmed) })
	if b.next < 0 {
		b.next = len(b.up)
	}
	b.boot()
}

// sayAgain allows what is not acknowledged to be published once more.
func (b *simBoard) sayAgain() {
	for i := range b.up {
		if m := &b.up[i]; m.given && m.qos == 1 && !m.confirmed {
			m.allowed++
		}
	}
}

// powerOff takes the board's power away for a while. If that is longer than its
// keepalive, and nothing else happens, its will goes out.
func (b *simBoard) powerOff(length time.Duration) {
	if b.off {
		return
	}
	w, at := b.w, b.w.now
	connected := b.board.Connected()
	client := w.broker.clients[b.name]
	session := w.broker.sessionOf(b.name)
	wills := 0
	if client != nil {
		wills = len(client.wills)
	}
	b.off, b.disturbed = true, true
	w.after(length, func() {
		b.off = false
		quiet := !w.line.calmSince.After(at) && w.line.open && !w.broker.upSince.After(at) && w.broker.up
		online := connected && session != nil && session.onlineSince.Before(at)
		if b.cfg.Will != nil && quiet && online && length > 2*simKeepAlive && len(client.wills) == wills {
			w.violate("board %s was off for %v, and its will did not go out", b.name, length)
		}
		b.reboot()
	})
}

// leave disconnects the board orderly, for a while.
func (b *simBoard) leave(length time.Duration) {
	if b.off {
		return
	}
	b.disturbed = true
	b.board.Disconnect(b.w.now)
	here := b.board
	b.w.after(length+2*time.Second, func() {
		if b.board == here && !b.off {
			b.board.Start(b.w.now)
		}
	})
}

// sessionLost notes the end of a session, of which a board that sleeps does not hear.
func (w *world) sessionLost(clientID string) {
	for _, b := range w.boards {
		b.disturbed = b.disturbed || b.name == clientID
	}
}

// nap lets the board sleep for a while. It looks for messages now and then, but
// perhaps not in time.
func (b *simBoard) nap(length time.Duration) {
	if b.off {
		return
	}
	w, here, until := b.w, b.board, b.w.now.Add(length)
	here.Sleep(w.now, time.Duration(1+w.r.IntN(3))*time.Second)
	var look func()
	look = func() {
		switch {
		case b.board != here || b.off:
		case w.now.Before(until):
			here.Wake(w.now)
			w.after(time.Duration(w.r.IntN(2500))*time.Millisecond, look)
		default:
			here.Start(w.now)
		}
	}
	w.after(time.Duration(w.r.IntN(1500))*time.Millisecond, look)
}

// produce gives the board its next message.
func (b *simBoard) produce() {
	if b.next < len(b.up) {
		m := &b.up[b.next]
		done := m.given && (m.qos == 0 || m.confirmed)
		if !b.off && (done || b.board.Publish(board.Message{Topic: "up/" + b.name, Data: []byte(b.payload(b.next)), QoS: m.qos, Token: uint64(b.next)}) == nil) {
			m.given = true
			b.next++
		}
	}
	b.w.after(time.Duration(b.w.r.IntN(1200))*time.Millisecond, b.produce)
}

// feed lets somebody publish something for the board.
func (b *simBoard) feed() {
	w := b.w
	if client := w.broker.clients[b.name]; client != nil {
		for range 1 + w.r.IntN(8) { // in bursts
			if client.nextOut < simMessages {
				client.publish(client.nextOut)
			}
		}
	}
	if client := w.broker.clients[b.name]; client == nil || client.nextOut < simMessages {
		w.after(time.Duration(w.r.IntN(5000))*time.Millisecond, b.feed)
	}
}

// settle takes what the board has put out.
func (b *simBoard) settle() {
	if b.off {
		return
	}
	for body, ok := b.board.Next(b.w.now); ok; body, ok = b.board.Next(b.w.now) {
		b.w.line.sendUp(b, slices.Clone(body))
	}
	for _, ev := range b.board.Events() {
		b.observe(ev)
	}
}

// observe checks what the board sees.
func (b *simBoard) observe(ev board.Event) {
	w := b.w
	switch ev.Kind {
	case board.Connected:
		if b.cfg.CleanSession {
			b.sayAgain() // as new messages: the gateway has forgotten them
		}
	case board.Disconnected:
		b.disturbed = true
	case board.Published:
		m := &b.up[ev.Token]
		if m.qos == 1 && !w.broker.safe[b.payload(int(ev.Token))] {
			w.violate("%q was acknowledged to the board before it was safe", b.payload(int(ev.Token)))
		}
		m.confirmed = true
	case board.Dropped:
		w.violate("the gateway refused message %d: %s", ev.Token, ev.ReturnCode)
	case board.Received:
		b.received(ev)
	default:
	}
}

// received checks a message from the broker.
func (b *simBoard) received(ev board.Event) {
	w := b.w
	var i int
	if _, err := fmt.Sscan(string(ev.Data), &i); err != nil || ev.Topic != downTopic(b.name, i) || ev.QoS != downQoS(i) {
		w.violate("board %s received %q on %q with QoS %d", b.name, ev.Data, ev.Topic, ev.QoS)
		return
	}
	b.got[i]++
	if b.got[i] > 1 && (!b.disturbed || ev.QoS == 0) {
		w.violate("downlink %d came twice to %s", i, b.name)
	}
	if ev.QoS == 1 && b.got[i] == 1 {
		if i < b.last {
			w.violate("downlink %d came to %s after %d", i, b.name, b.last)
		}
		b.last = i
	}
}

// done reports whether everything has been said and heard.
func (b *simBoard) done() bool {
	client := b.w.broker.clients[b.name]
	return b.next == len(b.up) && client != nil && client.nextOut == simMessages && len(client.queue) == 0 &&
		!slices.ContainsFunc(b.up, func(m upMessage) bool { return m.qos == 1 && !m.confirmed })
}

// verdict looks at the whole.
func (b *simBoard) verdict() error {
	published := b.w.broker.published
	for i := range b.up {
		switch n := published[b.payload(i)]; {
		case n > b.up[i].allowed:
			return fmt.Errorf("%q was published %d times over the serial hop, want %d at most", b.payload(i), n, b.up[i].allowed)
		case n == 0 && b.up[i].qos == 1:
			return fmt.Errorf("%q was never published", b.payload(i))
		}
	}
	for i := range simMessages {
		if downQoS(i) == 1 && b.got[i] == 0 && !b.cfg.CleanSession {
			return fmt.Errorf("downlink %d never came", i)
		}
	}
	if b.cfg.Window == 1 && !b.disturbed {
		return b.ordered()
	}
	return nil
}

// ordered checks that the broker has the board's messages in their order.
func (b *simBoard) ordered() error {
	last := -1
	for _, payload := range b.w.broker.arrived {
		var i int
		if rest, ok := strings.CutPrefix(payload, b.name+" up "); !ok {
			continue
		} else if _, err := fmt.Sscan(rest, &i); err != nil || i < last {
			return fmt.Errorf("message %d came to the broker after %d", i, last)
		}
		last = i
	}
	return nil
}

func (b *simBoard) String() string {
	confirmed := 0
	for _, m := range b.up {
		if m.confirmed {
			confirmed++
		}
	}
	return fmt.Sprintf("%s: %d of %d given, %d confirmed, %d received, connected %v", b.name, b.next, len(b.up), confirmed, len(b.got), b.board.Connected())
}

func downTopic(name string, i int) string { return fmt.Sprintf("down/%s/%d", name, i%3) }

func downQoS(i int) int { return min(1, i%4) }
