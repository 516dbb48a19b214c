package devices

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// restoredClient is what the outbox knows of a client when it is opened.
type restoredClient struct {
	clientID string
	state    []byte // nil: none
	stored   int    // messages
}

// outboxNews is how the outbox is.
type outboxNews struct {
	stats   outbox.Stats
	problem string
}

// restore hands to the loop what the log has from before.
func (k *disk) restore() error {
	states, err := k.log.States()
	if err != nil {
		return err
	}
	byClient := make(map[string][]byte, len(states))
	for _, s := range states {
		byClient[s.Client] = s.Data
	}
	var clients []restoredClient
	for _, c := range k.log.Clients() {
		if c.Messages > 0 || byClient[c.Client] != nil {
			clients = append(clients, restoredClient{c.Client, byClient[c.Client], c.Messages})
		}
	}
	stats := k.log.Stats()
	k.slog.Info("outbox open", "messages", stats.Messages, "bytes", stats.Bytes, "clients", len(clients), "quarantined", stats.Quarantined)
	k.problem = ""
	k.reportDamage()
	k.tellStats()
	k.post(event{kind: outboxOpened, clients: clients})
	return nil
}

// unusable says why there is no outbox.
func (k *disk) unusable(err error) {
	err = OutboxError(err)
	if k.said.level(aboutOutbox, err.Error()) == slog.LevelWarn {
		if k.cfg.RunWithout {
			k.slog.Error("outbox cannot be used, running without it until the next start", "err", err)
		} else {
			k.slog.Error("outbox cannot be used, the port stays closed; trying on", "err", err)
		}
		k.post(event{kind: outboxUnusable, err: err})
	}
}

// OutboxError adds to an error of [outbox.Open] or [outbox.Inspect] what to do about
// it, unless it says so itself.
func OutboxError(err error) error {
	switch {
	case errors.Is(err, outbox.ErrLocked):
		return fmt.Errorf("%w; stop that one, or give each a folder of its own", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let the user that umqttd runs as read and write there", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; make the folder, or mount its disk", err)
	case refusalFor(err) == gateway.StoreFull:
		return fmt.Errorf("%w; make room on the disk", err)
	}
	return err
}

// tellStats says how the outbox is.
func (k *disk) tellStats() {
	stats := k.log.Stats()
	k.met.OutboxMessages.Set(float64(stats.Messages))
	k.met.OutboxBytes.Set(float64(stats.Bytes))
	k.met.OutboxMaxBytes.Set(float64(stats.MaxBytes))
	k.post(event{kind: outboxChanged, outbox: &outboxNews{stats, k.problem}})
}

// outboxEvent deals with what the disk says.
func (d *Device) outboxEvent(ev *event) {
	switch ev.kind {
	case outboxOpened:
		d.restored(ev.clients)
	case outboxUnusable:
		d.withoutOutbox(ev.err)
	case outboxChanged:
		d.outbox = *ev.outbox
		if d.outbox.stats.Messages == 0 {
			d.said.over(aboutEvicted)
		}
	case messagesStored:
		d.stored(ev)
	case messagesLoaded:
		d.loaded(ev.loaded)
	case messagesEvicted:
		d.evicted(ev)
	}
}

// restored takes over what was there before the last restart, and lets the port be
// opened.
func (d *Device) restored(clients []restoredClient) {
	for _, c := range clients {
		err := d.gw.Restore(d.now(), c.clientID, c.state, c.stored)
		if err != nil {
			d.log.Error("what was kept of a board cannot be used; it starts anew", "client", c.clientID, "err", err)
			if c.stored > 0 {
				_ = d.gw.Restore(d.now(), c.clientID, nil, c.stored) // without a state there is no error
			}
		}
		d.settle()
	}
	d.outbox.problem = ""
	d.unready.Store(nil)
	close(d.mayOpen)
}

// withoutOutbox says that there is no outbox: the port stays closed, or the broker's
// acknowledgement is the only one.
func (d *Device) withoutOutbox(err error) {
	d.outbox.problem = err.Error()
	if d.cfg.Outbox.RunWithout {
		d.gw = d.newGateway(false)
		d.disk = nil
		d.outbox.problem = "running without its outbox: " + d.outbox.problem
		close(d.mayOpen)
		return
	}
	d.unready.Store(&d.outbox.problem)
}

// NotReady returns why the device cannot do its work, or "". A port that is missing is
// no such reason.
func (d *Device) NotReady() string {
	if why := d.unready.Load(); why != nil {
		return *why
	}
	return ""
}

// stored tells the gateway what has become of messages that it wanted stored.
func (d *Device) stored(ev *event) {
	for i := range ev.results {
		r := &ev.results[i]
		d.gw.Stored(d.now(), r.node, r.token, r.seq, r.result)
		d.settle()
	}
	select {
	case d.disk.freed <- ev.results:
	default:
	}
}

// loaded hands stored messages to the gateway, which publishes them.
func (d *Device) loaded(l *loadedMessages) {
	d.gw.Loaded(d.now(), l.node, l.messages)
	d.settle()
	select {
	case d.disk.reads <- l:
	default:
	}
}

// evicted says that messages were dropped to make room.
func (d *Device) evicted(ev *event) {
	for _, e := range ev.evicted {
		d.met.Dropped[metrics.DropOutboxOldest].Add(float64(e.Messages))
		d.seen.counts.Dropped += uint64(e.Messages)
		level := d.said.level(aboutEvicted, "dropped")
		d.log.Log(d.inner, level, "outbox is full, oldest messages are dropped; see to the broker, or raise outbox.max_bytes", "client", e.Client, "messages", e.Messages)
		d.gw.Evicted(d.now(), e.Client, e.UpTo, e.Messages)
		d.settle()
	}
}
