package cable

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/patience"
)

// Line is what a board sends and receives messages by.
type Line interface {
	In() <-chan []byte // bytes of a stream, or datagrams
	Send(body []byte)
	Write(p []byte)
	datagram() bool
}

// Board is a board at the end of a line, running a well-behaved client. Its methods belong to the test's goroutine.
type Board struct {
	t     testing.TB
	line  Line
	calls chan func(*board.Board, time.Time)
	off   chan struct{}
	ended chan struct{}

	mu         sync.Mutex
	events     []board.Event
	sent       map[mqttsn.Type]int
	heard      map[mqttsn.Type]int
	connects   int // CONNECTs sent before the first CONNACK came
	everOnline bool
}

// NewBoard powers a board on. It is off when the test ends.
func NewBoard(t testing.TB, line Line, cfg board.Config) *Board {
	t.Helper()
	client, err := board.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &Board{
		t: t, line: line,
		calls: make(chan func(*board.Board, time.Time)), off: make(chan struct{}), ended: make(chan struct{}),
		sent: make(map[mqttsn.Type]int), heard: make(map[mqttsn.Type]int),
	}
	client.Start(time.Now())
	go b.run(client)
	t.Cleanup(b.PowerOff)
	return b
}

// PowerOff ends the board without a word. What it knew is gone.
func (b *Board) PowerOff() {
	select {
	case <-b.off:
	default:
		close(b.off)
	}
	<-b.ended
}

// run is the board's one goroutine.
func (b *Board) run(client *board.Board) {
	defer close(b.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var frames serialproto.Decoder
	for {
		select {
		case <-b.off:
			return
		case f := <-b.calls:
			f(client, time.Now())
		case chunk := <-b.line.In():
			b.receive(client, &frames, chunk)
		case <-timer.C:
		}
		b.turn(client)
		wait := time.Hour
		if d := client.Deadline(); !d.IsZero() {
			wait = max(time.Until(d), time.Millisecond)
		}
		timer.Reset(wait)
	}
}

// receive finds frames in what arrived.
func (b *Board) receive(client *board.Board, frames *serialproto.Decoder, chunk []byte) {
	now := time.Now()
	if b.line.datagram() {
		b.count(b.heard, chunk)
		client.Receive(now, chunk)
		return
	}
	frames.Feed(chunk, now)
	for ev, ok := frames.Next(); ok; ev, ok = frames.Next() {
		if ev.Kind == serialproto.Frame {
			b.count(b.heard, ev.Body)
			client.Receive(now, ev.Body)
			b.turn(client)
		}
	}
}

// turn does what is due.
func (b *Board) turn(client *board.Board) {
	now := time.Now()
	client.Advance(now)
	for body, ok := client.Next(now); ok; body, ok = client.Next(now) {
		b.count(b.sent, body)
		b.line.Send(body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ev := range client.Events() {
		ev.Data = bytes.Clone(ev.Data)
		if ev.Kind == board.Connected && !b.everOnline {
			b.everOnline, b.connects = true, b.sent[mqttsn.Connect]
		}
		b.events = append(b.events, ev)
	}
}

// count counts a message by its type.
func (b *Board) count(counts map[mqttsn.Type]int, body []byte) {
	var p mqttsn.Packet
	if mqttsn.Parse(body, &p) == nil {
		b.mu.Lock()
		counts[p.Type]++
		b.mu.Unlock()
	}
}

// do runs f on the board's goroutine.
func (b *Board) do(f func(*board.Board, time.Time)) {
	b.t.Helper()
	done := make(chan struct{})
	select {
	case b.calls <- func(client *board.Board, now time.Time) { f(client, now); close(done) }:
		<-done
	case <-b.ended:
		b.t.Fatal("cable: the board is off")
	}
}

// Publish queues a message, Token being its number among the messages that are given so.
func (b *Board) Publish(m board.Message) {
	b.t.Helper()
	var err error
	b.do(func(client *board.Board, _ time.Time) { err = client.Publish(m) })
	if err != nil {
		b.t.Fatalf("cable: publish to %s: %v", m.Topic, err)
	}
}

// Subscribe asks for messages and waits for the answer, which it returns.
func (b *Board) Subscribe(filter string, qos int) board.Event {
	b.t.Helper()
	return b.SubscribeLater(filter, qos)()
}

// SubscribeLater asks for messages. The function that it returns waits for the answer.
func (b *Board) SubscribeLater(filter string, qos int) (answer func() board.Event) {
	b.t.Helper()
	before := b.Count(board.Subscribed)
	var err error
	b.do(func(client *board.Board, _ time.Time) { err = client.Subscribe(filter, qos) })
	if err != nil {
		b.t.Fatalf("cable: subscribe %s: %v", filter, err)
	}
	return func() board.Event {
		b.t.Helper()
		return b.Wait(board.Subscribed, before+1)
	}
}

// Unsubscribe takes a subscription back and waits for the answer.
func (b *Board) Unsubscribe(filter string) {
	b.t.Helper()
	before := b.Count(board.Unsubscribed)
	var err error
	b.do(func(client *board.Board, _ time.Time) { err = client.Unsubscribe(filter) })
	if err != nil {
		b.t.Fatalf("cable: unsubscribe %s: %v", filter, err)
	}
	b.Wait(board.Unsubscribed, before+1)
}

// Sleep says that the board will be silent for d, and waits until that is agreed.
func (b *Board) Sleep(d time.Duration) {
	b.t.Helper()
	before := b.Count(board.Asleep)
	b.do(func(client *board.Board, now time.Time) { client.Sleep(now, d) })
	b.Wait(board.Asleep, before+1)
}

// Wake makes a board that sleeps ask for its messages, and waits until it has them all and sleeps again. It returns how that ended.
func (b *Board) Wake() board.Event {
	b.t.Helper()
	before := b.Count(board.Asleep)
	b.do(func(client *board.Board, now time.Time) { client.Wake(now) })
	return b.Wait(board.Asleep, before+1)
}

// UpdateWill changes the will, and waits for both answers, which it returns.
func (b *Board) UpdateWill(w board.Will) (topic, message mqttsn.ReturnCode) {
	b.t.Helper()
	topics, messages := b.Count(board.WillTopicUpdated), b.Count(board.WillMessageUpdated)
	var err error
	b.do(func(client *board.Board, _ time.Time) {
		if err = client.UpdateWillTopic(w.Topic, w.QoS, w.Retain); err == nil {
			err = client.UpdateWillMessage(w.Message)
		}
	})
	if err != nil {
		b.t.Fatalf("cable: update the will: %v", err)
	}
	return b.Wait(board.WillTopicUpdated, topics+1).ReturnCode, b.Wait(board.WillMessageUpdated, messages+1).ReturnCode
}

// AskTime asks for the time and waits for the answer.
func (b *Board) AskTime() time.Time {
	b.t.Helper()
	before := b.Count(board.TimeReceived)
	var err error
	b.do(func(client *board.Board, _ time.Time) { err = client.AskTime() })
	if err != nil {
		b.t.Fatalf("cable: ask for the time: %v", err)
	}
	return b.Wait(board.TimeReceived, before+1).Time
}

// Disconnect ends the session in order and waits until that is done.
func (b *Board) Disconnect() {
	b.t.Helper()
	before := b.Count(board.Disconnected)
	b.do(func(client *board.Board, now time.Time) { client.Disconnect(now) })
	b.Wait(board.Disconnected, before+1)
}

// Start connects again after Disconnect.
func (b *Board) Start() {
	b.t.Helper()
	b.do(func(client *board.Board, now time.Time) { client.Start(now) })
}

// Print prints console text, between two frames.
func (b *Board) Print(text string) {
	b.t.Helper()
	b.do(func(*board.Board, time.Time) { b.line.Write([]byte(text)) })
}

// Events returns what has happened so far, of one kind.
func (b *Board) Events(kind board.EventKind) []board.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []board.Event
	for _, ev := range b.events {
		if ev.Kind == kind {
			all = append(all, ev)
		}
	}
	return all
}

// Drain returns what has happened since it was called last, and forgets it: a board that runs for long would remember too much.
func (b *Board) Drain() []board.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.events
	b.events = nil
	return all
}

// Room returns how many more messages can be queued.
func (b *Board) Room() int {
	b.t.Helper()
	room := 0
	b.do(func(client *board.Board, _ time.Time) { room = client.Room() })
	return room
}

// Count returns how many events of one kind there were.
func (b *Board) Count(kind board.EventKind) int { return len(b.Events(kind)) }

// Wait waits for the n-th event of one kind, counted from 1, and returns it.
func (b *Board) Wait(kind board.EventKind, n int) board.Event {
	b.t.Helper()
	var all []board.Event
	ok := patience.Within(patience.Limit, func() bool { all = b.Events(kind); return len(all) >= n })
	if !ok {
		b.t.Fatalf("cable: the board waited %v for event %d of kind %d and has %d; messages sent: %v, heard: %v", patience.Limit, n, kind, len(all), b.sent, b.heard)
	}
	return all[n-1]
}

// WaitAcknowledged waits until nothing that was published waits for its answer any more.
func (b *Board) WaitAcknowledged() {
	b.t.Helper()
	left := 0
	ok := patience.Within(patience.Limit, func() bool {
		b.do(func(client *board.Board, _ time.Time) { left = client.Unacknowledged() })
		return left == 0
	})
	if !ok {
		b.t.Fatalf("cable: %d messages of the board are not acknowledged after %v", left, patience.Limit)
	}
}

// Sent returns how many messages of a type the board has sent.
func (b *Board) Sent(typ mqttsn.Type) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent[typ]
}

// Reconnects returns how many CONNECTs the board has sent since it was connected for the first time.
func (b *Board) Reconnects() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent[mqttsn.Connect] - b.connects
}

// Heard returns how many messages of a type the board has received.
func (b *Board) Heard(typ mqttsn.Type) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heard[typ]
}
