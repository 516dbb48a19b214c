package usbip

import "time"

// Lines are the two modem lines that the host sets. Most boards with an ESP32 have two transistors on them: RTS alone resets the board, DTR alone makes it start its
// boot loader at the next reset, and both or none let it run.
type Lines struct{ DTR, RTS bool }

// String returns "DTR+RTS", "DTR", "RTS" or "none".
func (l Lines) String() string {
	switch {
	case l.DTR && l.RTS:
		return "DTR+RTS"
	case l.DTR:
		return "DTR"
	case l.RTS:
		return "RTS"
	}
	return "none"
}

// The lines as USB serial adapters of both kinds have them in a byte.
const (
	modemDTR = 1 << 0
	modemRTS = 1 << 1
)

func (l Lines) bits() (b byte) {
	if l.DTR {
		b |= modemDTR
	}
	if l.RTS {
		b |= modemRTS
	}
	return b
}

// Transfer is one control transfer by which the host set modem lines.
type Transfer struct {
	At            time.Time
	Before, After Lines
	Both          bool // it wrote both lines
}

// Edge reports whether a line changed.
func (t Transfer) Edge() bool { return t.Before != t.After }
