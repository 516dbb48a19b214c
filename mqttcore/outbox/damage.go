package outbox

import "fmt"

// Damage is a part of a segment that cannot be read as it was written. Its
// neighbours are not affected.
type Damage struct {
	File     string // path of the segment
	Offset   int64  // in bytes; 0 if Messages is not
	Bytes    int64
	Seq      uint64 // number of the record that it was, 0 if that cannot be read either
	Client   string // whose it was, if known
	Messages int    // how many were found missing that could be read earlier
}

// String says what is wrong, for a log.
func (d Damage) String() string {
	s := fmt.Sprintf("outbox: %s: ", d.File)
	switch {
	case d.Messages > 0:
		s += fmt.Sprintf("%d messages have become unreadable", d.Messages)
	case d.Seq > 0:
		s += fmt.Sprintf("damaged record %d, %d bytes at %d", d.Seq, d.Bytes, d.Offset)
	default:
		s += fmt.Sprintf("%d damaged bytes at %d", d.Bytes, d.Offset)
	}
	if d.Client != "" {
		s += fmt.Sprintf(", client %q", d.Client)
	}
	return s
}

// maxDamage is how many are kept for Log.Damage.
const maxDamage = 100

type damages struct {
	list  []Damage
	total uint64
}

func (d *damages) add(one Damage) {
	d.total++
	if len(d.list) < maxDamage {
		d.list = append(d.list, one)
	}
}

// Damage returns what was found damaged since it was last called, at most 100
// places; [Stats] counts all.
func (l *Log) Damage() []Damage {
	d := l.damage.list
	l.damage.list = nil
	return d
}

func (l *Log) damageAt(p place, client string) Damage {
	return Damage{File: l.path(p.seg.number), Offset: int64(p.off), Bytes: int64(p.size), Seq: p.seq, Client: client}
}
