package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// keepAlive is the Duration of every board.
const keepAlive = 5 * time.Second

// boardHost is a board, and the program on it: one that writes down what it has to
// say, and says it again after a reset if it was not acknowledged.
type boardHost struct {
	w        *world
	name     string // its client id
	wireless []byte // its wireless node id; nil if it is straight on the line
	cfg      board.Config
	board    *board.Board
	boots    int
	off      bool // it has no power

	up   []*upMessage
	next int // of up, to be given to the board
	down []*downMessage
	got  []int // by down message: how often it came
	last int   // QoS 1 message from the broker that came last
	acks []int // by down message: how often the broker was sent an acknowledgement
	// disturbed: its session ended, or it was reset, so that a message may come twice.
	disturbed  bool
	subscribed time.Time // when it last heard so

	woke     time.Time      // when it last asked for its messages
	promised []*downMessage // that the gateway had for it then
}

func (w *world) addBoard(name string, wireless []byte) {
	b := &boardHost{w: w, name: name, wireless: wireless, got: make([]int, messages), acks: make([]int, messages), last: -1}
	b.cfg = board.Config{
		ClientID: name, KeepAlive: keepAlive, Baud: w.baud,
		CleanSession: w.one(4), AskSession: w.one(2) && (w.outbox || !w.mortal), Window: 1 + 3*w.r.IntN(2),
	}
	if w.one(2) {
		b.cfg.Will = &board.Will{Topic: "will/" + name, QoS: 1}
	}
	bad := -1
	if w.outbox && w.one(6) {
		bad = w.r.IntN(messages)
	}
	for i := range messages {
		m := &upMessage{board: b, i: i, payload: fmt.Sprintf("%s up %d", name, i), qos: min(1, w.r.IntN(4)), allowed: 1}
		if i == bad {
			m.qos, m.poison = 1, true
			m.payload += " " + poison
		}
		b.up = append(b.up, m)
	}
	b.boot()
	w.boards = append(w.boards, b)
	w.after(time.Second, b.produce)
	w.after(time.Second, b.feed)
}

// boot switches the board on. It has forgotten everything.
func (b *boardHost) boot() {
	b.boots++
	// A program that has just begun does not know whether it ever subscribed.
	b.cfg.AskSession = b.cfg.AskSession && b.boots == 1
	if b.cfg.Will != nil {
		b.cfg.Will.Message = fmt.Appendf(nil, "%s gone %d", b.name, b.boots)
	}
	var err error
	if b.board, err = board.New(b.cfg); err != nil {
		panic(err)
	}
	if err := b.board.Subscribe("down/"+b.name+"/#", 1); err != nil {
		panic(err)
	}
	b.w.tracef("%s starts", b.name)
	b.board.Start(b.w.now)
}

// reset resets the board. What was not acknowledged is said again.
func (b *boardHost) reset() {
	if b.off {
		return
	}
	b.disturbed = true
	b.sayAgain()
	b.next = slices.IndexFunc(b.up, func(m *upMessage) bool { return !m.given || (m.qos == 1 && !m.settled()) })
	if b.next < 0 {
		b.next = len(b.up)
	}
	b.boot()
}

// sayAgain allows what is not acknowledged to be published once more.
func (b *boardHost) sayAgain() {
	for _, m := range b.up {
		if m.given && m.qos == 1 && !m.settled() {
			m.allowed++
		}
	}
}

// powerOff takes the board's power away for a while. If that is much longer than its
// keepalive, and nothing else happens, its will goes out.
func (b *boardHost) powerOff(length time.Duration) {
	if b.off {
		return
	}
	w, at := b.w, b.w.now
	// Which of its wills, if it was reset just now, is not said: a CONNACK for the
	// CONNECT before looks like its own.
	wills := w.books.wills[b.name]
	w.tracef("%s is off for %v", b.name, length)
	due := b.cfg.Will != nil && b.board.Connected() && w.standing(b.name) && length > 2*keepAlive
	b.off, b.disturbed = true, true
	w.after(length, func() {
		b.off = false
		if due && !w.trouble.After(at) && w.books.wills[b.name] == wills {
			w.violate("board %s was off for %v, and its will did not go out", b.name, length)
		}
		b.reset()
	})
}

// leave disconnects the board orderly, for a while.
func (b *boardHost) leave(length time.Duration) {
	if b.off {
		return
	}
	b.w.tracef("%s leaves for %v", b.name, length)
	b.disturbed = true
	b.board.Disconnect(b.w.now)
	here := b.board
	b.w.after(length+2*time.Second, func() {
		if b.board == here && !b.off {
			b.board.Start(b.w.now)
		}
	})
}

// sleep sends the board to sleep, and has it wake now and then, until length has
// passed. Each time it wakes it gets what the gateway has for it.
func (b *boardHost) sleep(length time.Duration) {
	if b.off || !b.board.Connected() {
		return
	}
	b.w.tracef("%s sleeps for %v", b.name, length)
	b.disturbed = true
	nap := b.w.within(length) + time.Second
	b.board.Sleep(b.w.now, nap)
	here, until := b.board, b.w.now.Add(length)
	var wake func()
	wake = func() {
		switch {
		case b.board != here || b.off:
		case b.w.now.After(until):
			b.board.Start(b.w.now)
		default:
			b.board.Wake(b.w.now)
			b.w.after(nap, wake)
		}
	}
	b.w.after(nap, wake)
}

// produce gives the board its next message.
func (b *boardHost) produce() {
	if b.next < len(b.up) {
		m := b.up[b.next]
		if !b.off && (m.given && (m.qos == 0 || m.settled()) || b.give(m)) {
			m.given = true
			b.next++
		}
	}
	b.w.after(b.w.within(2*time.Second), b.produce)
}

func (b *boardHost) give(m *upMessage) bool {
	err := b.board.Publish(board.Message{Topic: "up/" + b.name, Data: []byte(m.payload), QoS: m.qos, Token: uint64(m.i)})
	return err == nil
}

// feed lets somebody publish something for the board.
func (b *boardHost) feed() {
	if b.w.broker.ready(b.name) {
		for range 1 + b.w.r.IntN(6) { // in bursts
			if i := len(b.down); i < messages {
				m := &downMessage{board: b, i: i, qos: byte(min(1, i%4))}
				b.down = append(b.down, m)
				b.w.broker.publish(m)
			}
		}
	}
	if len(b.down) < messages {
		b.w.after(b.w.within(4*time.Second), b.feed)
	}
}

func (b *boardHost) deadline() time.Time {
	if b.off {
		return time.Time{}
	}
	return b.board.Deadline()
}

func (b *boardHost) advance() {
	if !b.off {
		b.board.Advance(b.w.now)
	}
}

// receive takes a message from the gateway.
func (b *boardHost) receive(body []byte) {
	b.board.Receive(b.w.now, body)
	b.settle()
}

// settle takes what the board has put out, and reports whether there was something.
func (b *boardHost) settle() bool {
	if b.off {
		return false
	}
	some := false
	for body, ok := b.board.Next(b.w.now); ok; body, ok = b.board.Next(b.w.now) {
		some = true
		b.w.line.sendUp(b, slices.Clone(body))
	}
	for _, ev := range b.board.Events() {
		some = true
		b.observe(&ev)
	}
	return some
}

// unfinished says what is still to be said or heard.
func (b *boardHost) unfinished() string {
	confirmed := 0
	for _, m := range b.up {
		if m.qos == 0 || m.settled() {
			confirmed++
		}
	}
	if b.off || b.next < len(b.up) || confirmed < len(b.up) || len(b.down) < messages || !b.board.Connected() {
		return fmt.Sprintf("off %v, connected %v, %d of %d given, %d confirmed, %d sent", b.off, b.board.Connected(), b.next, len(b.up), confirmed, len(b.down))
	}
	return ""
}
