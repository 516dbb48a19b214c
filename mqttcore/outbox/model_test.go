package outbox_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// model is a log as one would write it without a disk.
type model struct {
	messages   map[string][]message // stored; less those whose acknowledgement is on disk for sure
	acked      map[string]uint64    // in memory
	states     map[string]string
	quarantine []message
	overflown  []message // out of the quarantine; may come back if others were larger
}

type message struct {
	seq            uint64
	at             int64 // nanoseconds
	client         string
	topic, payload string
	why            string
}

// change is one record of a commit.
type change struct {
	kind  byte // 'm'essage, 's'tate, 'q'uarantine
	m     message
	state []byte
}

func newModel() *model {
	return &model{messages: map[string][]message{}, acked: map[string]uint64{}, states: map[string]string{}}
}

func (m *model) clone() *model {
	c := &model{
		messages:   maps.Clone(m.messages),
		acked:      maps.Clone(m.acked),
		states:     maps.Clone(m.states),
		quarantine: slices.Clone(m.quarantine),
		overflown:  slices.Clone(m.overflown),
	}
	for name, list := range c.messages {
		c.messages[name] = slices.Clone(list)
	}
	return c
}

func (m *model) apply(c change) {
	name := c.m.client
	switch c.kind {
	case 'm':
		m.messages[name] = append(m.messages[name], c.m)
	case 's':
		if c.state == nil {
			delete(m.states, name)
		} else {
			m.states[name] = string(c.state)
		}
	case 'q':
		m.quarantine = append(m.quarantine, c.m)
		for len(m.quarantine) > 1 && (len(m.quarantine) > 100 || m.quarantineSize() > 128<<10) {
			m.overflown = append(m.overflown, m.quarantine[0])
			m.quarantine = m.quarantine[1:]
		}
		m.acked[name] = max(m.acked[name], c.m.seq)
		m.settle(name, c.m.seq)
	}
}

// quarantineSize is what the quarantine takes on disk.
func (m *model) quarantineSize() (n int) {
	for _, q := range m.quarantine {
		n += (40 + len(q.client) + len(q.topic) + len(q.payload) + len(q.why) + 10 + 7) &^ 7
	}
	return n
}

// settle forgets messages for good.
func (m *model) settle(client string, seq uint64) {
	m.messages[client] = slices.DeleteFunc(m.messages[client], func(s message) bool { return s.seq <= seq })
}

// waiting returns what Read must return while the log is open.
func (m *model) waiting(client string) []message {
	return slices.DeleteFunc(slices.Clone(m.messages[client]), func(s message) bool { return s.seq <= m.acked[client] })
}

// content is all that a log can tell.
type content struct {
	messages   map[string][]message
	states     map[string]string
	quarantine []message
}

func contentOf(l *outbox.Log) (content, error) {
	c := content{messages: map[string][]message{}, states: map[string]string{}}
	total, size := 0, int64(0)
	for _, info := range l.Clients() {
		list, err := readAll(l, info.Client)
		if err != nil {
			return c, err
		}
		if len(list) != info.Messages {
			return c, fmt.Errorf("%d messages of %q read, %d counted", len(list), info.Client, info.Messages)
		}
		if len(list) > 0 {
			if list[0].seq != info.First || list[len(list)-1].seq != info.Last {
				return c, fmt.Errorf("messages %d to %d of %q, %d to %d counted", list[0].seq, list[len(list)-1].seq, info.Client, info.First, info.Last)
			}
			c.messages[info.Client] = list
		}
		total, size = total+len(list), size+info.Bytes
	}
	if s := l.Stats(); s.Messages != total || s.Bytes != size {
		return c, fmt.Errorf("%d messages with %d bytes, but stats %+v", total, size, s)
	}
	states, err := l.States()
	if err != nil {
		return c, err
	}
	for _, s := range states {
		c.states[s.Client] = string(s.Data)
	}
	q, err := l.Quarantined()
	for _, m := range q {
		c.quarantine = append(c.quarantine, message{m.Seq, m.Accepted.UnixNano(), m.Client, string(m.Topic), string(m.Payload), m.Why})
	}
	return c, err
}

func readAll(l *outbox.Log, client string) ([]message, error) {
	var list []message
	var buf []outbox.Message
	for after := uint64(0); ; after = list[len(list)-1].seq {
		var err error
		if buf, err = l.Read(client, after, buf[:0], 5000); err != nil {
			return list, err
		}
		if len(buf) == 0 {
			return list, nil
		}
		for _, m := range buf {
			if m.Client != client || m.QoS != 1 || m.Retain {
				return list, fmt.Errorf("message is not as it was: %+v", m)
			}
			if n := len(list); n > 0 && list[n-1].seq >= m.Seq {
				return list, fmt.Errorf("message %d after %d", m.Seq, list[n-1].seq)
			}
			list = append(list, message{m.Seq, m.Accepted.UnixNano(), client, string(m.Topic), string(m.Payload), ""})
		}
	}
}

// differs says how what a log holds after a restart differs from what it may
// hold. Messages that were acknowledged may be there again. Otherwise both are
// the same.
func (m *model) differs(got content) string {
	if !maps.Equal(got.states, m.states) {
		return fmt.Sprintf("states %s, want %s", brief(got.states), brief(m.states))
	}
	older := len(got.quarantine) - len(m.quarantine)
	if older < 0 || !slices.Equal(got.quarantine[older:], m.quarantine) {
		return fmt.Sprintf("quarantine has %v, want %v", numbers(got.quarantine), numbers(m.quarantine))
	}
	for _, q := range got.quarantine[:older] {
		if !slices.Contains(m.overflown, q) {
			return fmt.Sprintf("invented message %d in quarantine", q.seq)
		}
	}
	for name := range got.messages {
		if len(m.messages[name]) == 0 {
			return fmt.Sprintf("invented messages of %q", name)
		}
	}
	for name, want := range m.messages {
		have := got.messages[name]
		for _, w := range want {
			switch {
			case len(have) > 0 && have[0] == w:
				have = have[1:]
			case w.seq > m.acked[name]:
				return fmt.Sprintf("messages of %q are %v, want %v, acknowledged up to %d", name, numbers(got.messages[name]), numbers(want), m.acked[name])
			}
		}
		if len(have) > 0 {
			return fmt.Sprintf("messages of %q are %v, want %v", name, numbers(got.messages[name]), numbers(want))
		}
	}
	return ""
}

// adopt makes what was found after a restart what is expected from now on.
func (m *model) adopt(got content) {
	m.messages, m.quarantine = got.messages, got.quarantine
	for name := range m.acked {
		m.acked[name] = 0
	}
}

func numbers(list []message) []uint64 {
	var n []uint64
	for _, m := range list {
		n = append(n, m.seq)
	}
	return n
}

func brief(states map[string]string) string {
	var s strings.Builder
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s.WriteString(fmt.Sprintf("%s:%.12q ", name, states[name]))
	}
	return s.String()
}
