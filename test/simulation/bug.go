package simulation

import (
	"slices"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// A Bug is a fault that is planted between the rooms, to show that it is found.
type Bug uint8

// The bugs.
const (
	NoBug             Bug = iota
	AckBeforeSync         // a message counts as stored before the disk has it
	CreditIgnored         // rx_buffer is ignored
	WindowIgnored         // max_inflight is ignored
	DuplicateTaken        // what a board sends again is taken for new
	BrokerBeforeBoard     // the broker gets its acknowledgement before the board has the message
	AckCrossesConnect     // the PUBACK of an earlier session comes in the next one
	WillForgotten         // the broker is not told of wills
	CopiesTakenForNew     // what the broker sends again is taken for new
	RecordLost            // a stored message is skipped when it is to be published
	SettledEarly          // a stored message is done with before the broker has it
	OrderSwapped          // two stored messages change places
	bugs
)

// String returns what is wrong.
func (b Bug) String() string {
	return [...]string{
		"none", "ack before sync", "credit ignored", "window ignored", "duplicate taken", "broker before board", "ack crosses connect",
		"will forgotten", "copies taken for new", "record lost", "settled early", "order swapped",
	}[b]
}

// tampered is what the bugs remember.
type tampered struct {
	puback []byte // the last one, as a body
}

// tamperUp changes what comes from a board.
func (p *process) tamperUp(body []byte) []byte {
	if p.w.bug != DuplicateTaken {
		return body
	}
	var m mqttsn.Packet
	if err := mqttsn.Parse(body, &m); err != nil {
		return body
	}
	if m.Type == mqttsn.Encapsulated {
		m.Data = p.tamperUp(m.Data)
		return m.Append(nil)
	}
	if m.Type == mqttsn.Publish {
		m.Flags &^= mqttsn.DUP
		return m.Append(nil)
	}
	return body
}

// tamperDown changes what goes to the boards.
func (p *process) tamperDown(b []byte) []byte {
	if p.w.bug != AckCrossesConnect {
		return b
	}
	var dec serialproto.Decoder
	dec.Feed(slices.Clone(b), p.w.now)
	for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
		var m mqttsn.Packet
		if ev.Kind != serialproto.Frame || mqttsn.Parse(ev.Body, &m) != nil {
			continue
		}
		switch m.Type {
		case mqttsn.PubAck:
			p.tampered.puback = slices.Clone(ev.Body)
		case mqttsn.ConnAck:
			if late := p.tampered.puback; late != nil {
				p.later(p.w.within(3_000_000_000), func() { p.w.line.sendDown(serialproto.AppendFrame(nil, late)) })
			}
		default:
		}
	}
	return b
}

// tamperReplay changes what comes from the outbox.
func (p *process) tamperReplay(c *gateway.Command, list []gateway.StoredMessage) []gateway.StoredMessage {
	if len(list) == 0 {
		return list
	}
	switch last := len(list) - 1; p.w.bug {
	case RecordLost:
		if last > 0 {
			return slices.Delete(list, last-1, last)
		}
	case SettledEarly:
		p.disk.log.Ack(c.ClientID, list[last].Seq)
	case OrderSwapped:
		if last > 0 {
			list[last].Payload, list[last-1].Payload = list[last-1].Payload, list[last].Payload
		}
	default:
	}
	return list
}
