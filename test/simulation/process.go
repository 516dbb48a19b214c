package simulation

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/turn"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/serialproto"
)

// process is the gateway's process: what package devices puts around one Gateway,
// without goroutines. When it is killed, all of it is gone.
type process struct {
	w        *world
	gw       *gateway.Gateway
	dec      serialproto.Decoder
	sessions map[gateway.NodeID]*session
	turns    turn.Order
	disk     *diskTask // nil: no outbox
	inbox    []func()  // what was told to the loop
	busy     bool      // the port takes no bytes

	handed, released int // messages from the broker
	tampered         tampered
}

// startProcess starts the gateway.
func (w *world) startProcess() {
	p := &process{w: w, sessions: map[gateway.NodeID]*session{}}
	cfg := gateway.Config{RxBuffer: w.buffer, Baud: w.baud, MaxInflight: maxInflight, Outbox: w.outbox}
	if w.bug == CreditIgnored {
		cfg.RxBuffer = 0
	}
	p.gw = gateway.New(cfg)
	w.process = p
	w.tracef("gateway starts")
	if w.outbox {
		p.disk = newDiskTask(p)
		if !p.disk.open() {
			w.process = nil
			if w.disk.PowerIsCut() {
				w.disk.Crash(w.r)
			}
			w.after(time.Second, w.startProcess)
			return
		}
	}
	if w.line.plugged {
		p.portOpened()
	}
}

// later plans something that this process does, if it lives.
func (p *process) later(d time.Duration, do func()) {
	p.w.after(d, func() {
		if p.w.process == p {
			do()
		}
	})
}

// post tells the loop something.
func (p *process) post(do func()) { p.inbox = append(p.inbox, do) }

func (p *process) portOpened() {
	p.dec, p.busy = serialproto.Decoder{}, false
	p.gw.PortOpened(p.w.now)
}

func (p *process) portLost() { p.gw.PortLost(p.w.now) }

// read takes bytes from the port.
func (p *process) read(b []byte) {
	p.dec.Feed(b, p.w.now)
	for ev, ok := p.dec.Next(); ok; ev, ok = p.dec.Next() {
		if ev.Kind == serialproto.Frame {
			p.w.line.noteAnswer(ev.Body)
			p.w.traceMessage("from board", ev.Body)
			p.gw.Receive(p.w.now, netip.AddrPort{}, p.tamperUp(ev.Body))
			p.settle() // what it put out refers to the frame
		}
	}
}

func (p *process) deadline() time.Time { return earliest(p.gw.Deadline(), p.dec.Deadline()) }

// advance does what is due.
func (p *process) advance() {
	if d := p.dec.Deadline(); !d.IsZero() && !d.After(p.w.now) {
		p.read(nil)
	}
	if d := p.gw.Deadline(); !d.IsZero() && !d.After(p.w.now) {
		p.gw.Advance(p.w.now)
	}
}

// settle does what the gateway asks for and tells it what was posted, until there is
// no more of either. It reports whether there was something.
func (p *process) settle() bool {
	some := false
	for p.w.process == p {
		p.gw.Notices()
		commands := p.gw.Commands()
		for i := range commands {
			p.execute(&commands[i])
		}
		if len(commands) > 0 {
			some = true
			continue
		}
		if len(p.inbox) == 0 {
			break
		}
		some = true
		do := p.inbox[0]
		p.inbox = p.inbox[1:]
		do()
	}
	if b, _ := p.gw.Stream(); len(b) > 0 && p.w.process == p {
		some = true
		p.write(p.tamperDown(slices.Clone(b)))
	}
	return some
}

// write gives bytes to the port, which takes them, and sees whether it takes more.
func (p *process) write(b []byte) {
	l := &p.w.line
	l.sendDown(b)
	if !p.busy && l.backlog() > portBuffer {
		p.busy = true
		p.gw.PortBusy(p.w.now, true)
		cable := l.cable
		p.later(l.down.free.Sub(p.w.now), func() {
			if l.cable == cable {
				p.busy = false
				p.gw.PortBusy(p.w.now, false)
			}
		})
	}
}

// execute does what the gateway asks for.
func (p *process) execute(c *gateway.Command) {
	now := p.w.now
	s := p.sessions[c.Node]
	switch c.Kind {
	case gateway.OpenSession:
		if p.w.bug == WillForgotten {
			c.Will = nil
		}
		p.openSession(*c)
	case gateway.CloseSession, gateway.AbortSession:
		s.turn.Close(c.Kind == gateway.CloseSession)
	case gateway.ForgetSession:
		if s != nil {
			s.turn.Forget()
		}
	case gateway.PublishMessage:
		p.publish(s, c)
	case gateway.SubscribeFilter:
		if err := s.engine.Subscribe(now, c.Topic, byte(c.QoS), c.Token); err != nil {
			p.gw.Subscribed(now, c.Node, c.Token, gateway.Unanswered, 0)
		}
		s.later(0, s.pump)
	case gateway.UnsubscribeFilter:
		if err := s.engine.Unsubscribe(now, c.Topic, c.Token); err != nil {
			p.gw.Subscribed(now, c.Node, c.Token, gateway.Unanswered, 0)
		}
		s.later(0, s.pump)
	case gateway.ReleaseInbound:
		p.released++
		if s != nil {
			s.release(c)
		}
	case gateway.WithdrawMessage:
		p.gw.Withdrawn(now, c.Node, c.Token, s.withdraw(c.Token))
	case gateway.StoreMessage, gateway.LoadMessages, gateway.SettleStored, gateway.QuarantineStored, gateway.SaveNode:
		p.disk.put(c)
	default:
		p.w.violate("command %+v", c)
	}
}

func (p *process) publish(s *session, c *gateway.Command) {
	if m := p.w.books.message(string(c.Topic), string(c.Payload)); m != nil && c.QoS == 1 {
		s.asked = append(s.asked, asked{c.Token, m})
	}
	if s.engine == nil {
		p.w.violate("%q was published in a session that was never opened", c.Payload)
		return
	}
	p.w.tracef("gateway publishes %q as %d", c.Payload, c.Token)
	m := mqttcore.Message{Topic: c.Topic, Payload: c.Payload, QoS: byte(c.QoS), Retain: c.Retain}
	if err := s.engine.Publish(p.w.now, m, c.Token); err != nil {
		p.w.tracef("refused: %v", err)
		s.completed(c.Token)
		p.gw.Published(p.w.now, c.Node, c.Token, c.QoS, gateway.Refused)
		return
	}
	p.w.books.handed(c.Topic, c.Payload)
	s.later(0, s.pump)
}

func (s *session) withdraw(token uint64) bool {
	ok := s.engine.Withdraw(token)
	if ok {
		s.completed(token)
	}
	return ok
}

// unfinished says what the gateway still has to do.
func (p *process) unfinished() string {
	for _, n := range p.gw.Nodes() {
		if n.Queued > 0 || n.InFlight > 0 || n.Stored > 0 {
			return fmt.Sprintf("node %d has %d queued, %d in flight, %d stored", n.ID, n.Queued, n.InFlight, n.Stored)
		}
	}
	if p.disk != nil {
		return p.disk.unfinished()
	}
	return ""
}

// verdict looks at what must be true when nothing moves.
func (p *process) verdict() error {
	if p.handed != p.released {
		return fmt.Errorf("%d messages were handed to the gateway, %d released", p.handed, p.released)
	}
	for _, id := range inOrder(p.sessions) {
		if s := p.sessions[id]; s.engine != nil && s.engine.Stats().Queued > 0 {
			return fmt.Errorf("session %d of %s has %d messages", id, s.clientID, s.engine.Stats().Queued)
		}
	}
	if p.disk != nil {
		return p.disk.verdict()
	}
	return nil
}
