package port

// Spec says which port a device is on and how to open it.
type Spec struct {
	// Path is a device node or a link to one, tcp://host:port or
	// udp://host:port. Either Path or USB is given.
	Path string
	USB  USB
	// Baud is the speed of the line in bits a second. 0 means DefaultBaud.
	Baud  int
	Reset Reset
}

// USB is the identity of a USB adapter.
type USB struct {
	VID, PID string // four hexadecimal digits each, in either case
	Serial   string // exact; "" means any
}

// Reset says what opening a tty does to the board.
type Reset string

const (
	ResetNever Reset = ""      // nothing, if the adapter permits
	ResetPulse Reset = "pulse" // EN is pulled low for 100 ms
)
