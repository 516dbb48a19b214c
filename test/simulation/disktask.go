package simulation

import (
	"errors"
	"fmt"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

const (
	outboxDir = "outbox"
	// flushEvery is how often what did not go along with a commit is written.
	flushEvery = time.Second
)

// diskTask is the outbox, and the goroutine that package devices has for it: it
// takes what was asked for meanwhile, does it, which takes a while, and answers.
type diskTask struct {
	p       *process
	log     *outbox.Log
	jobs    []gateway.Command
	states  map[string][]byte // not on disk yet
	owed    []gateway.Command // quarantine, and what came after, that the disk refused
	loads   []gateway.Command // that it could not read
	busy    bool
	dirty   bool
	waiting bool // a flush is planned
	flushed time.Time
}

func newDiskTask(p *process) *diskTask { return &diskTask{p: p, states: map[string][]byte{}} }

// open opens the log and tells the gateway what is in it.
func (k *diskTask) open() bool {
	w := k.p.w
	log, err := outbox.Open(outbox.Config{Dir: outboxDir, FS: &w.disk, MaxBytes: 1 << 20})
	if err != nil {
		w.tracef("outbox: %v", err)
		if !w.faulty {
			w.violate("outbox does not open: %v", err)
		}
		return false
	}
	k.log = log
	states, err := log.States()
	if err != nil {
		_ = log.Close()
		return false
	}
	state := map[string][]byte{}
	for _, s := range states {
		state[s.Client] = s.Data
	}
	for _, c := range log.Clients() {
		w.tracef("restored %s: %d messages, state %s", c.Client, c.Messages, state[c.Client])
		if err := k.p.gw.Restore(w.now, c.Client, state[c.Client], c.Messages); err != nil {
			w.violate("state of %s: %v", c.Client, err)
		}
		k.p.settle()
	}
	if damage := log.Damage(); len(damage) > 0 {
		w.violate("outbox is damaged: %v", damage[0])
	}
	return true
}

// put takes a command of the gateway.
func (k *diskTask) put(c *gateway.Command) {
	if c.Kind == gateway.SaveNode {
		k.states[c.ClientID] = c.State
		k.later()
		return
	}
	k.jobs = append(k.jobs, *c)
	k.later()
}

// later plans a turn: sometimes the disk takes its time.
func (k *diskTask) later() {
	if k.busy {
		return
	}
	k.busy = true
	w := k.p.w
	d := w.within(30 * time.Millisecond)
	if w.one(10) {
		d = w.within(time.Second)
	}
	k.p.later(d, k.turn)
}

// turn does all that waits, with one commit.
func (k *diskTask) turn() {
	w := k.p.w
	k.busy = false
	jobs := k.jobs
	k.jobs = nil
	var open []stored
	for i := range jobs {
		switch c := &jobs[i]; c.Kind {
		case gateway.StoreMessage:
			open = append(open, k.store(c))
		case gateway.SettleStored:
			k.dirty = true
			k.settleStored(c)
		case gateway.QuarantineStored:
			k.commit(open)
			open = nil
			k.owed = append(k.owed, *c)
			k.pay()
		case gateway.LoadMessages:
			k.loads = append(k.loads, *c)
		default:
		}
	}
	k.commit(open)
	k.loadAll()
	if k.unsaved() && w.now.Sub(k.flushed) >= flushEvery {
		k.flush()
	}
	if k.unsaved() && !k.waiting {
		k.waiting = true
		k.p.later(flushEvery, func() {
			k.waiting = false
			k.later()
		})
	}
	if w.disk.PowerIsCut() {
		w.powerCut()
	}
}

// unsaved reports whether something is to be written, or to be tried again.
func (k *diskTask) unsaved() bool { return k.dirty || len(k.states)+len(k.owed)+len(k.loads) > 0 }

// stored is what became of a StoreMessage command.
type stored struct {
	c      gateway.Command
	seq    uint64
	result gateway.StoreResult
}

func (k *diskTask) store(c *gateway.Command) stored {
	s := stored{c: *c}
	if k.p.w.bug == AckBeforeSync {
		k.p.post(func() { k.p.gw.Stored(k.p.w.now, s.c.Node, s.c.Token, s.seq, gateway.StoreOK) })
	}
	seq, err := k.log.Append(&outbox.Message{
		Client: c.ClientID, Topic: c.Topic, Payload: c.Payload, QoS: byte(c.QoS), Retain: c.Retain, Accepted: k.p.w.now,
	})
	if s.seq = seq; err != nil {
		s.result = gateway.StoreFull
	}
	return s
}

// commit stores what was appended, and answers.
func (k *diskTask) commit(open []stored) {
	if len(open) == 0 {
		return
	}
	w := k.p.w
	k.dirty = true
	written := k.putStates()
	err := k.log.Commit()
	if err == nil && written {
		clear(k.states)
	}
	if err != nil && !w.faulty && !w.disk.PowerIsCut() {
		w.violate("commit: %v", err)
	}
	for i := range open {
		s := &open[i]
		if err != nil && s.result == gateway.StoreOK {
			s.result = gateway.StoreFailed
		}
		w.tracef("disk: %q is %d, result %d", s.c.Payload, s.seq, s.result)
		if s.result == gateway.StoreOK {
			if m := w.books.message(string(s.c.Topic), string(s.c.Payload)); m != nil {
				m.stored = true
			}
		}
		if w.bug != AckBeforeSync {
			k.p.post(func() { k.p.gw.Stored(w.now, s.c.Node, s.c.Token, s.seq, s.result) })
		}
	}
}

func (k *diskTask) settleStored(c *gateway.Command) {
	if len(k.owed) > 0 {
		k.owed = append(k.owed, *c)
		return
	}
	k.p.w.tracef("disk: %s is done up to %d", c.ClientID, c.Seq)
	k.log.Ack(c.ClientID, c.Seq)
}

// pay does what the disk has refused to do, as far as it can now.
func (k *diskTask) pay() {
	for len(k.owed) > 0 {
		c := &k.owed[0]
		if c.Kind == gateway.SettleStored {
			k.log.Ack(c.ClientID, c.Seq)
		} else {
			err := k.log.Quarantine(c.ClientID, c.Seq, "the broker does not take it")
			if err == nil {
				err = k.log.Commit()
			}
			k.p.w.tracef("disk: %d of %s is put aside: %v", c.Seq, c.ClientID, err)
			if errors.Is(err, outbox.ErrNotOldest) && !k.p.w.disk.PowerIsCut() {
				k.p.w.violate("%d of %s is to be put aside: %v", c.Seq, c.ClientID, err)
			} else if err != nil {
				return
			}
		}
		k.owed = k.owed[1:]
	}
}

// flush writes what did not go along with a commit.
func (k *diskTask) flush() {
	k.flushed, k.dirty = k.p.w.now, false
	k.pay()
	if !k.putStates() {
		k.dirty = true
		return
	}
	if err := k.log.Flush(); err != nil {
		k.p.w.tracef("disk: flush: %v", err)
		k.dirty = true
		return
	}
	clear(k.states)
}

// putStates adds what is to be known of clients to the open commit.
func (k *diskTask) putStates() bool {
	for _, client := range inOrder(k.states) {
		if err := k.log.PutState(client, k.states[client]); err != nil {
			k.p.w.tracef("disk: state of %s: %v", client, err)
			return false
		}
	}
	return true
}

// loadAll answers what is to be loaded.
func (k *diskTask) loadAll() {
	failed := k.loads[:0]
	for _, c := range k.loads {
		read, err := k.log.Read(c.ClientID, c.Seq, nil, 1<<20)
		if err != nil && len(read) == 0 {
			failed = append(failed, c)
			continue
		}
		var list []gateway.StoredMessage
		for i, m := range read {
			if i < c.Max {
				list = append(list, gateway.StoredMessage{Seq: m.Seq, Topic: m.Topic, Payload: m.Payload, Retain: m.Retain})
			}
		}
		list = k.p.tamperReplay(&c, list)
		k.p.w.tracef("disk: %d messages of %s after %d", len(list), c.ClientID, c.Seq)
		k.p.post(func() { k.p.gw.Loaded(k.p.w.now, c.Node, list) })
	}
	k.loads = failed
}

func (k *diskTask) unfinished() string {
	if n := k.log.Stats().Messages; n > 0 || len(k.jobs)+len(k.owed)+len(k.loads) > 0 {
		return fmt.Sprintf("the outbox has %d messages, %d jobs", n, len(k.jobs))
	}
	return ""
}

// verdict looks at the quarantine.
func (k *diskTask) verdict() error {
	aside, err := k.log.Quarantined()
	if err != nil {
		return err
	}
	for _, q := range aside {
		m := k.p.w.books.message(string(q.Topic), string(q.Payload))
		if m == nil || q.Client != m.board.name {
			return fmt.Errorf("%q in the quarantine of %s was never said", q.Payload, q.Client)
		}
		m.aside = true
	}
	return nil
}
