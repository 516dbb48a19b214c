package devices

import (
	"log/slog"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// loadedMessages is the answer to a LoadMessages command.
type loadedMessages struct {
	node     gateway.NodeID
	read     []outbox.Message
	messages []gateway.StoredMessage // refer to read
}

// loadAll answers what is to be loaded. What cannot be read now is tried again with
// the next flush: to say that there is nothing would be to lose it.
func (k *disk) loadAll() {
	failed := k.loads[:0]
	for i := range k.loads {
		c := k.loads[i]
		if err := k.load(&c); err != nil {
			failed = append(failed, c)
			k.complainUnread(&c, err)
		}
	}
	clear(k.loads[len(failed):])
	k.loads = failed
	k.dirty = k.dirty || len(failed) > 0
}

// load reads the messages that c asks for and hands them to the loop.
func (k *disk) load(c *gateway.Command) error {
	var l *loadedMessages
	select {
	case l = <-k.reads:
	default:
		l = new(loadedMessages)
	}
	k.busy()
	read, err := k.log.Read(c.ClientID, c.Seq, l.read[:0], min(c.Max*k.average, maxLoadSize))
	k.idle()
	if err != nil && len(read) == 0 {
		return err
	}
	l.node, l.read, l.messages = c.Node, read, l.messages[:0]
	total := 0
	for i := range read {
		m := &read[i]
		total += len(m.Topic) + len(m.Payload)
		if i < c.Max { // the log counts bytes
			l.messages = append(l.messages, gateway.StoredMessage{Seq: m.Seq, Topic: m.Topic, Payload: m.Payload, Retain: m.Retain})
		}
	}
	if len(read) > 0 {
		k.average = max(1, total/len(read))
		k.said.over(aboutReading + c.ClientID)
	}
	k.post(event{kind: messagesLoaded, loaded: l})
	return nil
}

// complainUnread says, once, that messages cannot be read.
func (k *disk) complainUnread(c *gateway.Command, err error) {
	if k.said.level(aboutReading+c.ClientID, cause(err)) == slog.LevelDebug {
		k.slog.Debug("stored messages cannot be read", "client", c.ClientID, "err", err)
		return
	}
	k.slog.Error("stored messages cannot be read, trying on; see to the disk", "client", c.ClientID, "err", err)
}

// reportDamage tells of what has rotted on the disk.
func (k *disk) reportDamage() {
	for _, d := range k.log.Damage() {
		k.met.OutboxDamaged.Inc()
		k.slog.Error("outbox is damaged, what can be read goes on; see to the disk", "damage", d.String())
	}
}

// aboutReading is what complaints are about, with a client id.
const aboutReading = "reading "
