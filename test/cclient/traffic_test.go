package cclient

import (
	"fmt"

	"github.com/umqttd/umqttd/test/ledger"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/witness"
)

// traffic is what goes to and fro between a board and the witness, with its books.
type traffic struct {
	*rig
	up, down *ledger.Ledger
	given    int   // numbers given, up and down
	waiting  []int // numbers that the board was told to publish, and has not said what became of them
	acked    int
	taken    int // of what the witness was given
	events   int // of the board's, those that were looked at
	messages int
}

const (
	upAhead   = 8  // messages that the board is told to publish at a time
	downAhead = 20 // that the broker has for the board, no more than it sends again in one go
)

// newTraffic connects the board and lets it subscribe.
func newTraffic(r *rig) *traffic {
	r.t.Helper()
	f := &traffic{rig: r, up: ledger.New("m5", "up/m5"), down: ledger.New("to-m5", "down/m5")}
	r.connect()
	r.board.Must("sub 1 down/#")
	r.board.Wait("subscribed", 1)
	r.witness.Publish("settled", "") // what the board subscribed to is on the broker's disk then
	patience.Wait(r.t, "the subscription is safe", func() bool { return r.witness.Unsure() == 0 })
	return f
}

// reboot switches the board off in the midst of what it does, and another one on that knows nothing of it.
func (f *traffic) reboot(first int, flush bool) {
	f.t.Helper()
	f.board.Kill()
	f.note()
	f.waiting, f.events, f.messages = nil, 0, 0
	if flush {
		f.splice.Flush()
	}
	f.switchOn(fmt.Sprintf("first=%d", first))
	f.board.Must("connect")
	f.board.Must("sub 1 down/#")
}

// turn gives everybody something to do, up to so many messages each way in all, and takes note of what has happened.
func (f *traffic) turn(limit int) {
	f.t.Helper()
	f.note()
	for len(f.waiting) < upAhead && f.given < limit {
		number, text := f.up.Next()
		f.board.Send("pub 1 0 %s %s", f.up.Topic(), text)
		f.waiting = append(f.waiting, number)
		f.given++
		number, text = f.down.Next()
		f.witness.Publish(f.down.Topic(), text)
		f.down.Owe(number) // the witness sees to that
		if f.down.Outstanding() >= downAhead {
			break
		}
	}
}

// note takes note of what has happened.
func (f *traffic) note() {
	f.t.Helper()
	for _, ev := range f.board.Events(f.events) {
		f.events++
		switch ev.Name {
		case "published":
			f.up.Owe(f.waiting[0])
			f.waiting = f.waiting[1:]
			f.acked++
		case "dropped", "refused":
			f.t.Errorf("the board says %+v", ev)
		}
	}
	for _, m := range f.board.Messages(f.messages) {
		f.messages++
		if m.QoS != 1 || m.Retain || !f.down.Arrive(witness.Message{Topic: m.Topic, Payload: m.Payload}) {
			f.t.Errorf("the board was given %+v", m)
		}
	}
	for _, m := range f.witness.Arrived(f.taken) {
		f.taken++
		if !f.up.Arrive(m) {
			f.t.Errorf("the witness was given %q on %s", m.Payload, m.Topic)
		}
	}
}

// waits says what there is still to do.
func (f *traffic) waits() string {
	if n := f.witness.Unsure(); n > 0 {
		return fmt.Sprintf("%d messages of the witness are not safe", n)
	}
	if n := len(f.waiting); n > 0 {
		return fmt.Sprintf("the board has %d messages that are not acknowledged", n)
	}
	for _, l := range []*ledger.Ledger{f.up, f.down} {
		if n, first, _ := l.Missing(); n > 0 {
			return fmt.Sprintf("%s: %d messages, from %d on, have not arrived", l.Topic(), n, first)
		}
	}
	return ""
}

// finish waits until there is nothing to do.
func (f *traffic) finish(limit int) {
	f.t.Helper()
	waits := ""
	if !patience.Within(3*patience.Limit, func() bool { f.turn(limit); waits = f.waits(); return f.given >= limit && waits == "" }) {
		f.t.Fatalf("not done after %v, with %d of %d messages given: %s; the board's last events: %+v", 3*patience.Limit, f.given, limit, waits, f.lastEvents())
	}
	for _, code := range f.board.Results("pub") {
		if code != 0 {
			f.t.Errorf("umqtt_publish returned %d", code)
		}
	}
	f.up.Want(f.t)
	f.down.Want(f.t)
	f.t.Logf("%d messages up, %d copies; %d down, %d copies; %d faults of the line, %d bytes overrun", f.up.Got(), f.up.Copies(), f.down.Got(), f.down.Copies(),
		f.splice.Faults(), f.splice.Lost())
}

func (f *traffic) lastEvents() []Event {
	all := f.board.Events(0)
	return all[max(0, len(all)-5):]
}
