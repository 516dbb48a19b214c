package devices

import (
	"maps"
	"sync"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// Outbox says where a device keeps messages that the broker has not acknowledged.
// The zero value means nowhere: they wait in memory, and are not acknowledged to
// the board.
type Outbox struct {
	Dir        string        // the device's own folder, made if its parent is there; empty: no outbox
	MaxBytes   int64         // on disk; 0: 64 MiB, otherwise at least 1 MiB
	DropOldest bool          // when it is full, instead of telling the board to wait
	SpillAfter time.Duration // how long the broker may take to acknowledge; 0: 250 ms

	// RunWithout lets the device run without its outbox if that cannot be opened.
	// Otherwise its port stays closed until it can.
	RunWithout bool

	FS outbox.FS // where Dir is; nil: the operating system's
}

func (o *Outbox) config() outbox.Config {
	return outbox.Config{Dir: o.Dir, FS: o.FS, MaxBytes: o.MaxBytes, DropOldest: o.DropOldest}
}

const (
	// maxStores is how many messages may wait for the disk. More are refused: it is
	// far behind then.
	maxStores = 4096
	// commitMessages and commitBytes are a group that is worth a commit of its own.
	commitMessages = 32
	commitBytes    = 64 << 10
)

// diskQueue is what the loop asks of the disk. The loop never waits for it.
type diskQueue struct {
	wake chan struct{} // has an element when there is something to look at

	mu      sync.Mutex
	jobs    []gateway.Command
	stores  int               // StoreMessage commands among them
	bytes   int               // of their topics and payloads
	urgent  int               // commands that somebody waits for, and that a commit does not serve
	first   time.Time         // when the first of stores came
	target  int               // that many stores are worth a commit
	settled int               // commits before more than before are waited for
	states  map[string][]byte // SaveNode: what is to be known of a client; the last one counts
}

func newDiskQueue() *diskQueue {
	return &diskQueue{wake: make(chan struct{}, 1), states: make(map[string][]byte)}
}

// put adds a command and reports whether there was room. What it refers to is kept
// until the command is answered, or for ever.
func (q *diskQueue) put(now time.Time, c *gateway.Command) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	wake := len(q.jobs)+len(q.states) == 0
	switch c.Kind {
	case gateway.SaveNode:
		q.states[c.ClientID] = c.State
	case gateway.StoreMessage:
		if q.stores >= maxStores {
			return false
		}
		if q.stores == 0 {
			q.first = now
			wake = true
		}
		q.stores++
		q.bytes += len(c.Topic) + len(c.Payload)
		wake = wake || q.stores == q.target || q.bytes >= commitBytes
		q.jobs = append(q.jobs, *c)
	case gateway.SettleStored:
		q.jobs = append(q.jobs, *c)
	default:
		q.urgent++
		wake = true
		q.jobs = append(q.jobs, *c)
	}
	if wake {
		select {
		case q.wake <- struct{}{}:
		default: // it looks anyway
		}
	}
	return true
}

// ripe returns when the disk is to take what waits: zero if nothing does. Messages of
// boards that send at the same time share a commit, which spares the disk: they wait for
// each other, but no longer than lingers. A message that is alone does not wait.
func (q *diskQueue) ripe(now time.Time) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.jobs)+len(q.states) == 0:
		return time.Time{}
	case q.stores == 0, q.urgent > 0, q.stores >= q.target, q.bytes >= commitBytes:
		return now
	}
	return q.first.Add(linger)
}

// linger is the longest that a message waits for others.
const linger = 5 * time.Millisecond

// take empties the queue. Its memory becomes that of jobs; states are moved to
// states, over older ones.
func (q *diskQueue) take(jobs []gateway.Command, states map[string][]byte) []gateway.Command {
	clear(jobs)
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs, q.jobs = q.jobs, jobs[:0]
	q.stores, q.bytes, q.urgent = 0, 0, 0
	maps.Copy(states, q.states)
	clear(q.states)
	return jobs
}

// committed notes that a group of n messages was stored. If it was all that the disk
// waited for, there may be more to wait for next time; if it was less, there is not,
// for a while.
func (q *diskQueue) committed(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	underWay := n + q.stores
	switch {
	case n < q.target:
		q.target, q.settled = underWay, settledFor
	case q.settled > 0 || underWay == 1:
		q.target, q.settled = underWay, max(q.settled-1, 0)
	default:
		q.target = 2 * underWay
	}
	q.target = min(q.target, commitMessages)
}

// settledFor is how many commits go by after messages have waited in vain for others,
// before they do so again.
const settledFor = 16
