package devices

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

const (
	maxUnnoted  = 1000             // acknowledgements that are written at once
	flushEvery  = time.Second      // acknowledgements and states are written at most that often
	openEvery   = 10 * time.Second // an outbox that is unusable is tried again
	hungAfter   = 30 * time.Second // a disk that takes longer for one thing will never answer
	fullHolds   = 10 * time.Second // an outbox at its limit has room and has none in turns
	maxLoadSize = 256 << 10        // bytes of messages that are read at once
)

// disk is the outbox of a device: one goroutine, the only one that uses the log. What
// the loop asks for waits in queue, and what becomes of it comes back as events.
//
//	loop ──put──▶ diskQueue ──take──▶ disk.run ──▶ outbox.Log
//	     ◀─────────────── events ──────────┘
//
// Messages that wait are stored with one commit. Acknowledgements and states go
// along with one, or are written once a second.
type disk struct {
	cfg     Outbox
	slog    *slog.Logger
	metrics *metrics.Metrics
	met     *metrics.Device
	post    func(event)
	queue   *diskQueue

	// Shared with the loop.
	epoch time.Time
	since atomic.Int64         // since epoch: when the disk was asked what it has not answered; 0: it answered all
	freed chan []storeResult   // used again
	reads chan *loadedMessages // used again

	// Owned by the goroutine.
	log     *outbox.Log
	jobs    []gateway.Command
	states  map[string][]byte // not on disk yet
	put     []string          // of these, in the open commit
	unnoted int               // acknowledgements since the last flush
	open    []storeResult     // of the open commit
	loads   []gateway.Command // to be answered after the commit
	owed    []gateway.Command // QuarantineStored that failed, and SettleStored that came after: they cannot be given up
	average int               // bytes of a message read last
	dirty   bool              // something is to be flushed, or to be looked after
	acked   bool              // there are acknowledgements that are not on disk
	flushed time.Time         // when it was, last
	refusal gateway.StoreResult
	shut    time.Time // nothing is stored until then: the disk refused just now
	lastBad time.Time // when something was refused
	said    complaints
	problem string // what a person should know; empty if all is well
}

func newDisk(d *Device) *disk {
	return &disk{
		cfg: d.cfg.Outbox, slog: d.log.With("outbox", d.cfg.Outbox.Dir), metrics: d.shared.Metrics, met: d.met,
		post: d.post, queue: newDiskQueue(), epoch: time.Now(),
		freed: make(chan []storeResult, 4), reads: make(chan *loadedMessages, 4),
		states: make(map[string][]byte), average: 256,
	}
}

// hung reports whether the disk has been busy with one thing for so long that it
// will never answer.
func (k *disk) hung(now time.Time) bool {
	if k == nil {
		return false
	}
	since := k.since.Load()
	return since > 0 && now.Sub(k.epoch)-time.Duration(since) > hungAfter
}

// busy notes that the disk is asked for something, and idle that it has answered.
func (k *disk) busy() time.Time {
	now := time.Now()
	k.since.Store(max(1, int64(now.Sub(k.epoch))))
	return now
}

func (k *disk) idle() { k.since.Store(0) }

// run serves the loop until ctx is done, and then does what is left. It is the one
// goroutine of a disk.
func (k *disk) run(ctx context.Context) {
	if !k.openLog(ctx) {
		return
	}
	timer := time.NewTimer(flushEvery)
	defer timer.Stop()
	for k.wait(ctx, timer) {
		k.turn()
		if now := time.Now(); k.dirty && now.Sub(k.flushed) >= flushEvery {
			k.flush(now)
		}
	}
	k.finish()
}

// openLog opens the log, again and again if need be, and reports whether it did.
func (k *disk) openLog(ctx context.Context) bool {
	for {
		log, err := outbox.Open(k.cfg.config())
		if err == nil {
			k.log = log
			if err = k.restore(); err == nil {
				return true
			}
			_ = log.Close() // nothing was changed
		}
		if ctx.Err() != nil {
			return false
		}
		k.unusable(err)
		if k.cfg.RunWithout {
			return false
		}
		pause(ctx, openEvery, nil)
	}
}

// wait waits until there is something to do. It reports false when ctx is done.
func (k *disk) wait(ctx context.Context, timer *time.Timer) bool {
	for ctx.Err() == nil {
		now := time.Now()
		due := k.queue.ripe(now)
		if k.dirty {
			due = sooner(due, k.flushed.Add(flushEvery))
		}
		if !due.IsZero() && !now.Before(due) {
			return true
		}
		var alarm <-chan time.Time
		if !due.IsZero() {
			timer.Reset(due.Sub(now))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
		case <-k.queue.wake:
		case <-alarm:
		}
	}
	return false
}

// sooner returns the earlier of two times, of which a may be zero for never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// turn does all that waits, with one commit.
func (k *disk) turn() {
	k.jobs = k.queue.take(k.jobs, k.states)
	k.dirty = k.dirty || len(k.states) > 0
	k.putStatesFirst()
	for i := range k.jobs {
		c := &k.jobs[i]
		switch c.Kind {
		case gateway.StoreMessage:
			k.store(c)
		case gateway.SettleStored:
			k.acknowledge(c)
		case gateway.QuarantineStored:
			k.putAside(c)
		case gateway.LoadMessages:
			k.loads = append(k.loads, *c)
		}
	}
	k.commit()
	k.loadAll()
}

// acknowledge notes what the broker has.
func (k *disk) acknowledge(c *gateway.Command) {
	k.dirty = true
	if len(k.owed) > 0 {
		k.owe(c)
		return
	}
	k.acked = true
	k.log.Ack(c.ClientID, c.Seq)
	if k.unnoted++; k.unnoted >= maxUnnoted {
		k.flushed = time.Time{} // at once: a crash would repeat them all
	}
}

// putAside moves a message to the quarantine. That must have happened before
// anything after it is acknowledged, so it gets a commit of its own.
func (k *disk) putAside(c *gateway.Command) {
	k.commit()
	k.owe(c)
	k.pay()
}

// owe notes what has to be done in spite of a disk that refuses.
func (k *disk) owe(c *gateway.Command) {
	k.dirty = true
	for i := len(k.owed) - 1; i >= 0 && c.Kind == gateway.SettleStored; i-- {
		last := &k.owed[i]
		if last.ClientID != c.ClientID {
			continue
		}
		if last.Kind == gateway.SettleStored {
			last.Seq = c.Seq
			return
		}
		break
	}
	k.owed = append(k.owed, *c)
}

// pay does what is owed, as far as the disk lets it. The open commit is empty.
func (k *disk) pay() {
	for len(k.owed) > 0 {
		c := &k.owed[0]
		if c.Kind == gateway.SettleStored {
			k.acked = true
			k.log.Ack(c.ClientID, c.Seq)
		} else if err := k.quarantine(c); err != nil {
			k.refused(time.Now(), err)
			return
		}
		k.owed = k.owed[1:]
	}
	k.owed = nil
}

func (k *disk) quarantine(c *gateway.Command) error {
	k.busy()
	defer k.idle()
	err := k.log.Quarantine(c.ClientID, c.Seq, quarantineReason)
	if errors.Is(err, outbox.ErrNotOldest) { // it was dropped to make room, or has rotted
		k.slog.Warn("message for the quarantine is not there any more", "client", c.ClientID, "seq", c.Seq)
		return nil
	}
	if err == nil {
		err = k.log.Commit()
		k.put = k.put[:0] // states are written once more rather than not at all
	}
	return err
}

const quarantineReason = "the broker does not take it: it closes the connection again and again, or the message is not valid"

// flush writes what did not go along with a commit, and looks after the log.
func (k *disk) flush(now time.Time) {
	k.flushed, k.dirty, k.unnoted = now, false, 0
	k.pay()
	writes := len(k.states) > 0 || k.acked
	err := k.putStates()
	if err == nil {
		k.busy()
		err = k.log.Flush()
		k.idle()
	}
	switch {
	case err != nil:
		k.refused(now, err)
	case writes:
		k.acked = false
		k.accepted(now)
	}
	k.loadAll() // those that failed
	k.dirty = k.dirty || k.problem != "" || len(k.owed)+len(k.states)+len(k.loads) > 0
	k.reportDamage()
	k.tellStats()
}

// finish does what is left when the device ends.
func (k *disk) finish() {
	k.turn()
	k.flush(time.Now())
	k.busy()
	err := k.log.Close()
	k.idle()
	if err != nil {
		k.slog.Error("outbox was not closed in order; some messages may be sent once more", "err", err)
	}
}
