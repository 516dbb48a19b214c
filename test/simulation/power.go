package simulation

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/umqttd/umqttd/mqttcore/outbox/simdisk"
)

// kill ends the gateway's process and starts it anew a little later. With power, the
// machine goes down: what was not synced is lost or torn, and the broker hears
// nothing. Otherwise the kernel closes the connections and keeps what was written.
func (w *world) kill(pause time.Duration, power bool) {
	p := w.process
	if p == nil || !w.mortal || slices.ContainsFunc(w.boards, w.confiding) {
		return
	}
	w.crash(pause, power)
}

func (w *world) crash(pause time.Duration, power bool) {
	p := w.process
	w.tracef("gateway is killed, power %v", power)
	w.process, w.trouble = nil, w.now
	w.kills++
	for _, id := range inOrder(p.sessions) {
		c := p.sessions[id].wire
		if c == nil {
			continue
		}
		c.down.dead = true
		if w.one(2) {
			c.up.lose()
		}
		if power {
			w.after(5*time.Second, c.up.close)
		} else {
			c.up.close()
		}
	}
	if power {
		w.disk.Crash(w.r)
	} else {
		w.disk.Kill()
	}
	w.after(pause+time.Millisecond, w.startProcess)
}

// confiding reports whether a board relies on what only the broker knows, and does
// not subscribe again by itself: its subscription is not on the gateway's disk yet, or
// the broker may just have begun another session, and the gateway does not know. If
// the gateway is killed now, and the broker loses the session, before or later, then
// the subscription is gone. Two faults at once are more than is promised to be
// survived.
func (w *world) confiding(b *boardHost) bool {
	if !b.cfg.AskSession || b.boots > 1 {
		return false
	}
	for _, id := range inOrder(w.process.sessions) {
		if s := w.process.sessions[id]; s.clientID == b.name && s.wire != nil && !s.engine.Stats().Online {
			return true
		}
	}
	return w.now.Sub(b.subscribed) < 3*time.Second || w.disk.Fail != nil
}

// cutPower kills the gateway with the machine, in the middle of what the disk does
// next.
func (w *world) cutPower(pause time.Duration) {
	if w.mortal && w.process != nil && w.process.disk != nil {
		w.cutPause = pause
		w.disk.CutAt = w.disk.Stats().Operations + 1 + uint64(w.r.IntN(6))
	}
}

// powerCut is when that has happened. A board that is confiding has its power from the
// same machine.
func (w *world) powerCut() {
	for _, b := range w.boards {
		if w.confiding(b) {
			b.reset()
		}
	}
	w.tracef("power is cut")
	w.crash(w.cutPause, true)
}

// breakDisk has the disk refuse things for a while.
func (w *world) breakDisk(length time.Duration) {
	err := error(syscall.EIO)
	if w.one(2) {
		err = syscall.ENOSPC
	}
	odds := 1 + w.r.IntN(3)
	w.tracef("disk breaks for %v: %v", length, err)
	w.disk.Fail = func(op simdisk.Operation) error {
		if errors.Is(err, syscall.ENOSPC) && op.Kind != simdisk.Make && op.Kind != simdisk.Write || !w.one(odds) {
			return nil
		}
		return err
	}
	w.after(length, func() { w.disk.Fail = nil })
}
