package devices

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// storeResult is what became of a StoreMessage command.
type storeResult struct {
	node       gateway.NodeID
	token, seq uint64
	result     gateway.StoreResult
}

// store adds a message to the open commit, or refuses it.
func (k *disk) store(c *gateway.Command) {
	now := time.Now()
	r := storeResult{node: c.Node, token: c.Token}
	if now.Before(k.shut) {
		r.result = k.refusal
		k.open = append(k.open, r)
		return
	}
	m := outbox.Message{Client: c.ClientID, Topic: c.Topic, Payload: c.Payload, QoS: byte(c.QoS), Retain: c.Retain, Accepted: now}
	var err error
	r.seq, err = k.log.Append(&m)
	if errors.Is(err, outbox.ErrFull) && k.appended() { // perhaps only the open commit is
		k.commit()
		r.seq, err = k.log.Append(&m)
	}
	if err != nil {
		r.result = refusalFor(err)
		k.complain(now, err)
	}
	k.open = append(k.open, r)
}

// appended reports whether the open commit has messages.
func (k *disk) appended() bool {
	for i := range k.open {
		if k.open[i].result == gateway.StoreOK {
			return true
		}
	}
	return false
}

// commit stores what was appended, and answers all that was to be stored.
func (k *disk) commit() {
	if len(k.open) == 0 {
		return
	}
	if k.appended() {
		k.write()
		k.dirty = true // for the figures
	}
	if evicted := k.log.Evicted(); evicted != nil {
		k.post(event{kind: messagesEvicted, evicted: evicted})
	}
	k.post(event{kind: messagesStored, results: k.open})
	select {
	case k.open = <-k.freed:
		k.open = k.open[:0]
	default:
		k.open = nil
	}
}

// write is the commit itself.
func (k *disk) write() {
	began := k.busy()
	err := k.log.Commit()
	k.idle()
	now := time.Now()
	if err == nil {
		k.statesPut()
		k.metrics.OutboxCommit.Observe(now.Sub(began).Seconds())
		k.queue.committed(len(k.open))
		k.accepted(now)
		return
	}
	k.put = k.put[:0]
	k.refused(now, err)
	for i := range k.open {
		if r := &k.open[i]; r.result == gateway.StoreOK {
			r.result = k.refusal
		}
	}
}

// refusalFor returns what the gateway is told.
func refusalFor(err error) gateway.StoreResult {
	for _, full := range []error{outbox.ErrFull, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, full) {
			return gateway.StoreFull
		}
	}
	return gateway.StoreFailed
}

// refused notes that the disk did not take something. It is left alone for a
// while: every attempt may cost it something.
func (k *disk) refused(now time.Time, err error) {
	k.shut = now.Add(flushEvery)
	k.complain(now, err)
}

// What is wrong with an outbox.
const (
	saysUnwritable = "outbox cannot be written, boards are told to wait"
	saysFull       = "outbox is full, boards are told to wait"
	saysNoSpace    = "disk of the outbox is full, boards are told to wait"
	saysTooLarge   = "message does not fit into the outbox"
)

// complain says what is wrong, once, and what to do about it.
func (k *disk) complain(now time.Time, err error) {
	k.refusal, k.lastBad, k.dirty = refusalFor(err), now, true
	what, advice := saysUnwritable, "see to the disk"
	switch {
	case errors.Is(err, outbox.ErrFull):
		what, advice = saysFull, "see to the broker, or raise outbox.max_bytes"
	case k.refusal == gateway.StoreFull:
		what, advice = saysNoSpace, "make room on it"
	case errors.Is(err, outbox.ErrTooLarge):
		what, advice = saysTooLarge, "bound it with limits.max_payload"
	}
	k.problem = what + ": " + strings.TrimPrefix(err.Error(), "outbox: ") + "; " + advice
	log := k.slog.Error
	again := k.said.level(aboutOutbox, what+cause(err)) == slog.LevelDebug
	if again {
		log = k.slog.Debug
	}
	log(what, "err", err, "advice", advice)
	if !again {
		k.tellStats()
	}
}

// accepted notes that the disk took something.
func (k *disk) accepted(now time.Time) {
	if k.problem == "" || k.refusal == gateway.StoreFull && now.Sub(k.lastBad) < fullHolds {
		return
	}
	k.problem = ""
	k.said.over(aboutOutbox)
	k.slog.Info("outbox takes messages again")
	k.tellStats()
}

// putStatesFirst adds what a restart needs of those whose messages are about to be
// stored to the commit that stores these, before them: messages whose session
// nobody knows must never be on disk.
func (k *disk) putStatesFirst() {
	for i := 0; i < len(k.jobs) && len(k.states) > len(k.put); i++ {
		c := &k.jobs[i]
		state, there := k.states[c.ClientID]
		if c.Kind != gateway.StoreMessage || !there || slices.Contains(k.put, c.ClientID) {
			continue
		}
		if k.log.PutState(c.ClientID, state) == nil { // else flush tries, and says what is wrong
			k.put = append(k.put, c.ClientID)
		}
	}
}

// statesPut notes that the states of the commit are on disk.
func (k *disk) statesPut() {
	for _, client := range k.put {
		delete(k.states, client)
	}
	k.put = k.put[:0]
}

// putStates stores what restarts need, as many at once as fit into a commit.
func (k *disk) putStates() error {
	k.put = k.put[:0] // of a commit that was not made
	var put []string
	for client, state := range k.states {
		err := k.log.PutState(client, state)
		if errors.Is(err, outbox.ErrFull) { // the open commit is
			if err = k.commitStates(put); err != nil {
				return err
			}
			put = put[:0]
			err = k.log.PutState(client, state)
		}
		switch {
		case errors.Is(err, outbox.ErrTooLarge):
			k.slog.Warn("what a restart needs to know of a board does not fit into the outbox", "client", client, "bytes", len(state))
			delete(k.states, client)
		case err != nil:
			return err
		default:
			put = append(put, client)
		}
	}
	return k.commitStates(put)
}

// commitStates stores the states of those clients, which are in the open commit.
func (k *disk) commitStates(put []string) error {
	if len(put) == 0 {
		return nil
	}
	k.busy()
	err := k.log.Commit()
	k.idle()
	if err != nil {
		return err
	}
	for _, client := range put {
		delete(k.states, client)
	}
	return nil
}

// aboutOutbox is what complaints are about.
const aboutOutbox = "outbox"
